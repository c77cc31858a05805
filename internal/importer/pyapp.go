package importer

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// interfaceKind is what a callable of Python expects of who calls it.
type interfaceKind uint8

const (
	noApp   interfaceKind = iota // nothing that answers requests
	unknown                      // the text does not say
	wsgiApp                      // PEP 3333
	asgiApp                      // https://asgi.readthedocs.io
)

// pyVerdict is what a name of a module is, and the text that says so.
type pyVerdict struct {
	kind   interfaceKind
	at     place  // of the line that decides
	target string // "file:name" of what it is another name of, or of itself
	why    string // "get_wsgi_application()"; for messages
	strong bool   // a word that stands for an app whatever name it is bound to
}

// pyModule is a module of the project.
type pyModule struct {
	file string // in the file system
	root string // the folder that its name begins in, an entry of sys.path

	django settingsModule // that it tells Django to take
	*pyScope
}

// interfaces are packages, and names in them, by what they make. The longest that
// fits counts.
//
// Source: the documentation of each.
var interfaces = map[string]interfaceKind{
	"a2wsgi.ASGIMiddleware": wsgiApp, "apiflask": wsgiApp, "ariadne.wsgi": wsgiApp, "beaker": wsgiApp, "bottle": wsgiApp, "cherrypy": wsgiApp,
	"django.core.handlers.wsgi": wsgiApp, "django.core.wsgi": wsgiApp, "dulwich.web": wsgiApp, "eve": wsgiApp, "falcon": wsgiApp, "flask": wsgiApp,
	"flask_openapi3": wsgiApp, "isso": wsgiApp, "klaus": wsgiApp, "mapproxy": wsgiApp, "mercurial.hgweb": wsgiApp, "moin": wsgiApp, "morepath": wsgiApp,
	"paste": wsgiApp, "pyramid": wsgiApp, "pypiserver": wsgiApp, "radicale": wsgiApp, "socketio.WSGIApp": wsgiApp, "engineio.WSGIApp": wsgiApp,
	"spyne.server.wsgi": wsgiApp, "trac": wsgiApp, "webob": wsgiApp, "webapp2": wsgiApp, "werkzeug": wsgiApp, "whitenoise": wsgiApp, "wsgidav": wsgiApp, "wsgiref": wsgiApp,

	"a2wsgi.WSGIMiddleware": asgiApp, "ariadne.asgi": asgiApp, "asgiref": asgiApp, "blacksheep": asgiApp, "channels": asgiApp, "datasette": asgiApp,
	"django.core.asgi": asgiApp, "django.core.handlers.asgi": asgiApp, "emmett": asgiApp, "esmerald": asgiApp, "falcon.asgi": asgiApp, "fastapi": asgiApp, "fastmcp": asgiApp,
	"hypercorn": asgiApp, "lilya": asgiApp, "litestar": asgiApp, "nicegui": asgiApp, "quart": asgiApp, "ravyn": asgiApp, "responder": asgiApp, "sanic": asgiApp, "shiny": asgiApp,
	"socketio.ASGIApp": asgiApp, "engineio.ASGIApp": asgiApp, "starlette": asgiApp, "starlite": asgiApp, "strawberry.asgi": asgiApp, "uvicorn": asgiApp,

	"PyQt5": noApp, "PyQt6": noApp, "PySide2": noApp, "PySide6": noApp, "aiohttp": noApp, "argparse": noApp, "aws_cdk": noApp, "celery": noApp, "click": noApp,
	"cyclopts": noApp, "customtkinter": noApp, "dash": noApp, "discord": noApp, "faust": noApp, "flet": noApp, "kivy": noApp, "modal": noApp, "pyrogram": noApp, "robyn": noApp,
	"slack_bolt": noApp, "telegram": noApp, "textual": noApp, "tkinter": noApp, "tornado": noApp, "typer": noApp, "wx": noApp,
}

// constructors make an app, whatever name it is bound to.
var constructors = []string{
	"APIFlask", "Bottle", "Eve", "FastAPI", "Flask", "Litestar", "Quart", "Sanic", "Starlette",
	"default_app", "get_asgi_application", "get_wsgi_application", "make_wsgi_app", "wsgifunc",
}

// byPackage returns what a dotted name makes.
func byPackage(dotted string) (interfaceKind, bool) {
	for name := dotted; name != ""; {
		if kind, ok := interfaces[name]; ok {
			return kind, true
		}
		name = name[:max(strings.LastIndexByte(name, '.'), 0)]
	}
	return unknown, false
}

// Limits of how far names are followed that stand for others: in a row, and for one
// name in all.
const (
	maxPyDepth = 6
	maxPySteps = 300
)

// verdict says what a name of a module is.
func (p *pythonFolder) verdict(m *pyModule, name string, depth int) pyVerdict {
	n := m.names[name]
	if p.steps++; n == nil && p.steps < maxPySteps {
		for _, star := range m.stars {
			if from := p.module(m, star); from != nil && depth < maxPyDepth {
				if v := p.verdict(from, name, depth+1); v.kind != noApp {
					return v
				}
			}
		}
	}
	if n == nil {
		return pyVerdict{}
	}
	v := p.bound(m, m.pyScope, n, depth)
	if v.at.line == 0 {
		v.at = p.r.at(m.file, n.line)
	}
	if v.target == "" {
		v.target = m.file + ":" + name
	}
	return v
}

