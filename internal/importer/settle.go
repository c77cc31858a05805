package importer

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// settle completes the drafts and checks each as "scgikit validate" does. A
// value that a description does not take is a note, and left out; a service
// without what it has to have is refused.
func (r *reading) settle() *Result {
	r.regroup()
	r.complete()
	result := &Result{Apps: []Description{}}
	var sources []appfile.Source
	for _, d := range r.drafts {
		if r.done() != nil {
			break // Read says so
		}
		text, ok := d.valid()
		if !ok {
			continue
		}
		result.Apps = append(result.Apps, Description{Name: d.name, Text: text})
		sources = append(sources, appfile.Source{Name: d.name, Data: []byte(text)})
	}
	if len(sources) > 1 && r.done() == nil {
		_, list := r.loader().Load(sources)
		for _, p := range list {
			if p.Severity == diag.Error {
				r.note(Lost, r.at(r.base, 0), p.Span.File, p.Path, p.Hint, "the descriptions do not fit together: %s [%s]", p.Message, p.Code)
			}
		}
	}
	// What somebody has said is not assumed.
	r.notes = slices.DeleteFunc(r.notes, func(n Note) bool {
		listens := strings.HasPrefix(n.Hint, "--listen ") && r.choice(r.options.Listens, n.App) != ""
		return n.Class == Assumed && (listens || r.answerOf(n.Field) != "")
	})
	r.sortNotes()
	result.Notes = append([]Note{}, r.notes...)
	result.Wrong, result.Choices, result.Lacks = r.wrong, r.choices, r.lacks
	if len(r.wrong) > 0 {
		result.Apps = []Description{}
	}
	return result
}

func (r *reading) loader() *appfile.Loader { return &appfile.Loader{Options: r.options.Targets} }

// complete fills in what every description needs.
func (r *reading) complete() {
	const port = 8040
	taken := make(map[int]bool)
	for _, p := range r.options.Ports {
		taken[p] = true
	}
	for _, d := range r.drafts {
		if v, ok := d.values["listen.tcp"]; ok {
			_, p, _ := net.SplitHostPort(v.text[0])
			if n, err := strconv.Atoi(p); err == nil {
				freePorts(taken, n, d.instances())
			}
		}
	}
	for _, d := range r.drafts {
		d.hide()
		d.answer()
		if want := r.choice(r.options.Listens, d.name); want != "" {
			for _, field := range []string{"listen.tcp", "listen.unix"} {
				delete(d.values, field)
			}
			d.listen(want, r.flag("--listen", d))
		}
		if !d.has("listen.tcp") && !d.has("listen.unix") && !d.portInCommand() {
			first := freePorts(taken, port, d.instances())
			address := fmt.Sprintf("%s:%d", cmp.Or(d.loopback, "127.0.0.1"), first)
			d.text("listen.tcp", address, place{"a placeholder", 0})
			d.assume(d.at, "listen", "--listen names it", "nothing says where the program listens: %s is a placeholder", address)
		}
		d.mount()
		d.checkLogFile()
		d.checkStopLimit()
		if want := r.choice(r.options.Users, d.name); want != "" && !d.has("run.user") {
			d.user(want, place{"--user", 0})
		}
	}
}

// flag is the place of a value that a flag gives. What is made of answers alone names
// none.
func (r *reading) flag(name string, d *draft) place {
	if r.kind == Project {
		return d.at
	}
	return place{name, 0}
}

func (d *draft) instances() int {
	n, _ := strconv.Atoi(d.first("run.instances"))
	return max(n, 1)
}

// freePorts takes the next ports that follow each other and are free, and
// returns the first.
func freePorts(taken map[int]bool, first, count int) int {
	for i := 0; i < count; i++ {
		if taken[first+i] {
			first, i = first+i+1, -1
		}
	}
	for i := range count {
		taken[first+i] = true
	}
	return first
}

// mount sets http.mount.
func (d *draft) mount() {
	if want := d.r.choice(d.r.options.Mounts, d.name); want != "" {
		d.text("http.mount", want, place{"--mount", 0})
		return
	}
	if !d.has("http.mount") {
		mount := "/" + d.name + "/"
		d.text("http.mount", mount, place{"a placeholder", 0})
		d.assume(d.at, "http.mount", "--mount names it", "nothing says where the web server has the app: %s is a placeholder", mount)
	}
}

// essential are the fields without which nothing is left of a service.
var essential = [...]string{
	"type", "run.command", "run.user", "cgi.script", "cgi.directory", "wsgi.module", "listen.tcp", "listen.unix", "http.mount",
}

// valid returns the description, without the values that it does not take.
func (d *draft) valid() (text string, ok bool) {
	for d.r.done() == nil {
		text = d.render()
		_, list := d.r.loader().Load([]appfile.Source{{Name: d.name, Data: []byte(text)}})
		i := slices.IndexFunc(list, func(p *diag.Problem) bool { return p.Severity == diag.Error })
		if i < 0 {
			return text, true
		}
		if d.r.kind == Project && d.blame(list) {
			return "", false
		}
		if !d.drop(list[i]) {
			return "", false
		}
	}
	return "", false
}

// drop takes the value of a problem out of the draft. It reports whether the
// rest is still the service.
func (d *draft) drop(p *diag.Problem) bool {
	field := d.fieldOf(p.Path)
	if field == "" || slices.Contains(essential[:], field) {
		at := d.at
		if field != "" && d.values[field].at.line > 0 {
			at = d.values[field].at
		}
		d.r.note(Refused, at, d.name, p.Path, p.Hint, "no description takes it: %s [%s]", p.Message, p.Code)
		return false
	}
	d.note(Lost, d.values[field].at, field, p.Hint, "no description takes it: %s [%s]", p.Message, p.Code)
	delete(d.values, field)
	return true
}

// fieldOf returns the field of the draft that a problem's path is about, or "".
func (d *draft) fieldOf(path string) string {
	path, _, _ = strings.Cut(path, "[")
	for p := path; p != ""; {
		if d.has(p) {
			return p
		}
		cut := strings.LastIndexByte(p, '.')
		if cut < 0 {
			break
		}
		p = p[:cut]
	}
	for _, field := range d.sorted() {
		if strings.HasPrefix(field, path+".") && path != "" {
			return field
		}
	}
	return ""
}
