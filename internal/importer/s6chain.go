package importer

import (
	"strings"
)

// The programs of s6 that a chain is made of.
//
// Sources: s6-setuidgid.html, s6-envuidgid.html, s6-applyuidgid.html,
// s6-envdir.html, s6-log.html of https://skarnet.org/software/s6/.

func (c *chain) s6Setuidgid(words []string) ([]string, string) {
	rest, why := c.setuidgid(words)
	if why == "" && !c.log {
		c.d.lost(c.at, "s6-setuidgid gives the program the groups that its user has on the machine; name them in run.supplementary_groups")
	}
	return rest, why
}

// s6Envuidgid remembers the account for s6-applyuidgid.
func (c *chain) s6Envuidgid(words []string) ([]string, string) {
	if len(words) > 0 && words[0] == "-B" {
		words = words[1:]
	}
	if len(words) < 2 || strings.HasPrefix(words[0], "-") {
		return nil, "flags that are not known here"
	}
	c.pending = words[0]
	return words[1:], ""
}

func (c *chain) s6Applyuidgid(words []string) ([]string, string) {
	var groups []string
	fromEnv, named := false, false
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		flag := words[0]
		words = words[1:]
		switch {
		case flag == "--":
		case flag == "-U":
			fromEnv = true
		case flag == "-z":
		case flag == "-G" && len(words) > 0:
			named, groups, words = true, strings.FieldsFunc(words[0], isComma), words[1:]
		default:
			return nil, "unknown flag " + flag
		}
	}
	if len(words) == 0 || !fromEnv || c.pending == "" {
		return nil, "no account of s6-envuidgid, or no program"
	}
	c.account(c.pending)
	switch {
	case len(groups) > 0:
		c.d.words("run.supplementary_groups", groups, c.at)
	case !named:
		c.d.lost(c.at, "s6-applyuidgid gives the program the groups that its user has on the machine; name them in run.supplementary_groups")
	}
	return words, ""
}

func (c *chain) s6Envdir(words []string) ([]string, string) {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		switch flag := words[0]; flag {
		case "-L", "-I", "--":
		default:
			return nil, "unknown flag " + flag
		}
		words = words[1:]
	}
	return c.envdir(words)
}

// s6log reads the words of s6-log.
func (l *logReader) s6log(words []string) {
	l.size, l.keep = 99999, 10
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		flag := words[0]
		words = words[1:]
		switch {
		case flag == "--":
			l.s6words(words)
			return
		case flag == "-b":
		case flag == "-l" && len(words) > 0 && words[0] == "0":
			words = words[1:]
		case (flag == "-l" || flag == "-d") && len(words) > 0:
			l.d.lost(l.at, "s6-log %s %s", flag, words[0])
			words = words[1:]
		default:
			l.d.lost(l.at, "s6-log %s", flag)
		}
	}
	l.s6words(words)
}

func (l *logReader) s6words(words []string) {
	for _, word := range words {
		if word == "" {
			continue
		}
		switch first, rest := word[0], word[1:]; {
		case word == "t":
			l.stamp = "tai64n"
		case word == "T":
			l.stamp = "iso"
			l.d.lost(l.at, "s6-log T: the stamp is of local time, and becomes one of UTC")
		case first == 's':
			l.number(word, rest, &l.size)
		case first == 'n':
			l.number(word, rest, &l.keep)
		case first == 'S':
			var n int64
			if l.number(word, rest, &n) {
				l.d.size("log.max_total", n, l.at)
			}
		case first == '.' || first == '/':
			l.folder(word)
		default:
			l.d.lost(l.at, "the word %q of s6-log", word)
		}
	}
}
