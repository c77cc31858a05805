package bridge

import (
	"strings"

	"scgikit/internal/scgi"
)

// params holds a request's parameters, each name once. An empty value counts
// as none: web servers send both for the same thing.
type params struct {
	names  []string // in the order of their first occurrence
	values map[string][]string
}

// get returns the value of a parameter, "" if there is none.
func (p *params) get(name string) string {
	values := p.values[name]
	switch {
	case len(values) == 0:
		return ""
	case name == "HTTP_COOKIE":
		return strings.Join(values, "; ")
	}
	return strings.Join(values, ", ")
}

// mergeParams makes one parameter of several with the same name. The protocol
// forbids them, but nginx before 1.23 sends a header field that occurs twice as
// two parameters, and configurations that include a list and then set one of
// its names again are common. Header fields are joined as HTTP allows, cookies
// with "; " as RFC 6265 section 5.4 has them. A name that decides what is run,
// for whom, or how much is read must not say two things. Of the others the last
// one counts; differing holds their names where they differ.
func mergeParams(headers []scgi.Header) (p *params, differing []string, err error) {
	p = &params{values: make(map[string][]string, len(headers))}
	for _, h := range headers {
		before, seen := p.values[h.Name]
		switch {
		case !seen:
			p.names = append(p.names, h.Name)
			p.values[h.Name] = []string{h.Value}
		case strings.HasPrefix(h.Name, "HTTP_"):
			p.values[h.Name] = append(before, h.Value)
		case before[0] == h.Value:
		case h.Name == "CONTENT_LENGTH" && h.Value == "":
			// nginx with "scgi_param CONTENT_LENGTH $content_length", on a GET.
		case h.Name == "CONTENT_LENGTH", h.Name == "SCRIPT_FILENAME", h.Name == "REMOTE_USER", h.Name == "REQUEST_METHOD":
			return nil, nil, refuse(400, "", "parameter "+h.Name+" occurs twice, with different values")
		default:
			differing = append(differing, h.Name)
			before[0] = h.Value
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
