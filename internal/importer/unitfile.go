package importer

import (
	"errors"
	"fmt"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// unitLine is one setting of a unit.
type unitLine struct {
	section, key, value string
	at                  place
	used                bool
}

// unit is a unit with its drop-ins.
type unit struct {
	r     *reading
	name  string // with its kind
	file  string
	lines []unitLine
}

// readUnit reads a unit and its drop-ins. The file of an instance may be missing,
// where its template is there.
//
// Source: systemd.syntax(7), systemd.unit(5).
func (r *reading) readUnit(file string) (*unit, error) {
	text, from, err := r.unitText(file)
	if err != nil {
		return nil, err
	}
	u := &unit{r: r, name: path.Base(file), file: from}
	u.parse(from, text)
	for _, dropIn := range r.dropIns(file) {
		if text, ok := r.optional(dropIn); ok {
			u.parse(dropIn, text)
		}
	}
	return u, nil
}

// parse adds the settings of a file. An empty value takes back all that came
// before it, as for every setting that is a list; for the others the last one
// counts, so that is no difference.
func (u *unit) parse(file, text string) {
	section := ""
	all := lines(text)
	for i := 0; i < len(all); i++ {
		at := u.r.at(file, i+1)
		line := strings.TrimLeft(all[i], " \t")
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		for strings.HasSuffix(line, `\`) && i+1 < len(all) {
			i++
			if next := strings.TrimLeft(all[i], " \t"); next == "" || next[0] != '#' && next[0] != ';' {
				line = line[:len(line)-1] + " " + all[i]
			}
		}
		line = strings.TrimRight(line, " \t")
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = line[1 : len(line)-1]
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section == "" {
			u.r.note(Lost, at, "", "", "", "the line %q is no setting, and systemd ignores it", line)
			continue
		}
		u.set(section, strings.Trim(key, " \t"), strings.Trim(value, " \t\r"), at)
	}
}

func (u *unit) set(section, key, value string, at place) {
	if value == "" {
		kept := u.lines[:0]
		for _, l := range u.lines {
			if l.section != section || l.key != key {
				kept = append(kept, l)
			}
		}
		u.lines = kept
		if key != "CapabilityBoundingSet" { // where nothing is a value, and no return to the usual one
			return
		}
	}
	u.lines = append(u.lines, unitLine{section: section, key: key, value: value, at: at})
}

// all returns every line of a setting, and marks them as read.
func (u *unit) all(section, key string) []unitLine {
	var found []unitLine
	for i := range u.lines {
		if l := &u.lines[i]; l.section == section && l.key == key {
			l.used = true
			found = append(found, *l)
		}
	}
	return found
}

// unread takes the mark back.
func (u *unit) unread(section, key string) {
	for i := range u.lines {
		if l := &u.lines[i]; l.section == section && l.key == key {
			l.used = false
		}
	}
}

// last returns the line of a setting that counts.
func (u *unit) last(section, key string) (unitLine, bool) {
	found := u.all(section, key)
	if len(found) == 0 {
		return unitLine{}, false
	}
	return found[len(found)-1], true
}

// stem is the name without its kind; instance is what stands behind the "@".
func (u *unit) stem() string { return strings.TrimSuffix(u.name, path.Ext(u.name)) }

func (u *unit) instance() (prefix, instance string) {
	prefix, instance, _ = strings.Cut(u.stem(), "@")
	return prefix, instance
}

// specifiers puts in what % stands for, as far as the unit alone says it.
func (u *unit) specifiers(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	prefix, instance := u.instance()
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		known := map[byte]string{
			'%': "%", 'n': u.name, 'N': u.stem(), 'p': prefix, 't': "/run", 'S': "/var/lib", 'C': "/var/cache", 'L': "/var/log", 'E': "/etc", 'T': "/tmp", 'V': "/var/tmp",
			'i': instance, 'I': unescapedName(instance), 'P': unescapedName(prefix),
		}
		text, ok := known[s[i]]
		if !ok || strings.IndexByte("iI", s[i]) >= 0 && instance == "" {
			return "", fmt.Errorf("%%%c, which only the machine knows", s[i])
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// unescapedName is the path or the text that a part of a unit's name stands for.
//
// Source: systemd.unit(5), STRING ESCAPING FOR INCLUSION IN UNIT NAMES.
func unescapedName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '-':
			b.WriteByte('/')
			continue
		case strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s):
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// words splits a value as systemd does: quotes at the beginning of a word, and
// the escapes of C. Specifiers are put in after that.
func (u *unit) words(s string) ([]string, error) {
	words, err := splitUnitWords(s)
	if err != nil {
		return nil, err
	}
	return u.expanded(words)
}

func (u *unit) expanded(words []string) ([]string, error) {
	var err error
	for i := range words {
		if words[i], err = u.specifiers(words[i]); err != nil {
			return nil, err
		}
	}
	return words, nil
}

// splitCommands splits a command line: a word ";" without quotes ends a command, and
// "\;" is the word ";".
//
// Source: systemd.service(5), COMMAND LINES.
func splitCommands(s string) (commands [][]string, err error) {
	var words []string
	for {
		s = strings.TrimLeft(s, " \t")
		first := s
		if end := strings.IndexAny(s, " \t"); end >= 0 {
			first = s[:end]
		}
		switch first {
		case "":
			if len(words) > 0 {
				commands = append(commands, words)
			}
			return commands, nil
		case ";":
			if len(words) > 0 {
				commands = append(commands, words)
			}
			words, s = nil, s[1:]
		case `\;`:
			words, s = append(words, ";"), s[2:]
		default:
			word, rest, err := unitWord(s)
			if err != nil {
				return nil, err
			}
			words, s = append(words, word), rest
		}
	}
}

func splitUnitWords(s string) ([]string, error) {
	var words []string
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return words, nil
		}
		word, rest, err := unitWord(s)
		if err != nil {
			return nil, err
		}
		words, s = append(words, word), rest
	}
}

// unitWord reads the word that a text begins with.
func unitWord(s string) (word, rest string, err error) {
	var b strings.Builder
	quote := byte(0)
	for s != "" && (quote != 0 || s[0] != ' ' && s[0] != '\t') {
		switch {
		case s[0] == quote:
			quote, s = 0, s[1:]
		case quote == 0 && (s[0] == '"' || s[0] == '\''):
			quote, s = s[0], s[1:]
		case s[0] == '\\':
			if s, err = unescape(&b, s[1:]); err != nil {
				return "", "", err
			}
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	if quote != 0 {
		return "", "", errors.New("a quote without its pair")
	}
	return b.String(), s, nil
}

// unescape reads one escape sequence of C, behind the backslash.
func unescape(b *strings.Builder, s string) (rest string, err error) {
	if s == "" {
		return "", errors.New("a backslash at the end")
	}
	if at := strings.IndexByte("abfnrtv\\\"'s", s[0]); at >= 0 {
		b.WriteByte("\a\b\f\n\r\t\v\\\"' "[at])
		return s[1:], nil
	}
	for _, form := range []struct {
		first  byte
		digits int
		base   int
	}{{'x', 2, 16}, {'u', 4, 16}, {'U', 8, 16}, {0, 3, 8}} {
		from := 1
		if form.first == 0 {
			from = 0
		} else if s[0] != form.first {
			continue
		}
		if len(s) < from+form.digits {
			break
		}
		n, err := strconv.ParseUint(s[from:from+form.digits], form.base, 32)
		if err != nil || n == 0 {
			break
		}
		if form.digits > 3 {
			b.WriteRune(rune(min(n, utf8.MaxRune+1)))
		} else {
			b.WriteByte(byte(n)) //nolint:gosec // two hexadecimal digits, or three octal ones
		}
		return s[from+form.digits:], nil
	}
	return "", fmt.Errorf(`the escape \%c`, s[0])
}

// span reads a time as systemd does: "5min 20s", or a number of seconds.
//
// Source: systemd.time(7)
func span(s string) (time.Duration, bool) {
	units := map[string]time.Duration{
		"": time.Second, "s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second, "ms": time.Millisecond, "msec": time.Millisecond,
		"us": time.Microsecond, "usec": time.Microsecond, "m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
		"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour, "d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	}
	total := time.Duration(0)
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		end := len(s) - len(strings.TrimLeft(s, "0123456789."))
		n, err := strconv.ParseFloat(s[:end], 64)
		s = strings.TrimLeft(s[end:], " ")
		stop := len(s) - len(strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyz"))
		unit, ok := units[s[:stop]]
		if err != nil || !ok || n*float64(unit) > float64(3650*24*time.Hour) {
			return 0, false
		}
		total += time.Duration(n * float64(unit))
		s = s[stop:]
	}
	return total, total <= 3650*24*time.Hour
}

var sizePart = regexp.MustCompile(`^[ \t]*([0-9]+)(?:\.([0-9]*))?[ \t]*([EPTGMKB]?)[ \t]*`)

// unitSize reads a size: numbers with units, the largest first, as in "1G 512M".
//
// Source: parse_size of systemd 252, basic/parse-util.c.
func unitSize(s string) (int64, bool) {
	const units = "EPTGMKB"
	total, next := 0.0, 0 // float64 is exact up to 8 PiB, and more is no limit of a program
	for s != "" {
		m := sizePart.FindStringSubmatch(s)
		if m == nil {
			return 0, false
		}
		s = s[len(m[0]):]
		unit := len(units) // no letter
		if m[3] != "" {
			unit = strings.Index(units, m[3])
		}
		n, err := strconv.ParseFloat(m[1]+"."+m[2]+"0", 64)
		if err != nil || unit < next {
			return 0, false
		}
		total += math.Floor(n * math.Pow(1024, float64(max(6-unit, 0))))
		next = unit + 1
	}
	return int64(total), next > 0 && total < 1<<53
}
