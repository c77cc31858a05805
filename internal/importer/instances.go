package importer

import (
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var numberedName = regexp.MustCompile(`^([a-z][a-z0-9-]*?)-([1-9][0-9]?)$`)

// regroup makes one app with run.instances of services that are named NAME-1,
// NAME-2 and so on, and differ in their port, their socket and their number
// alone. That is how generated instances are named.
func (r *reading) regroup() {
	groups := make(map[string][]*draft)
	for _, d := range r.drafts {
		if m := numberedName.FindStringSubmatch(d.name); m != nil {
			groups[m[1]] = append(groups[m[1]], d)
		}
	}
	for i := 0; i < len(r.drafts); i++ {
		m := numberedName.FindStringSubmatch(r.drafts[i].name)
		if m == nil {
			continue
		}
		group := groups[m[1]]
		slices.SortFunc(group, func(a, b *draft) int { return number(a) - number(b) })
		taken := slices.ContainsFunc(r.drafts, func(d *draft) bool { return d.name == m[1] })
		if len(group) < 2 || taken || group[0] != r.drafts[i] {
			continue
		}
		whole := oneOf(m[1], group)
		if whole == nil {
			continue
		}
		r.drafts[i] = whole
		r.drafts = slices.DeleteFunc(r.drafts, func(d *draft) bool { return slices.Contains(group, d) })
		whole.assume(whole.at, "run.instances", "", "%s-1 to %s-%d differ in their number and port alone, and are instances of one app", whole.name, whole.name, len(group))
	}
}

func number(d *draft) int {
	n, _ := strconv.Atoi(d.name[strings.LastIndexByte(d.name, '-')+1:])
	return n
}

// oneOf returns the app whose instances the drafts are, or nil.
func oneOf(name string, group []*draft) *draft {
	first := group[0]
	whole := &draft{r: first.r, name: name, at: first.at, values: make(map[string]value), loopback: first.loopback, logFile: first.logFile, logPlace: first.logPlace}
	for i, d := range group {
		if number(d) != i+1 || len(d.values) != len(first.values) || i >= 64 {
			return nil
		}
	}
	ports, ok := portsOf(group)
	if !ok {
		return nil
	}
	for field, v := range first.values {
		all := make([]value, len(group))
		for i, d := range group {
			if all[i], ok = d.values[field]; !ok || len(all[i].text) != len(v.text) {
				return nil
			}
		}
		merged := v
		merged.text = slices.Clone(v.text)
		for j := range v.text {
			texts := make([]string, len(group))
			for i := range all {
				texts[i] = all[i].text[j]
			}
			if merged.text[j], ok = commonText(field, texts, ports); !ok {
				return nil
			}
		}
		whole.values[field] = merged
	}
	if v, ok := whole.values["description"]; ok && v.text[0] == name {
		delete(whole.values, "description")
	}
	whole.number("run.instances", int64(len(group)), first.at)
	if v, ok := first.values["run.command"]; ok && ports[0] != "" && !whole.has("listen.tcp") {
		whole.text("listen.tcp", net.JoinHostPort("127.0.0.1", ports[0]), v.at)
		whole.assume(v.at, "listen.tcp", "--listen names another one", "%s counts up in the command, and is taken for the port", ports[0])
	}
	return whole
}

// portsOf returns the port of each draft, which count up by one; those of
// sockets on disk are "". Where nothing says what the programs listen on, it is a
// word of the command that counts up.
func portsOf(group []*draft) ([]string, bool) {
	ports := make([]string, len(group))
	if first := group[0]; !first.has("listen.tcp") && !first.has("listen.unix") {
		if found := countingWords(group); found != nil {
			return found, true
		}
	}
	for i, d := range group {
		v, tcp := d.values["listen.tcp"]
		if !tcp {
			continue // a socket on disk, or no word about it
		}
		_, port, err := net.SplitHostPort(v.text[0])
		n, _ := strconv.Atoi(port)
		if i > 0 {
			before, _ := strconv.Atoi(ports[i-1])
			if n != before+1 {
				return nil, false
			}
		}
		if err != nil {
			return nil, false
		}
		ports[i] = port
	}
	return ports, true
}

// countingWords returns the word of each command that is a port, and one more than
// that of the draft before; nil where there is none.
func countingWords(group []*draft) []string {
	words := group[0].values["run.command"].text
	for j, word := range words {
		port, err := strconv.ParseUint(word, 10, 16)
		if err != nil || port < 1024 {
			continue
		}
		found := make([]string, len(group))
		for i, d := range group {
			found[i] = strconv.FormatUint(port+uint64(i), 10)
			if other := d.values["run.command"].text; len(other) != len(words) || other[j] != found[i] {
				found = nil
				break
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// commonText returns the text that becomes each of the texts in its instance.
func commonText(field string, texts, ports []string) (string, bool) {
	same := func(of func(i int) string) (string, bool) {
		first := of(0)
		for i := range texts {
			if of(i) != first {
				return "", false
			}
		}
		return first, true
	}
	if text, ok := same(func(i int) string { return texts[i] }); ok && field != "listen.tcp" {
		return text, true
	}
	number := func(i int) string { return strconv.Itoa(i + 1) }
	switch field {
	case "listen.tcp":
		_, ok := same(func(i int) string { return strings.TrimSuffix(texts[i], ":"+ports[i]) })
		return texts[0], ok
	case "listen.unix":
		return same(func(i int) string {
			ext := path.Ext(texts[i])
			stem, ok := strings.CutSuffix(strings.TrimSuffix(texts[i], ext), "-"+number(i))
			if !ok {
				return texts[i]
			}
			return stem + ext
		})
	case "log.dir":
		return same(func(i int) string { return strings.TrimSuffix(texts[i], "/"+number(i)) })
	case "description":
		return same(func(i int) string { return strings.TrimSuffix(texts[i], "-"+number(i)) })
	}
	if text, ok := same(func(i int) string { return replaceNumber(texts[i], ports[i], "${port}") }); ok {
		return text, true
	}
	return same(func(i int) string { return replaceNumber(texts[i], number(i), "${instance}") })
}

// replaceNumber puts a variable in the place of a number that stands alone.
func replaceNumber(text, number, variable string) string {
	if number == "" {
		return text
	}
	return regexp.MustCompile(`\b`+number+`\b`).ReplaceAllLiteralString(text, variable)
}
