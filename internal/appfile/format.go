package appfile

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// format is a rule for text. A struct tag names it: format:"path".
type format struct {
	name    string
	code    string // of a problem
	words   string // the rule, for explain and the documentation
	example string
	pattern string // for the JSON schema, as near to the rule as a pattern can be
	valid   func(string) *fault
	clean   func(string) string // the one spelling of several that mean the same; nil keeps the text
}

// The patterns stand here once, for the check, the schema and the documentation.
const (
	patternName     = `^[a-z][a-z0-9-]{0,30}$`
	patternUser     = `^([a-z_][a-z0-9_.-]{0,31}|0|[1-9][0-9]{0,9})$`
	patternEnvName  = `^[A-Za-z_][A-Za-z0-9_]*$`
	patternMount    = `^(/|(/[A-Za-z0-9._~-]+)+/?)$`
	patternPrefix   = `^/([A-Za-z0-9._~-]+/)*$`
	patternURLPath  = `^/[A-Za-z0-9._~/%?=&+,:;@!*()-]*$`
	patternExpect   = `^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$`
	patternModule   = `^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`
	patternHeader   = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
	patternLabel    = `^[A-Za-z0-9]([A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?$`
	patternHostName = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`
)

var (
	nameSyntax     = regexp.MustCompile(patternName)
	userSyntax     = regexp.MustCompile(patternUser)
	envNameSyntax  = regexp.MustCompile(patternEnvName)
	mountSyntax    = regexp.MustCompile(patternMount)
	prefixSyntax   = regexp.MustCompile(patternPrefix)
	urlPathSyntax  = regexp.MustCompile(patternURLPath)
	expectSyntax   = regexp.MustCompile(patternExpect)
	moduleSyntax   = regexp.MustCompile(patternModule)
	headerSyntax   = regexp.MustCompile(patternHeader)
	labelSyntax    = regexp.MustCompile(patternLabel)
	hostNameSyntax = regexp.MustCompile(patternHostName)
)

// maxPath is PATH_MAX of Linux without the final NUL.
const maxPath = 4095

// maxSocket is what fits in sun_path of every system: 104 bytes with the final
// NUL on the BSDs and macOS, 108 on Linux (unix(4), unix(7)).
const maxSocket = 103

// formatOf returns the format of a name.
func formatOf(name string) (*format, bool) {
	i := slices.IndexFunc(formats, func(f format) bool { return f.name == name })
	if i < 0 {
		return nil, false
	}
	return &formats[i], true
}

var formats = []format{
	{
		name: "version", code: "bad-version", words: "the text " + APIVersion, example: APIVersion,
		pattern: "^" + APIVersion + "$", valid: validVersion,
	},
	{
		name: "name", code: "bad-name", words: "a small letter, then small letters, digits and -, at most 31 characters", example: "blog",
		pattern: patternName, valid: validName,
	},
	{
		name: "line", code: "bad-text", words: "one line of at most 120 characters", example: "a blog",
		pattern: "^.{1,120}$", valid: validLine,
	},
	{
		name: "path", code: "bad-path", words: "an absolute path without . and .. segments", example: "/srv/blog",
		pattern: "^/", valid: validPath, clean: path.Clean,
	},
	{
		name: "file", code: "bad-path", words: "an absolute path of a file, without . and .. segments", example: "/etc/scgikit/blog.env",
		pattern: "^/.*[^/]$", valid: validFile,
	},
	{
		name: "dir", code: "bad-path", words: "an absolute path that ends in /", example: "/srv/blog/static/",
		pattern: "^/(.*/)?$", valid: validDir,
	},
	{
		name: "socket", code: "bad-socket", words: "an absolute path of at most 103 bytes, with the number of a numbered socket", example: "/run/scgikit/blog.sock",
		pattern: "^/.*[^/]$", valid: validSocket,
	},
	{
		name: "filename", code: "bad-path", words: "a file name without /", example: "index.html",
		pattern: "^[^/]+$", valid: validFileName,
	},
	{
		name: "user", code: "bad-user", words: "a name (small letter or _, then small letters, digits, _ . -, at most 32 characters) or a number", example: "www-data",
		pattern: patternUser, valid: validUser,
	},
	{
		name: "env", code: "bad-env-name", words: "names of letters, digits and _, no digit first", example: "LANG",
		pattern: patternEnvName, valid: validEnvName,
	},
	{
		name: "envname", code: "bad-env-name", words: "a name of letters, digits and _, no digit first", example: "LANG",
		pattern: patternEnvName, valid: validEnvName,
	},
	{
		name: "param", code: "bad-param", words: "names of letters, digits and _, no digit first, and none that the request itself sets", example: "GIT_PROJECT_ROOT",
		pattern: patternEnvName, valid: validParam,
	},
	{
		name: "label", code: "bad-label", words: "names of letters, digits and . _ / -, that begin and end with a letter or digit", example: "example.org/team",
		pattern: patternLabel, valid: validLabel,
	},
	{
		name: "hostport", code: "bad-address", words: "an IP address or localhost, a colon, a port from 1 to 65535", example: "127.0.0.1:8040",
		pattern: `^(localhost|[0-9.]+|\[[0-9a-f:.]+\]):[1-9][0-9]{0,4}$`, valid: validHostPort,
	},
	{
		name: "servername", code: "bad-host", words: "a host name in small letters, without a port; *. may stand before it", example: "example.org",
		pattern: `^(\*\.)?[a-z0-9:.-]+$`, valid: validServerName,
	},
	{
		name: "host", code: "bad-host", words: "a host name in small letters, or an IP address", example: "example.org",
		pattern: `^[a-z0-9:.-]+$`, valid: validHost,
	},
	{
		name: "mount", code: "bad-mount", words: "/ or segments of letters, digits and . _ ~ -, none of them . or ..", example: "/blog/",
		pattern: patternMount, valid: validMount, clean: func(s string) string { return strings.TrimSuffix(s, "/") + "/" },
	},
	{
		name: "urlprefix", code: "bad-mount", words: "a URL path that ends in /, of letters, digits and . _ ~ -", example: "/blog/static/",
		pattern: patternPrefix, valid: validPrefix,
	},
	{
		name: "urlpath", code: "bad-url", words: "a URL path that begins with /", example: "/blog/health",
		pattern: patternURLPath, valid: validURLPath,
	},
	{
		name: "url", code: "bad-url", words: "http or https, a host, and a port where it is not the usual one; no path", example: "http://example.org:81",
		pattern: `^https?://[^/?#@]+$`, valid: validBaseURL,
	},
	{
		name: "expect", code: "bad-expect", words: "a status code, or a range of them", example: "200-399",
		pattern: patternExpect, valid: validExpect,
	},
	{
		name: "module", code: "bad-module", words: "a Python module, a colon, a callable in it", example: "blog.wsgi:application",
		pattern: patternModule, valid: validModule,
	},
	{
		name: "header", code: "bad-header", words: "a header name", example: "X-Accel-Buffering",
		pattern: patternHeader, valid: validHeader,
	},
	{
		name: "cidr", code: "bad-network", words: "an IP address, or a network as address/bits", example: "192.0.2.0/24",
		pattern: `^[0-9a-f:.]+(/[0-9]{1,3})?$`, valid: validNetwork,
	},
	{
		name: "logfilter", code: "bad-filter", words: "+ or -, then a multilog pattern", example: "-*debug*",
		pattern: `^[+-]`, valid: validFilter,
	},
}
