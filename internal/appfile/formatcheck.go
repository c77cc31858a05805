package appfile

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

func validVersion(s string) *fault {
	if s == APIVersion {
		return nil
	}
	return &fault{message: s + " is not a version that this program reads", hint: "write " + APIVersion}
}

func validName(s string) *fault {
	if nameSyntax.MatchString(s) {
		return nil
	}
	return &fault{
		message: fmt.Sprintf("%q is not a name", s),
		hint:    "use a small letter, then small letters, digits and -, at most 31 characters" + suggestName(s),
	}
}

// suggestName turns a near miss into a name, for a hint.
func suggestName(s string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == '_', r == '.', r == ' ':
			return '-'
		}
		return -1
	}, s), "-0123456789")
	if !nameSyntax.MatchString(s) {
		return ""
	}
	return ", for example " + s
}

func validLine(s string) *fault {
	n := utf8.RuneCountInString(s)
	switch {
	case s == "":
		return &fault{message: "is empty", hint: "write a line, or leave the key out"}
	case n > 120:
		return &fault{message: fmt.Sprintf("has %d characters", n), hint: "use at most 120"}
	}
	return nil
}

func validPath(s string) *fault {
	switch {
	case s == "":
		return &fault{message: "is empty", hint: "write an absolute path, or leave the key out"}
	case !strings.HasPrefix(s, "/"):
		return &fault{message: fmt.Sprintf("%q is not an absolute path", s), hint: "begin with /"}
	case len(s) > maxPath:
		return &fault{message: fmt.Sprintf("has %d bytes", len(s)), hint: fmt.Sprintf("a path has at most %d", maxPath)}
	case slices.Contains(strings.Split(s, "/"), ".."):
		return &fault{message: fmt.Sprintf("%q goes up with ..", s), hint: fmt.Sprintf("write %q, if that is what is meant", path.Clean(s))}
	case path.Clean(s) != s && path.Clean(s)+"/" != s:
		return &fault{message: fmt.Sprintf("%q is not in its shortest form", s), hint: fmt.Sprintf("write %q", path.Clean(s))}
	}
	return nil
}

func validFile(s string) *fault {
	if f := validPath(s); f != nil {
		return f
	}
	if strings.HasSuffix(s, "/") {
		return &fault{message: fmt.Sprintf("%q is a folder", s), hint: "write the path of the file itself"}
	}
	return nil
}

func validDir(s string) *fault {
	if f := validPath(s); f != nil {
		return f
	}
	if !strings.HasSuffix(s, "/") {
		return &fault{message: fmt.Sprintf("%q does not end in /", s), hint: fmt.Sprintf("write %q", s+"/")}
	}
	return nil
}

func validSocket(s string) *fault {
	if f := validPath(s); f != nil {
		return f
	}
	switch {
	case strings.HasSuffix(s, "/"):
		return &fault{message: fmt.Sprintf("%q is a folder", s), hint: "write the path of the socket itself"}
	case len(s) > maxSocket:
		return &fault{message: fmt.Sprintf("the path has %d bytes", len(s)), hint: fmt.Sprintf("a socket's path has at most %d on every system; use a shorter folder", maxSocket)}
	}
	return nil
}

func validFileName(s string) *fault {
	if s == "" || s == "." || s == ".." || strings.Contains(s, "/") {
		return &fault{message: fmt.Sprintf("%q is not a file name", s), hint: "write a name without /, for example index.html"}
	}
	return nil
}

func validUser(s string) *fault {
	if userSyntax.MatchString(s) {
		if n, err := strconv.ParseUint(s, 10, 64); err != nil || n < 1<<32-1 {
			return nil
		}
		return &fault{message: s + " is not a user or group number", hint: "numbers go up to 4294967294"}
	}
	f := &fault{
		message: fmt.Sprintf("%q is not a user or group name", s),
		hint:    "use a small letter or _, then small letters, digits, _ . and -, at most 32 characters, or a number",
	}
	if user, group, ok := strings.Cut(s, ":"); ok && userSyntax.MatchString(user) && userSyntax.MatchString(group) {
		f.hint = fmt.Sprintf("write user: %s and group: %s", user, group)
	}
	return f
}

