package bridge

import (
	"slices"
	"strings"

	"scgikit/internal/scgi"
)

// params holds a request's parameters, each name once, in the order of their first
// occurrence. An empty value counts as none: web servers send both for the same
// thing.
type params struct {
	names  names
	values []value // by a name's place
}

// value is what a parameter says: the first one, and what joins it.
type value struct {
	first string
	more  []string
}

// get returns the value of a parameter, "" if there is none.
func (p *params) get(name string) string {
	i := p.names.find(name)
	if i < 0 {
		return ""
	}
	return p.at(i)
}

// at is get by a name's place.
func (p *params) at(i int) string {
	v := &p.values[i]
	if v.more == nil {
		return v.first
	}
	separator := ", "
	if p.names.list[i] == "HTTP_COOKIE" {
		separator = "; "
	}
	return strings.Join(slices.Concat([]string{v.first}, v.more), separator)
}

// mergeParams makes one parameter of several with the same name. The protocol
// forbids them, but nginx before 1.23 sends a header field that occurs twice as
// two parameters, and configurations that include a list and then set one of
// its names again are common. Header fields are joined as HTTP allows, cookies
// with "; " as RFC 6265 section 5.4 has them. A name that decides what is run,
// for whom, or how much is read must not say two things. Of the others the last
// one counts; differing holds their names where they differ.
func mergeParams(headers []scgi.Header) (p *params, differing []string, err error) {
	p = &params{names: names{list: make([]string, 0, len(headers))}, values: make([]value, 0, len(headers))}
	for _, h := range headers {
		i := p.names.find(h.Name)
		if i < 0 {
			p.names.add(h.Name)
			p.values = append(p.values, value{first: h.Value})
			continue
		}
		switch before := &p.values[i]; {
		case strings.HasPrefix(h.Name, "HTTP_"):
			before.more = append(before.more, h.Value)
		case before.first == h.Value:
		case h.Name == "CONTENT_LENGTH" && h.Value == "":
			// nginx with "scgi_param CONTENT_LENGTH $content_length", on a GET.
		case h.Name == "CONTENT_LENGTH", h.Name == "SCRIPT_FILENAME", h.Name == "REMOTE_USER", h.Name == "REQUEST_METHOD":
			return nil, nil, refuse(400, "", "parameter "+h.Name+" occurs twice, with different values")
		default:
			differing = append(differing, h.Name)
			before.first = h.Value
		}
	}
	if method := p.get("REQUEST_METHOD"); !scgi.IsToken(method) || len(method) > maxMethod {
		return nil, nil, refuse(400, "", "parameter REQUEST_METHOD is missing or no method")
	}
	return p, differing, nil
}

// maxMethod bounds the length of a method's name; the longest registered one,
// UPDATEREDIRECTREF, has 17 characters.
const maxMethod = 32
