package bridge

import (
	"os"
	"slices"
	"strings"
)

// software is what SERVER_SOFTWARE says where the web server does not.
const software = "scgikit"

// safePath is the PATH of scripts where the outer one is not passed or unset.
const safePath = "/usr/local/bin:/usr/bin:/bin"

// buildEnv returns the environment of a script: nothing but what is listed
// here, so that no request can set LD_PRELOAD, BASH_ENV or GIT_DIR. Each name
// once; of several sources the later one wins:
//
//   - the outer variables named by EnvPass, and a PATH,
//   - the request's parameters that are CGI's, and those named by PassParams,
//   - what RFC 3875 requires, and what only the bridge knows,
//   - Env.
//
// Dropped holds the names of parameters that are in no list, for the log.
func buildEnv(p *params, s *script, opts *Options) (env, dropped []string) {
	e := &environment{}
	e.reserve(p)
	e.setAll(outerVariables(opts))
	for i, name := range p.names.list {
		value := p.at(i)
		switch {
		case slices.Contains(opts.PassParams, name):
			e.set(name, value)
		case isSilent(name):
		case !isCGI(name):
			dropped = append(dropped, name)
		case value != "":
			e.set(name, value)
		}
	}
	setRequired(e, p)
	setScript(e, p, s)
	e.setAll(opts.Env)
	return e.variables(), dropped
}

// outerEnv returns the variables that do not depend on a request: outer ones and Env.
func outerEnv(opts *Options) []string {
	e := &environment{}
	e.setAll(outerVariables(opts))
	e.setAll(opts.Env)
	return e.variables()
}

// outerVariables returns what of this process's environment is passed on.
func outerVariables(opts *Options) []string {
	if opts.outer != nil {
		return opts.outer
	}
	variables := []string{"PATH=" + safePath}
	for _, name := range opts.EnvPass {
		if value, ok := os.LookupEnv(name); ok {
			variables = append(variables, name+"="+value)
		}
	}
	return variables
}

// environment is a list of variables that holds each name once.
type environment struct {
	names names
	list  []string // NAME=VALUE, by a name's place; "" is not set
	text  strings.Builder
}

// ownRoom is the memory in bytes that variables beyond the request's take, and
// ownVariables is how many they are, as a rule.
const (
	ownRoom      = 512
	ownVariables = 16
)

// reserve takes memory for the variables of a request at once, and not for each one.
func (e *environment) reserve(p *params) {
	room := ownRoom
	for i, name := range p.names.list {
		room += len(name) + len("=") + len(p.values[i].first)
	}
	e.text.Grow(room)
	e.list = slices.Grow(e.list, len(p.values)+ownVariables)
	e.names.list = slices.Grow(e.names.list, len(p.values)+ownVariables)
}

func (e *environment) set(name, value string) {
	at := e.text.Len()
	e.text.WriteString(name)
	e.text.WriteByte('=')
	e.text.WriteString(value)
	e.put(name, e.text.String()[at:])
}

// setAll sets variables that are NAME=VALUE.
func (e *environment) setAll(variables []string) {
	for _, variable := range variables {
		name, _, found := strings.Cut(variable, "=")
		if !found {
			variable += "="
		}
		e.put(name, variable)
	}
}

func (e *environment) put(name, variable string) {
	if i := e.names.find(name); i >= 0 {
		e.list[i] = variable
		return
	}
	e.names.add(name)
	e.list = append(e.list, variable)
}

func (e *environment) unset(name string) {
	if i := e.names.find(name); i >= 0 {
		e.list[i] = ""
	}
}

// variables returns those that are set. Nothing can be set any more.
func (e *environment) variables() []string {
	return slices.DeleteFunc(e.list, func(variable string) bool { return variable == "" })
}

// setRequired sets the variables that a script may rely on.
//
// Source: RFC 3875 section 4.1.
func setRequired(e *environment, p *params) {
	e.set("GATEWAY_INTERFACE", "CGI/1.1")
	e.set("QUERY_STRING", p.get("QUERY_STRING"))
	e.set("REMOTE_ADDR", p.get("REMOTE_ADDR"))
	host, port := splitHost(p.get("HTTP_HOST"))
	if p.get("SERVER_NAME") == "" { // nginx sends an empty one without server_name
		e.set("SERVER_NAME", firstOf(host, p.get("SERVER_ADDR"), "localhost"))
	}
	if p.get("SERVER_PORT") == "" {
		usual := "80"
		if isHTTPS(p) {
			usual = "443"
		}
		e.set("SERVER_PORT", firstOf(port, usual))
	}
	if p.get("SERVER_PROTOCOL") == "" {
		e.set("SERVER_PROTOCOL", "HTTP/1.1")
	}
	if p.get("SERVER_SOFTWARE") == "" {
		e.set("SERVER_SOFTWARE", software)
	}
	// A length says that there is a body (section 4.1.2), so a request that can
	// not have one gets none, and others get their zero.
	if method := p.get("REQUEST_METHOD"); p.get("CONTENT_LENGTH") == "0" && (method == "GET" || method == "HEAD") {
		e.unset("CONTENT_LENGTH")
	}
}