func validEnvName(s string) *fault {
	if envNameSyntax.MatchString(s) {
		return nil
	}
	return &fault{message: fmt.Sprintf("%q is not the name of an environment variable", s), hint: "use letters, digits and _, and no digit first"}
}

// requestParams are the parameters that a web server fills from the request,
// or that this program's bridge trusts; a constant of the same name would give
// the app two answers to one question. RFC 3875 section 4.1; SCGI; httpoxy.
var requestParams = []string{
	"AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "DOCUMENT_ROOT", "DOCUMENT_URI", "GATEWAY_INTERFACE", "HTTPS",
	"PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT",
	"REMOTE_USER", "REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_URI", "SCGI", "SCRIPT_FILENAME", "SCRIPT_NAME",
	"SERVER_ADDR", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE",
}

func validParam(s string) *fault {
	switch {
	case !envNameSyntax.MatchString(s):
		return &fault{message: fmt.Sprintf("%q is not the name of a parameter", s), hint: "use letters, digits and _, and no digit first"}
	case strings.HasPrefix(s, "HTTP_"):
		return &fault{message: s + " is how a request header reaches the app", hint: "use another name; a constant must not look like a header"}
	case slices.Contains(requestParams, s):
		return &fault{message: s + " is set from the request", hint: "use another name"}
	}
	return nil
}

func validLabel(s string) *fault {
	if labelSyntax.MatchString(s) {
		return nil
	}
	return &fault{message: fmt.Sprintf("%q is not the name of a label", s), hint: "use letters, digits and . _ / -, with a letter or digit first and last"}
}

func validHostPort(s string) *fault {
	const hint = "write an address and a port, for example 127.0.0.1:8040 or [::1]:8040"
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		f := &fault{message: fmt.Sprintf("%q is not host:port", s), hint: hint}
		if digits.MatchString(s) {
			f.hint = "write 127.0.0.1:" + s
		}
		return f
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return &fault{message: fmt.Sprintf("%q is not a port", port), hint: "use a number from 1 to 65535"}
	}
	if host == "localhost" {
		return nil
	}
	if host == "" || host == "*" {
		return &fault{message: "the address is missing", hint: "write 127.0.0.1:" + port + "; 0.0.0.0:" + port + " is every address, and needs security.allow_public_listen"}
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return &fault{
			message: fmt.Sprintf("%q is not an IP address", host),
			hint:    "write the address; a name could mean another one tomorrow, and localhost alone is sure",
		}
	case ip.Zone() != "" || ip.String() != host:
		return &fault{message: fmt.Sprintf("%q is not the usual form of the address", host), hint: "write " + net.JoinHostPort(ip.WithZone("").String(), port)}
	}
	return nil
}

func validServerName(s string) *fault {
	f := validHost(strings.TrimPrefix(s, "*."))
	if f != nil {
		f.message = fmt.Sprintf("%q is not a host name", s)
	}
	return f
}

func validHost(s string) *fault {
	f := &fault{message: fmt.Sprintf("%q is not a host name", s), hint: "use small letters, digits, - and dots, without a port"}
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	if !hostNameSyntax.MatchString(s) || len(s) > 253 {
		switch lower := strings.ToLower(s); {
		case hostNameSyntax.MatchString(lower):
			f.hint = "write " + lower
		case strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }):
			f.hint = "write it as browsers send it, in the form that begins with xn--; idn2 NAME prints that"
		case strings.HasPrefix(s, "["):
			f.hint = "write an address without brackets"
		}
		return f
	}
	return nil
}

