package devserver

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"scgikit/internal/scgi"
)

// Software is what SERVER_SOFTWARE says.
const Software = "scgikit-dev"

// Mount is what a request is mapped to.
type Mount struct {
	Script   string            // SCRIPT_NAME
	PathInfo string            // PATH_INFO
	Params   map[string]string // constants of the description, which win over the others
}

// Params returns the SCGI parameters of a request, without CONTENT_LENGTH and
// SCGI, which scgi.WriteRequest adds. The names and values are those that the
// generated configuration of nginx, Lighttpd and Apache gives, with one rule
// for what the three do differently:
//
//   - HTTP_HOST is the Host field as sent, with its port; SERVER_NAME is the
//     host alone, in lower case;
//   - a repeated field is joined with ", ", Cookie with "; ";
//   - Proxy is dropped (CVE-2016-5385), and so are fields with an underscore,
//     which would be one parameter with the field that has "-" there;
//   - fields about the connection, and the length and type of the body under
//     their HTTP_ names, are dropped;
//   - each name occurs once.
//
// Source: RFC 3875 section 4.1.
func Params(r *http.Request, t Target, m Mount) []scgi.Header {
	serverAddr, serverPort := localAddr(r)
	remoteAddr, remotePort := splitAddr(r.RemoteAddr)
	serverName := hostName(r.Host)
	if serverName == "" {
		serverName = serverAddr
	}
	list := []scgi.Header{
		{Name: "GATEWAY_INTERFACE", Value: "CGI/1.1"},
		{Name: "SERVER_SOFTWARE", Value: Software},
		{Name: "REQUEST_METHOD", Value: r.Method},
		{Name: "REQUEST_URI", Value: t.Raw},
		{Name: "QUERY_STRING", Value: t.Query},
		{Name: "SCRIPT_NAME", Value: m.Script},
		{Name: "PATH_INFO", Value: m.PathInfo},
		{Name: "SERVER_PROTOCOL", Value: r.Proto},
		{Name: "REQUEST_SCHEME", Value: "http"},
		{Name: "SERVER_NAME", Value: serverName},
		{Name: "SERVER_ADDR", Value: serverAddr},
		{Name: "SERVER_PORT", Value: serverPort},
		{Name: "REMOTE_ADDR", Value: remoteAddr},
		{Name: "REMOTE_PORT", Value: remotePort},
	}
	if values := r.Header["Content-Type"]; len(values) > 0 {
		list = append(list, scgi.Header{Name: "CONTENT_TYPE", Value: values[0]})
	}
	if r.Host != "" {
		list = append(list, scgi.Header{Name: "HTTP_HOST", Value: r.Host})
	}
	list = append(list, headerParams(r.Header)...)
	return override(list, m.Params)
}

// headerParams returns the HTTP_* parameters, sorted.
func headerParams(header http.Header) []scgi.Header {
	var list []scgi.Header
	for _, field := range slices.Sorted(maps.Keys(header)) {
		if isPrivateField(field) {
			continue
		}
		separator := ", "
		if field == "Cookie" {
			separator = "; "
		}
		name := "HTTP_" + strings.ToUpper(strings.ReplaceAll(field, "-", "_"))
		list = append(list, scgi.Header{Name: name, Value: strings.Join(header[field], separator)})
	}
	return list
}

// Passes reports whether a request field of this name becomes an HTTP_ parameter.
func Passes(name string) bool { return !isPrivateField(http.CanonicalHeaderKey(name)) }

// isPrivateField reports whether a request field, in canonical form, does not
// become a parameter.
func isPrivateField(field string) bool {
	switch field {
	case "Proxy", "Host", "Content-Length", "Content-Type", "Transfer-Encoding":
		return true
	}
	if isHopByHop(field) {
		return true
	}
	// Of all the characters a name may hold, only these survive as a parameter
	// that no other name becomes.
	return strings.ContainsFunc(field, func(c rune) bool {
		return c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
}

// isHopByHop reports whether a field, in canonical form, is about one
// connection and not about the request or answer.
//
// Source: RFC 9110 section 7.6.1.
func isHopByHop(field string) bool {
	switch field {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// override puts the constants of the description in the list: in place of a
// parameter of that name, or at the end, sorted.
func override(list []scgi.Header, constants map[string]string) []scgi.Header {
	for _, name := range slices.Sorted(maps.Keys(constants)) {
		at := slices.IndexFunc(list, func(h scgi.Header) bool { return h.Name == name })
		if at < 0 {
			list = append(list, scgi.Header{Name: name, Value: constants[name]})
			continue
		}
		list[at].Value = constants[name]
	}
	return list
}

// localAddr returns the address and port that a request came in on.
func localAddr(r *http.Request) (ip, port string) {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return splitAddr(addr.String())
	}
	return "127.0.0.1", "80"
}

// splitAddr takes "ip:port" apart, without brackets and zone.
func splitAddr(addr string) (ip, port string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, ""
	}
	host, _, _ = strings.Cut(host, "%")
	return host, port
}
