package appfile

import (
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Variant is a description that differs in one field: the settings that change
// it, as for AppSets of a Loader. It may break a rule across fields.
type Variant struct {
	Path string // of the value that is changed: "run.command[1]", "run.env.LANG"
	Sets []string
}

// Variants returns, for every value of the app, set or not, a few others that it
// might have, so that whoever renders them sees what the value decides. The
// order is that of the schema. Options are those of every target.
func (a *App) Variants() []Variant {
	var out []Variant
	a.leaves(func(l leaf) {
		add := func(path string, sets ...string) { out = append(out, Variant{path, sets}) }
		switch l.path {
		case "apiVersion", "targets", "hosts":
			return
		}
		a.leafVariants(l, add)
		a.pairVariants(l.path, add)
	})
	return out
}

func (a *App) leafVariants(l leaf, add func(string, ...string)) {
	if l.shape.kind == kindList {
		l.listVariants(add)
		return
	}
	if l.shape.kind == kindMap {
		l.mapVariants(add)
		return
	}
	for _, value := range l.otherValues(l.shape, l.text()) {
		set := setText(l.path, value)
		if l.shape.kind == kindInt || l.shape.kind == kindBool {
			set = l.path + "=" + value // in quotes it would be a text
		}
		add(l.path, set)
	}
	if a.IsSet(l.path) {
		add(l.path, l.path+"=null")
	}
}

// setText is a setting of a text as it stands.
func setText(field, value string) string {
	return field + "=" + quoteJSON(strings.ReplaceAll(value, "$", "$$"))
}

// pairVariants are those in which one field takes the place of another.
func (a *App) pairVariants(field string, add func(string, ...string)) {
	const socket, port = "/srv/scgikit-variant/socket", "127.0.0.1:18999"
	switch {
	case field == "listen.tcp" && a.Listen.TCP != "":
		add(field, "listen.tcp=null", setText("listen.unix", socket), setText("listen.group", "scgikit"))
	case field == "listen.unix" && a.Listen.Unix != "":
		add(field, "listen.unix=null", "listen.user=null", "listen.group=null", "listen.mode=null", setText("listen.tcp", port))
	case field == "cgi.script" && a.CGI.Script != "":
		add(field, "cgi.script=null", "cgi.arguments=null", setText("cgi.directory", "/srv/scgikit-variant/"))
	case field == "cgi.directory" && a.CGI.Directory != "":
		add(field, "cgi.directory=null", setText("cgi.script", "/srv/scgikit-variant/script"))
	case field == "protocol" && a.Type != TypeServer:
		// Programs that scgi-run answers for speak no other.
		add(field, "protocol=fastcgi", "type=server", "cgi=null", "wsgi=null", "run.mode=null", "run.command=[/srv/scgikit-variant/server]")
	case field == "run.group" && a.Run.Group == "":
		add(field, setText(field, a.Run.User))
	case field == "type" && a.Type == TypeWSGI:
		add(field, "type=cgi", "wsgi=null", "run.command=null", "run.directory=null", setText("cgi.script", "/srv/scgikit-variant/script"))
	case field == "type" && a.Type == TypeCGI:
		add(field, "type=wsgi", "cgi=null", setText("wsgi.module", "scgikit:variant"))
	case strings.HasPrefix(field, "run.secrets.") && strings.HasSuffix(field, ".file"):
		secret := strings.TrimSuffix(field, ".file")
		add(field, secret+"=null")
		add(field, secret+"=null", setText("run.secrets.SCGIKIT_VARIANT.file", a.Run.Secrets[strings.TrimPrefix(secret, "run.secrets.")].File))
	case strings.HasPrefix(field, "http.static[") && strings.HasSuffix(field, ".url"):
		add(field, strings.TrimSuffix(field, ".url")+"=null")
	case field == "http.mount":
		// Static folders stand below the mount, and so does health.path.
		sets := []string{setText(field, "/scgikit-variant"+a.HTTP.Mount)}
		for i, s := range a.HTTP.Static {
			sets = append(sets, setText("http.static["+strconv.Itoa(i)+"].url", "/scgikit-variant"+s.URL))
		}
		if a.IsSet("health.path") {
			sets = append(sets, setText("health.path", "/scgikit-variant"+a.Health.Path))
		}
		add(field, sets...)
	}
}

func (l leaf) listVariants(add func(string, ...string)) {
	n := l.value.Len()
	for i := range n {
		at := l.path + "[" + strconv.Itoa(i) + "]"
		for _, value := range l.otherValues(l.shape.elem, textOf(l.shape.elem, l.value.Index(i))) {
			sets := make([]string, n)
			for j := range n {
				// All elements stand there, because a list by default has no place
				// in the description.
				sets[j] = quoteJSON(strings.ReplaceAll(textOf(l.shape.elem, l.value.Index(j)), "$", "$$"))
			}
			sets[i] = quoteJSON(strings.ReplaceAll(value, "$", "$$"))
			add(at, l.path+"=["+strings.Join(sets, ", ")+"]")
		}
	}
	if n > 0 {
		add(l.path, l.path+"=[]")
		return
	}
	for _, value := range l.otherValues(l.shape.elem, "") {
		add(l.path, l.path+"=["+quoteJSON(value)+"]")
	}
}

func (l leaf) mapVariants(add func(string, ...string)) {
	for _, key := range stringKeys(l.value) {
		at := join(l.path, key)
		add(at, setText(at, "scgikit-variant"))
		add(at, at+"=null")
	}
	if l.value.Len() > 0 {
		add(l.path, l.path+"=null")
	} else {
		add(l.path, setText(join(l.path, "SCGIKIT_VARIANT"), "x"))
	}
}

// otherValues returns a few values that a value of a shape could have instead.
func (l leaf) otherValues(s *shape, value string) []string {
	switch s.kind {
	case kindEnum:
		return slices.DeleteFunc(slices.Clone(s.enum), func(word string) bool { return word == value })
	case kindBool:
		return []string{strconv.FormatBool(value != "true")}
	case kindInt:
		n, _ := strconv.ParseInt(value, 10, 64)
		var out []string
		for _, other := range []int64{n + 1, n - 1, 2*n + 7} {
			out = append(out, strconv.FormatInt(other, 10))
		}
		return out
	case kindDuration:
		d := time.Duration(0)
		if l.value.IsValid() {
			d = time.Duration(l.value.Int())
		}
		return []string{(d + time.Second).String(), (2*d + 7*time.Second).String()}
	case kindSize:
		n := int64(0)
		if l.value.IsValid() {
			n = l.value.Int()
		}
		return []string{strconv.FormatInt(n+4096, 10), strconv.FormatInt(n/2+1, 10)}
	case kindMode:
		return slices.DeleteFunc([]string{"0660", "0666", "0600", "0077", "0022"}, func(mode string) bool { return mode == value })
	case kindString:
		return l.otherTexts(value)
	case kindList, kindMap, kindStruct, kindOptions, kindProfiles:
	}
	return nil
}

// otherTexts returns texts that keep the form of the field.
func (l leaf) otherTexts(value string) []string {
	form := ""
	if l.key.format != nil {
		form = l.key.format.name
		if value == "" {
			example := l.key.format.example
			return append([]string{example}, l.otherTexts(example)...)
		}
	}
	switch form {
	case "dir", "urlprefix":
		return []string{strings.TrimSuffix(value, "/") + "/scgikit-variant/"}
	case "mount":
		return []string{"/scgikit-variant"}
	case "socket":
		return []string{path.Join(path.Dir(value), "scgikit-variant"), "/srv/scgikit-variant/socket"}
	case "hostport":
		host, text, _ := net.SplitHostPort(value)
		port, _ := strconv.Atoi(text)
		other := "::1"
		if host == other {
			other = "127.0.0.1"
		}
		return []string{net.JoinHostPort(host, strconv.Itoa(port%60000+1000)), net.JoinHostPort(other, text)}
	case "user":
		if strings.Trim(value, "0123456789") == "" {
			return []string{value + "1"}
		}
		return []string{value + "x", "scgikit"}
	case "cidr":
		return []string{"198.51.100.0/24", "203.0.113.0/24"}
	case "url":
		return []string{"http://variant.example:8099"}
	case "servername", "host":
		return []string{"variant.example"}
	case "module":
		return []string{"scgikit:variant"}
	case "expect":
		return []string{"204"}
	case "name":
		return []string{"scgikit-variant"}
	case "logfilter":
		return []string{value + "x", "-scgikit"}
	case "env", "envname", "param", "header", "label":
		return []string{value + "X"}
	}
	if at := strings.LastIndexByte(value, ':') + 1; at < len(value) && strings.Trim(value[at:], "0123456789") == "" {
		port, _ := strconv.Atoi(value[at:])
		return []string{value[:at] + strconv.Itoa(port%60000+1000)} // a port, or an address with one
	}
	return []string{value + "x", "/scgikit-variant", "scgikit.service"}
}

// Value returns the value at a path of Variants as a description would hold it,
// with that of an element of a list, or of a key of a map.
func (a *App) Value(field string) (text string, ok bool) {
	a.leaves(func(l leaf) {
		if l.path == field {
			text, ok = l.text(), true
		}
		if ok || !strings.HasPrefix(field, l.path) || l.shape.kind != kindList && l.shape.kind != kindMap {
			return
		}
		l.strings(func(p, value string) bool {
			if p == field {
				text, ok = value, true // of a key, its name comes first
			}
			return true
		})
	})
	return text, ok
}
