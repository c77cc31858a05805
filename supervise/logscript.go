package supervise

import (
	"path"
	"strings"
)

// logScript is what a log/run does whose lines the supervisor can write itself:
// nothing but to become a multilog, perhaps as another user.
type logScript struct {
	User  string // of setuidgid; "" is the supervisor's
	Words []string
}

// parseLogScript recognises such a script: a shell's first line, comments, and
// one exec of words that the shell leaves as they are. Anything else is run as it
// is: what a script does is known by running it only.
func parseLogScript(text string) (logScript, bool) {
	first, rest, _ := strings.Cut(text, "\n")
	if first != "#!/bin/sh" {
		return logScript{}, false
	}
	command := ""
	for line := range strings.Lines(rest) {
		line = strings.TrimRight(line, "\n")
		if trimmed := strings.TrimLeft(line, " \t"); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if command != "" {
			return logScript{}, false
		}
		command = line
	}
	words, ok := shellWords(command)
	if !ok || len(words) < 2 || words[0] != "exec" {
		return logScript{}, false
	}
	words = words[1:]
	var script logScript
	if path.Base(words[0]) == "setuidgid" && len(words) > 2 {
		script.User, words = words[1], words[2:]
	}
	switch {
	case path.Base(words[0]) == "multilog":
		script.Words = words[1:]
	case path.Base(words[0]) == "scgi-run" && len(words) > 1 && words[1] == "multilog":
		script.Words = words[2:]
	default:
		return logScript{}, false
	}
	return script, len(script.Words) > 0
}

// shellWords splits a command of plain and single-quoted words. It returns false
// for anything that the shell would look at: expansions, redirections, escapes.
func shellWords(command string) ([]string, bool) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(command); i++ {
		switch c := command[i]; {
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case c == '\'':
			end := strings.IndexByte(command[i+1:], '\'')
			if end < 0 {
				return nil, false
			}
			word.WriteString(command[i+1 : i+1+end])
			inWord = true
			i += end + 1
		case c == '\\' && i+1 < len(command) && command[i+1] == '\'':
			word.WriteByte('\'')
			inWord = true
			i++
		case plainShellByte(c), c == '~' && inWord, c == '=' && len(words) > 0:
			word.WriteByte(c)
			inWord = true
		default:
			return nil, false
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, true
}

// plainShellByte returns whether the shell takes a byte as it is, wherever it
// stands.
func plainShellByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_-./,:+@%^", c) >= 0
}