// setScript sets the variables that depend on which script it is. The web
// server's own idea of them is often wrong: Apache sends SCRIPT_FILENAME as
// proxy:scgi://…, lighttpd one below a document root that has no such file.
func setScript(e *environment, p *params, s *script) {
	e.set("SCRIPT_NAME", s.scriptName)
	e.set("SCRIPT_FILENAME", s.path)
	if s.pathInfo == "" {
		e.unset("PATH_INFO")
	} else {
		e.set("PATH_INFO", s.pathInfo)
	}
	e.unset("PATH_TRANSLATED")
	root := strings.TrimRight(p.get("DOCUMENT_ROOT"), "/")
	if strings.HasPrefix(root, "/") && strings.HasPrefix(s.pathInfo, "/") && !hasDots(s.pathInfo) {
		e.set("PATH_TRANSLATED", root+s.pathInfo)
	}
}

// splitHost cuts a Host header into name and port; the port may be "".
func splitHost(host string) (name, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host[i:], ']') >= 0 { // an IPv6 address without a port
		return host, ""
	}
	for _, c := range []byte(host[i+1:]) {
		if c < '0' || c > '9' {
			return host, ""
		}
	}
	return host[:i], host[i+1:]
}

func isHTTPS(p *params) bool {
	switch strings.ToLower(p.get("HTTPS")) {
	case "on", "1", "yes":
		return true
	}
	return p.get("REQUEST_SCHEME") == "https"
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// isSilent reports whether a parameter is one that web servers send in normal
// operation and scripts must not see; no line of the log is spent on it.
//
// HTTP_PROXY would be taken by client libraries for the proxy to use
// (CVE-2016-5385 and its kin). The length and coding of the body are the
// bridge's to say. Apache's proxy sends its own PATH and LD_LIBRARY_PATH, and for FastCGI
// the variable by which generated files tell it to find out the length of a body.
func isSilent(name string) bool {
	switch name {
	case "HTTP_PROXY",
		"HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_CONNECTION", "HTTP_KEEP_ALIVE",
		"SCGI", "PATH", "LD_LIBRARY_PATH", "proxy-sendcl":
		return true
	}
	return false
}

// isCGI reports whether a parameter belongs to CGI: the variables of RFC 3875
// and those that web servers add.
//
// Source: the list in suEXEC (support/suexec.c of Apache httpd 2.4) without
// the variables of server-side includes, with REQUEST_URI, DOCUMENT_URI,
// REMOTE_PORT, REDIRECT_* and CONTEXT_*, which nginx, lighttpd and Apache send.
func isCGI(name string) bool {
	switch name {
	case "AUTH_TYPE",
		"CONTENT_LENGTH", "CONTENT_TYPE",
		"DOCUMENT_ROOT", "DOCUMENT_URI",
		"GATEWAY_INTERFACE",
		"HTTPS",
		"PATH_INFO", "PATH_TRANSLATED",
		"QUERY_STRING",
		"REMOTE_ADDR", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT", "REMOTE_USER",
		"REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_URI",
		"SCRIPT_FILENAME", "SCRIPT_NAME", "SCRIPT_URI", "SCRIPT_URL",
		"SERVER_ADDR", "SERVER_ADMIN", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SIGNATURE", "SERVER_SOFTWARE",
		"UNIQUE_ID":
		return true
	}
	for _, prefix := range [...]string{"HTTP_", "SSL_", "REDIRECT_", "CONTEXT_"} {
		if len(name) > len(prefix) && strings.HasPrefix(name, prefix) {
			return isVariable(name)
		}
	}
	return false
}

// isVariable reports whether a parameter may be a variable's name: upper-case
// letters, digits and underscores, no digit first. Shells treat others in
// surprising ways; bash once ran functions from names with "%%".
func isVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'A' || c > 'Z') && c != '_' && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return name != ""
}