// bound says what something bound in a scope of a module is.
func (p *pythonFolder) bound(m *pyModule, s *pyScope, n *pyName, depth int) pyVerdict {
	if p.steps++; depth > maxPyDepth || p.steps > maxPySteps {
		return pyVerdict{kind: unknown, why: "names that stand for each other"}
	}
	switch n.how {
	case pyImported:
		return p.importedName(m, n, depth)
	case pyFunction:
		return pyVerdict{kind: n.callable(0), why: "a function of " + parameters(n.text)}
	case pyClass:
		for _, method := range []string{"__init__", "__new__"} {
			if f := n.scope().names[method]; f != nil && f.how == pyFunction {
				return pyVerdict{kind: f.callable(1), why: "a class made of " + parameters(f.text)}
			}
		}
		return pyVerdict{why: "a class"}
	case pyAssigned:
		return p.expression(m, s, n, depth)
	}
	return pyVerdict{}
}

func (p *pythonFolder) importedName(m *pyModule, n *pyName, depth int) pyVerdict {
	if from := p.module(m, n.module); from != nil && n.attribute != "" {
		if v := p.verdict(from, n.attribute, depth+1); v.kind != noApp || from.names[n.attribute] != nil {
			return v
		}
	}
	dotted := strings.Trim(n.module+"."+n.attribute, ".")
	if kind, ok := byPackage(dotted); ok {
		return pyVerdict{kind: kind, why: dotted}
	}
	if n.attribute == "" || p.module(m, n.module+"."+n.attribute) != nil {
		return pyVerdict{why: "a module"}
	}
	return pyVerdict{kind: unknown, why: "it is imported from " + n.module + ", which is not in the folder"}
}

// parameters shows those of a function.
func parameters(list string) string {
	if list == "" {
		return "no parameters"
	}
	return "(" + list + ")"
}

// callable tells from the parameters of a function what it is; the first skip of them
// are filled in by Python.
func (n *pyName) callable(skip int) interfaceKind {
	for _, d := range n.decorators {
		// werkzeug's Request.application, and webob's wsgify
		if strings.HasSuffix(d, ".application") || strings.Contains(d, "wsgify") {
			return wsgiApp
		}
	}
	var names []string
	for _, word := range topSplit(n.text, ',') {
		if word != "" && word != "/" && !strings.HasPrefix(word, "*") && topByte(word, '=') < 0 {
			word, _, _ = strings.Cut(word, ":")
			names = append(names, strings.TrimSpace(word))
		}
	}
	if len(names) < skip {
		return noApp
	}
	names = names[skip:]
	switch {
	case len(names) == 3 && (n.async || names[0] == "scope"), len(names) == 1 && names[0] == "scope":
		return asgiApp
	case len(names) == 2 && !n.async && (strings.HasPrefix(names[0], "env") || strings.HasPrefix(names[1], "start")):
		return wsgiApp
	case len(names) == 2 && !n.async, len(n.decorators) > 0:
		return unknown
	}
	return noApp
}

var (
	dottedName = regexp.MustCompile(`^[A-Za-z_]\w*(?: *\. *[A-Za-z_]\w*)*`)
	lastCalled = regexp.MustCompile(`\.(\w+)\([^()]*\)$`)
	lambda     = regexp.MustCompile(`^lambda +([^:]*):`)
)

// expression says what an assigned value is.
func (p *pythonFolder) expression(m *pyModule, s *pyScope, n *pyName, depth int) pyVerdict {
	text := n.text
	if f := lambda.FindStringSubmatch(text); f != nil {
		as := pyName{text: f[1]}
		return pyVerdict{kind: as.callable(0), why: "a function of " + parameters(f[1])}
	}
	name := strings.ReplaceAll(dottedName.FindString(text), " ", "")
	if name == "" || notCallable.MatchString(text) || name == "lambda" || name == "not" || name == "await" {
		return pyVerdict{why: "no callable"}
	}
	rest := strings.TrimSpace(text[len(dottedName.FindString(text)):])
	if last := lastCalled.FindStringSubmatch(text); last != nil {
		switch last[1] {
		case "make_wsgi_app", "wsgifunc":
			return pyVerdict{kind: wsgiApp, why: last[1] + "()", strong: true}
		case "http_app", "asgi_app":
			return pyVerdict{kind: asgiApp, why: last[1] + "()", strong: true}
		}
	}
	called := strings.HasPrefix(rest, "(")
	first, attribute, _ := strings.Cut(name, ".")
	to := s.names[first]
	if to == nil {
		to = m.names[first]
	}
	if to != nil && (to == n || to == n.of) {
		to = n.before
	}
	switch {
	case to == nil && called:
		return pyVerdict{kind: unknown, why: name + "() makes it"}
	case to == nil:
		return pyVerdict{kind: unknown, why: "it is " + name}
	case !called && attribute == "":
		v := p.bound(m, s, to, depth+1)
		if v.target == "" {
			v.target = m.file + ":" + first
		}
		return v
	case !called:
		return p.attribute(m, s, to, attribute, depth)
	}
	v, from, made := p.call(m, to, attribute, depth)
	if made {
		return v
	}
	if v.kind != unknown {
		v.strong = slices.Contains(constructors, path.Ext("." + name)[1:]) || slices.Contains(constructors, to.attribute)
		v.why = name + "()"
		return v
	}
	// What wraps an app is one of its kind: Wrapper(application).
	if open := strings.TrimPrefix(rest, "("); open != "" {
		inner := &pyName{how: pyAssigned, line: n.line, text: topSplit(strings.TrimSuffix(open, ")"), ',')[0], before: n.before, of: n}
		if arg := dottedName.FindString(inner.text); arg != "" && depth < maxPyDepth {
			if w := p.expression(m, s, inner, depth+1); w.kind == wsgiApp || w.kind == asgiApp {
				w.why = name + "() around " + w.why
				return w
			}
		}
	}
	return pyVerdict{kind: unknown, why: name + "() makes it" + from}
}

