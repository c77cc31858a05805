package main

import (
	"strings"

	"scgikit/bridge"
)

const wsgiHelp = `  Serve the connection on standard input with the callable "application" of
  /srv/hello/hello.py, which the web server has at /hello/:

    scgi-run wsgi --path /srv/hello --mount /hello/ hello:application

Becomes a Python process that reads one SCGI request from the connection on file
descriptor 0 and calls the app. For inetd (nowait), tcpserver, s6-ipcserver and
systemd (Accept=yes). What the app prints goes to the log.

usage: scgi-run wsgi [FLAG…] MODULE:CALLABLE

`

func wsgiFlags(o *bridge.WSGIOptions, style *string) []option {
	return append(commonFlags(&o.Options),
		option{"style", "once", "a process for each request", setString(style)},
		option{"directory", "DIR", "working directory of the app", setString(&o.Directory)},
		option{"path", "DIR", "folder in front of sys.path, instead of the working\ndirectory (may be repeated)", appendString(&o.Path)},
		option{"python", "PROGRAM", "the interpreter (/usr/bin/python3)", setString(&o.Python)},
	)
}

func runWSGI(args []string) int {
	o := &bridge.WSGIOptions{Options: *defaultOptions(), Python: "/usr/bin/python3"}
	style := "once"
	options := wsgiFlags(o, &style)
	rest, err := parseFlags(options, args)
	if err == errHelp { //nolint:errorlint // a constant of ours
		return help(wsgiHelp + "flags:\n" + describe(options))
	}
	if err == nil {
		err = checkWSGI(o, style, rest)
	}
	if err != nil {
		return misuse("wsgi", explain(err, args))
	}
	o.App = rest[0]
	return bridge.ServeWSGI(o)
}

func checkWSGI(o *bridge.WSGIOptions, style string, rest []string) error {
	switch style {
	case "once":
	case "prefork", "zygote":
		return usageError("--style " + style + " keeps running, which this version does not: use --style once under a super-server")
	default:
		return usageError("no style " + style + ": there is once")
	}
	switch {
	case len(rest) == 0 || rest[0] == "" || rest[0][0] == ':':
		return usageError("no MODULE:CALLABLE named: see -h")
	case len(rest) > 1:
		return usageError("more than one MODULE:CALLABLE: " + strings.Join(rest, " "))
	case !strings.HasPrefix(o.Python, "/"):
		return usageError("--python " + o.Python + " is not an absolute path")
	case o.Directory != "" && !strings.HasPrefix(o.Directory, "/"):
		return usageError("--directory " + o.Directory + " is not an absolute path")
	}
	return nil
}