// dotSegments reports whether a URL path has a segment . or .. that a client
// or server would resolve.
func dotSegments(s string) bool {
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func validMount(s string) *fault {
	switch {
	case s == "" || s[0] != '/':
		return &fault{message: fmt.Sprintf("%q does not begin with /", s), hint: "write " + quotedHint("/"+strings.TrimSuffix(s, "/")+"/", mountSyntax, "/blog/")}
	case strings.Contains(s, "//"):
		return &fault{message: fmt.Sprintf("%q has an empty segment", s), hint: "write / once"}
	case !mountSyntax.MatchString(s):
		return &fault{message: fmt.Sprintf("%q has a character that web servers read differently", s), hint: "use letters, digits and . _ ~ - between the slashes"}
	case dotSegments(s):
		return &fault{message: fmt.Sprintf("%q has a segment . or ..", s), hint: "browsers remove such segments; write the path that remains"}
	}
	return nil
}

// quotedHint returns a proposal where it keeps the rule, and else an example.
func quotedHint(proposal string, rule *regexp.Regexp, example string) string {
	if rule.MatchString(proposal) && !dotSegments(proposal) {
		return proposal
	}
	return "a path such as " + example
}

func validPrefix(s string) *fault {
	if f := validMount(s); f != nil {
		return f
	}
	if !prefixSyntax.MatchString(s) {
		return &fault{message: fmt.Sprintf("%q does not end in /", s), hint: "write " + s + "/"}
	}
	return nil
}

func validURLPath(s string) *fault {
	if !urlPathSyntax.MatchString(s) || dotSegments(s) {
		return &fault{message: fmt.Sprintf("%q is not a URL path", s), hint: "begin with /, and write other characters as %XX"}
	}
	if _, err := url.ParseRequestURI(s); err != nil {
		return &fault{message: fmt.Sprintf("%q is not a URL path", s), hint: "% must be followed by two hexadecimal digits"}
	}
	return nil
}

func validBaseURL(s string) *fault {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return &fault{message: fmt.Sprintf("%q is not an http or https address", s), hint: "write scheme, host and port, for example http://example.org:81"}
	}
	bare := u.Scheme + "://" + u.Host
	if bare != s {
		return &fault{message: fmt.Sprintf("%q has more than scheme, host and port", s), hint: "write " + bare}
	}
	if f := validHost(strings.Trim(u.Hostname(), "[]")); f != nil {
		return f
	}
	if port := u.Port(); port != "" || strings.HasSuffix(s, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return &fault{message: fmt.Sprintf("%q is not a port", port), hint: "use a number from 1 to 65535"}
		}
	}
	return nil
}

func validExpect(s string) *fault {
	low, high, isRange := strings.Cut(s, "-")
	switch {
	case !expectSyntax.MatchString(s):
		return &fault{message: fmt.Sprintf("%q is not a status code or a range", s), hint: "write 200, or 200-399"}
	case isRange && low > high:
		return &fault{message: fmt.Sprintf("the range %s is empty", s), hint: "write " + high + "-" + low}
	}
	return nil
}

func validModule(s string) *fault {
	if moduleSyntax.MatchString(s) {
		return nil
	}
	f := &fault{message: fmt.Sprintf("%q is not module:callable", s), hint: "write the module with dots, a colon, and the callable in it: blog.wsgi:application"}
	if moduleSyntax.MatchString(s + ":application") {
		f.hint = "write " + s + ":application, or another callable of that module"
	}
	return f
}

func validHeader(s string) *fault {
	switch {
	case !headerSyntax.MatchString(s):
		return &fault{message: fmt.Sprintf("%q is not a header name", s), hint: "use letters, digits and -"}
	case strings.EqualFold(s, "Proxy"):
		return &fault{message: "Proxy is always dropped", hint: "CGI programs would take it for HTTP_PROXY; remove it"}
	}
	return nil
}

func validNetwork(s string) *fault {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		if ip.Is4In6() {
			return &fault{message: s + " is an IPv4 address in IPv6 form", hint: "write " + ip.Unmap().String()}
		}
		return nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err == nil && p.Addr().Is4In6():
		f := &fault{message: s + " is an IPv4 network in IPv6 form", hint: "write it as IPv4, for example 192.0.2.0/24"}
		if p.Bits() >= 96 {
			f.hint = "write " + netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked().String()
		}
		return f
	case err != nil:
		return &fault{message: fmt.Sprintf("%q is not an address or a network", s), hint: "write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"}
	case p.Masked() != p:
		return &fault{message: s + " has bits set behind its mask", hint: "write " + p.Masked().String()}
	}
	return nil
}

func validFilter(s string) *fault {
	if s == "" || s[0] != '+' && s[0] != '-' {
		return &fault{message: fmt.Sprintf("%q begins with neither + nor -", s), hint: "write +PATTERN to keep lines and -PATTERN to drop them"}
	}
	return nil
}
