package generate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
	"scgikit/internal/quote"
	"scgikit/templates"
)

// Renderer renders targets. It keeps parsed templates, so one Renderer serves
// any number of apps.
type Renderer struct {
	// Overrides holds templates that take the place of built-in ones, as
	// TARGET/NAME.tmpl; nil for none.
	Overrides fs.FS

	parsed  map[string]*parsedTemplate
	digests map[*appfile.App]string
}

type parsedTemplate struct {
	tmpl   *template.Template
	digest string
}

// Render returns the files of one target for the apps, below a folder of the
// target's name. Problems name the field that stands in the way; the set is
// nil where one is an error.
func (r *Renderer) Render(t *Target, project *appfile.Project, apps []*appfile.App) (*fileset.Set, diag.List) {
	var list diag.List
	scope := &Scope{Target: t, Project: project, Apps: apps}
	for _, a := range apps {
		if why := t.Fits(a); why != "" {
			list = append(list, a.Problem("type", "wrong-target", t.Name+" can not run it: "+why, ""))
			continue
		}
		list = append(list, t.unsupported(a)...)
		if t.Accept != nil {
			list = append(list, t.Accept(scope, a)...)
		}
	}
	if list.HasErrors() {
		list.Sort()
		return nil, list
	}
	specs, err := t.Files(scope)
	if err != nil {
		return nil, append(list, refusal(t, apps, err))
	}
	set := new(fileset.Set)
	for i := range specs {
		if err := r.add(set, t, &specs[i]); err != nil {
			list = append(list, refusal(t, specs[i].Apps, err))
		}
	}
	list.Sort()
	if list.HasErrors() {
		return nil, list
	}
	return set, list
}

// refusal turns an error of rendering into a problem. Where it is a value that
// the target's syntax cannot hold, it names the field with that value.
func refusal(t *Target, apps []*appfile.App, err error) *diag.Problem {
	var qe *quote.Error
	if errors.As(err, &qe) {
		for _, a := range apps {
			for _, inst := range append([]*appfile.App{a}, a.Instances...) {
				if field, ok := inst.FindString(qe.Value); ok {
					return a.Problem(field, "cannot-quote", t.Name+": "+qe.Error(), qe.Hint)
				}
			}
		}
	}
	p := &diag.Problem{Code: "render", Message: t.Name + ": " + err.Error()}
	if len(apps) > 0 {
		p.Span = apps[0].Origin("name").Span
	}
	return p
}

func (r *Renderer) add(set *fileset.Set, t *Target, s *Spec) error {
	f := fileset.File{
		Path: path.Join(t.Name, s.Path), Kind: s.Kind, Mode: s.Mode, User: s.User, Group: s.Group,
		Link: s.Link, Data: s.Raw, Target: t.Name, Place: s.Place,
	}
	for _, a := range s.Apps {
		f.Apps = append(f.Apps, a.Name)
	}
	slices.Sort(f.Apps)
	if s.Template != "" {
		parsed, err := r.template(t, s.Template)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := parsed.tmpl.Execute(&b, s.Data); err != nil {
			return err
		}
		f.Data = b.Bytes()
		if !s.NoHeader {
			f.Data = withHeader(f.Data, t.Name, s.Apps, r.inputs(parsed, s.Apps))
		}
	}
	return set.Add(f)
}

// template returns the template of a name, from Overrides first.
func (r *Renderer) template(t *Target, name string) (*parsedTemplate, error) {
	file := path.Join(t.Name, name)
	if got, ok := r.parsed[file]; ok {
		return got, nil
	}
	text, err := r.read(file)
	if err != nil {
		return nil, err
	}
	tmpl, err := template.New(file).Option("missingkey=error").Funcs(t.funcs()).Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	sum := sha256.Sum256(text)
	got := &parsedTemplate{tmpl: tmpl, digest: hex.EncodeToString(sum[:])}
	if r.parsed == nil {
		r.parsed = make(map[string]*parsedTemplate)
	}
	r.parsed[file] = got
	return got, nil
}

func (r *Renderer) read(file string) ([]byte, error) {
	if r.Overrides != nil {
		text, err := fs.ReadFile(r.Overrides, file)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	return fs.ReadFile(templates.FS, file)
}

// funcs returns what a template of this target may call: q and qsh print
// strings, n prints numbers, and the few of sprig that do no harm.
func (t *Target) funcs() template.FuncMap {
	funcs := sprigFuncs()
	funcs["q"] = t.Quote
	funcs["qsh"] = quote.Sh
	funcs["n"] = func(v int64) string { return strconv.FormatInt(v, 10) }
	return funcs
}

// inputs is a digest of all that a file is made from: descriptions and template.
func (r *Renderer) inputs(parsed *parsedTemplate, apps []*appfile.App) string {
	h := sha256.New()
	h.Write([]byte(parsed.digest))
	for _, a := range apps {
		digest, ok := r.digests[a]
		if !ok {
			sum := sha256.Sum256(a.Canonical())
			digest = hex.EncodeToString(sum[:])
			if r.digests == nil {
				r.digests = make(map[*appfile.App]string)
			}
			r.digests[a] = digest
		}
		h.Write([]byte(digest))
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// withHeader puts the two header lines on top of a file, behind "#!" where
// there is one:
//
//	# Code generated by scgikit from blog.yaml; DO NOT EDIT.
//	# scgikit: app=blog target=nginx body=sha256:… inputs=sha256:…
//
// body is the digest of the file without them, so that a hand edit can be told
// from a file that is merely out of date.
func withHeader(body []byte, target string, apps []*appfile.App, inputs string) []byte {
	if len(body) > 0 && body[len(body)-1] != '\n' {
		body = append(body, '\n')
	}
	var names, files []string
	for _, a := range apps {
		names = append(names, a.Name)
		files = append(files, a.File)
	}
	slices.Sort(names)
	slices.Sort(files)
	sum := sha256.Sum256(body)
	header := fmt.Sprintf("# Code generated by scgikit from %s; DO NOT EDIT.\n# scgikit: app=%s target=%s body=sha256:%s inputs=sha256:%s\n",
		strings.Join(slices.Compact(files), ", "), strings.Join(names, ","), target, hex.EncodeToString(sum[:])[:16], inputs)
	first := 0
	if bytes.HasPrefix(body, []byte("#!")) {
		first = bytes.IndexByte(body, '\n') + 1
	}
	return slices.Concat(body[:first], []byte(header), body[first:])
}
