package logrotate

import "bytes"

// match reports whether the whole of line fits the pattern. Bytes stand for
// themselves. A star at the end fits everything that is left; any other star
// skips to the first byte like the one after it and never goes back, so
// "*fatal*" does not fit "ffatal": the star stops at the first f. After
// "**" comes therefore whatever follows the first star in the line.
//
// Source: https://cr.yp.to/daemontools/multilog.html; daemontools 0.76 match.c.
func match(pattern string, line []byte) bool {
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '*' {
			if len(line) == 0 || line[0] != pattern[i] {
				return false
			}
			line = line[1:]
			continue
		}
		if i+1 == len(pattern) {
			return true
		}
		skip := bytes.IndexByte(line, pattern[i+1])
		if skip < 0 {
			return false
		}
		line = line[skip:]
	}
	return len(line) == 0
}
