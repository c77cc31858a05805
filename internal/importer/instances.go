package importer

import (
	"fmt"
	"maps"
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
// alone. That is how generated instances are named. What scgi-run answers for has no
// instances: one of it has as many processes as are needed.
func (r *reading) regroup() {
	r.regroupTemplates()
	groups := make(map[string][]*draft)
	for _, d := range r.drafts {
		if m := numberedName.FindStringSubmatch(d.name); m != nil && d.first("type") == "server" {
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
		whole, why := oneOf(m[1], group)
		if why != "" {
			continue
		}
		r.drafts[i] = whole
		r.drafts = slices.DeleteFunc(r.drafts, func(d *draft) bool { return slices.Contains(group, d) })
		whole.assume(whole.at, "run.instances", "", "%s-1 to %s-%d differ in their number and port alone, and are instances of one app", whole.name, whole.name, len(group))
	}
}

// regroupTemplates makes one app of the instances of a template whose numbers count
// up by one and are their ports, or begin with 1, where they differ in nothing else.
func (r *reading) regroupTemplates() {
	var order []string
	groups := make(map[string][]*draft)
	for _, d := range r.drafts {
		if d.template == "" || d.first("type") != "server" {
			continue
		}
		if groups[d.template] == nil {
			order = append(order, d.template)
		}
		groups[d.template] = append(groups[d.template], d)
	}
	for _, template := range order {
		group, name := groups[template], mendedName(template)
		slices.SortFunc(group, func(a, b *draft) int { return a.instance - b.instance })
		taken := slices.ContainsFunc(r.drafts, func(d *draft) bool { return d.name == name })
		if len(group) < 2 || taken || group[len(group)-1].instance-group[0].instance != len(group)-1 {
			continue
		}
		r.oneOfTemplate(name, group)
	}
}

// oneOfTemplate puts one app in the place of the instances, if that is the same.
func (r *reading) oneOfTemplate(name string, group []*draft) {
	names := make([]string, len(group))
	copies := make([]*draft, len(group))
	for i, d := range group {
		one := *d
		names[i], one.name, one.values = d.name, fmt.Sprintf("%s-%d", name, i+1), maps.Clone(d.values)
		copies[i] = &one
	}
	described := copies[0].first("description")
	differ := slices.ContainsFunc(copies, func(d *draft) bool { return d.first("description") != described })
	if differ {
		for _, d := range copies {
			delete(d.values, "description")
		}
	}
	whole, why := oneOf(name, copies)
	if why != "" {
		return // they are apps of their own
	}
	r.drafts[slices.Index(r.drafts, group[0])] = whole
	r.drafts = slices.DeleteFunc(r.drafts, func(d *draft) bool { return slices.Contains(group, d) })
	for i := range r.notes {
		if slices.Contains(names, r.notes[i].App) {
			r.notes[i].App = name
		}
	}
	if differ {
		whole.lost(whole.at, "Description=%s and the like: the instances of an app have one description", described)
	}
	whole.assume(whole.at, "run.instances", "", "%s differ in their number and port alone, and are instances of one app", strings.Join(names, ", "))
}

func number(d *draft) int {
	n, _ := strconv.Atoi(d.name[strings.LastIndexByte(d.name, '-')+1:])
	return n
}

// maxInstances is what a description has at most.
const maxInstances = 64

// oneOf returns the app whose instances the drafts are, or why they are not those of
// one.
func oneOf(name string, group []*draft) (whole *draft, why string) {
	first := group[0]
	whole = &draft{r: first.r, name: name, at: first.at, values: make(map[string]value), loopback: first.loopback, logFile: first.logFile, logPlace: first.logPlace}
	for i, d := range group {
		if number(d) != i+1 || i >= maxInstances {
			return nil, "their numbers do not count up from 1"
		}
		if len(d.values) != len(first.values) {
			return nil, "one of them has settings that another one has not"
		}
	}
	ports, ok := portsOf(group)
	if !ok {
		return nil, "their ports do not count up by one"
	}
	for _, field := range first.sorted() {
		if whole.values[field], why = commonValue(field, group, ports); why != "" {
			return nil, why
		}
	}
	if v, ok := whole.values["description"]; ok && v.text[0] == name {
		delete(whole.values, "description")
	}
	whole.number("run.instances", int64(len(group)), first.at)
	if v, ok := first.values["run.command"]; ok && ports[0] != "" && !whole.has("listen.tcp") {
		whole.text("listen.tcp", net.JoinHostPort("127.0.0.1", ports[0]), v.at)
		whole.assume(v.at, "listen.tcp", "--listen names another one", "%s counts up in the command, and is taken for the port", ports[0])
	}
	return whole, ""
}

// commonValue returns the value of a field that becomes that of each draft in its
// instance.
func commonValue(field string, group []*draft, ports []string) (merged value, why string) {
	merged = group[0].values[field]
	merged.text = slices.Clone(merged.text)
	for _, d := range group {
		if v, ok := d.values[field]; !ok || len(v.text) != len(merged.text) {
			return value{}, field + " is not of the same form in all of them"
		}
	}
	for j := range merged.text {
		texts := make([]string, len(group))
		for i, d := range group {
			texts[i] = d.values[field].text[j]
		}
		text, ok := commonText(field, texts, ports)
		if !ok {
			i := slices.IndexFunc(texts, func(text string) bool { return text != texts[0] })
			return value{}, fmt.Sprintf("%s has %q in one and %q in another, and ${instance} counts from 1", field, texts[0], texts[max(i, 0)])
		}
		merged.text[j] = text
	}
	return merged, ""
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

// countingWords returns the number in a word of each command that is a port, and one
// more than that of the draft before; nil where there is none.
func countingWords(group []*draft) []string {
	command, ok := group[0].values["run.command"]
	if !ok {
		return nil
	}
	words := command.text
	for j, word := range words {
		for _, number := range portNumber.FindAllString(word, -1) {
			port, err := strconv.ParseUint(number, 10, 16)
			if err != nil || port < 1024 {
				continue
			}
			found := make([]string, len(group))
			for i, d := range group {
				found[i] = strconv.FormatUint(port+uint64(i), 10)
				if other := d.values["run.command"].text; len(other) != len(words) || replaceNumber(other[j], found[i], "") != replaceNumber(word, number, "") {
					found = nil
					break
				}
			}
			if found != nil && len(group) > 1 {
				return found
			}
		}
	}
	return nil
}

var portNumber = regexp.MustCompile(`\b[0-9]{4,5}\b`)

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
	var b strings.Builder
	for from := 0; ; {
		at := strings.Index(text[from:], number)
		if at < 0 {
			b.WriteString(text[from:])
			return b.String()
		}
		at += from
		end := at + len(number)
		b.WriteString(text[from:at])
		if at > 0 && isWordByte(text[at-1]) || end < len(text) && isWordByte(text[end]) {
			b.WriteByte(text[at])
			from = at + 1
			continue
		}
		b.WriteString(variable)
		from = end
	}
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