// attribute says what is behind a dot of something that is bound.
func (p *pythonFolder) attribute(m *pyModule, s *pyScope, to *pyName, attribute string, depth int) pyVerdict {
	if to.how == pyImported && depth < maxPyDepth {
		module := to.module
		if to.attribute != "" {
			module = strings.TrimRight(module, ".") + "." + to.attribute
			if strings.Trim(to.module, ".") == "" {
				module = to.module + to.attribute
			}
		}
		if from := p.module(m, module); from != nil {
			return p.verdict(from, attribute, depth+1)
		}
		if kind, ok := byPackage(module + "." + attribute); ok {
			return pyVerdict{kind: kind, why: module + "." + attribute}
		}
	}
	switch v := p.bound(m, s, to, depth+1); {
	case attribute == "server" && strings.HasSuffix(v.why, "Dash()"):
		return pyVerdict{kind: wsgiApp, why: "server of " + v.why, strong: true}
	case attribute == "wsgi_app" || attribute == "asgi_app":
		return v
	}
	return pyVerdict{kind: unknown, why: "it is an attribute, " + attribute}
}

// call says what a call of something that is bound makes: an instance of a class, or
// what a function returns. Made is false where only a package can tell.
func (p *pythonFolder) call(m *pyModule, to *pyName, attribute string, depth int) (v pyVerdict, from string, made bool) {
	if depth >= maxPyDepth {
		return pyVerdict{kind: unknown}, "", false
	}
	switch to.how {
	case pyFunction:
		if attribute == "" {
			return p.returned(m, to, depth+1)
		}
	case pyClass:
		return p.instance(m, to, depth+1)
	case pyImported:
		module, name := to.module, to.attribute
		if attribute != "" {
			module, name = strings.Trim(module+"."+name, "."), attribute
			if to.attribute != "" && strings.HasPrefix(to.module, ".") {
				module = strings.TrimRight(to.module, ".") + "." + to.attribute
			}
		}
		if in := p.module(m, module); in != nil {
			if other := in.names[name]; other != nil {
				v, _, made = p.call(in, other, "", depth+1)
				return v, ", of " + path.Base(in.file), made
			}
		}
		kind, ok := byPackage(strings.Trim(module+"."+name, "."))
		if !ok {
			return pyVerdict{kind: unknown}, ", imported from " + module, false
		}
		return pyVerdict{kind: kind}, "", false
	case pyAssigned:
	}
	return pyVerdict{kind: unknown}, "", false
}

// instance says what an instance of a class is.
func (p *pythonFolder) instance(m *pyModule, class *pyName, depth int) (v pyVerdict, from string, made bool) {
	if f := class.scope().names["__call__"]; f != nil && f.how == pyFunction {
		if kind := f.callable(1); kind != noApp {
			return pyVerdict{kind: kind, why: "an instance that is called with " + parameters(f.text)}, "", true
		}
	}
	for _, base := range topSplit(class.text, ',') {
		first, attribute, _ := strings.Cut(base, ".")
		if to := m.names[first]; to != nil && to != class {
			if v, from, made = p.call(m, to, attribute, depth); made || v.kind != unknown {
				v.why = "an instance of " + base
				return v, from, true
			}
		}
	}
	return pyVerdict{kind: unknown}, "", false
}

var pyReturn = regexp.MustCompile(`^return +(.+)$`)

// returned says what a function returns, by the last return of it.
func (p *pythonFolder) returned(m *pyModule, f *pyName, depth int) (v pyVerdict, from string, made bool) {
	local := f.scope()
	for _, statement := range slices.Backward(f.body) {
		if r := pyReturn.FindStringSubmatch(statement.text); r != nil {
			v = p.expression(m, local, &pyName{how: pyAssigned, line: statement.line, text: r[1]}, depth)
			v.at, v.strong = place{}, false
			v.target = ""
			return v, "", v.kind == wsgiApp || v.kind == asgiApp
		}
	}
	return pyVerdict{kind: unknown}, "", false
}
