package main

import (
	"slices"
	"strings"
	"time"

	"scgikit/bridge"
)

const bridgeHelp = `  Serve the connection on standard input with the scripts of a folder that the
  web server has at /cgi/:

    scgi-run bridge --mount /cgi/ /srv/cgi-bin/

  With one program for every request:

    scgi-run bridge --mount /git/ --env GIT_PROJECT_ROOT=/srv/git /usr/lib/git-core/git-http-backend

Reads one SCGI request from the connection on file descriptor 0, runs the CGI
program that it asks for, and sends back its answer. For inetd (nowait),
tcpserver, s6-ipcserver and systemd (Accept=yes).

usage: scgi-run bridge [FLAG…] FOLDER/
       scgi-run bridge [FLAG…] PROGRAM [ARGUMENT…]

`

// resident holds the flags of the form that keeps running.
var residentFlags = [...]string{"listen", "socket-mode", "socket-owner", "max", "workers"}

func defaultOptions() *bridge.Options {
	return &bridge.Options{
		EnvPass:       []string{"PATH", "LANG", "TZ"},
		HeaderTimeout: 10 * time.Second,
		Timeout:       60 * time.Second,
		MaxBody:       1 << 30,
		AddStatus:     true,
	}
}

// commonFlags are those of bridge and wsgi.
func commonFlags(o *bridge.Options) []option {
	return []option{
		{"mount", "PREFIX", "URL prefix of the app; the path behind it names the script", setMount(&o.Mount)},
		{"env", "NAME=VALUE", "set a variable; wins over the request (may be repeated)", addVariable(&o.Env)},
		{"env-pass", "NAME[,NAME…]", "outer variables to pass on, instead of PATH,LANG,TZ\n(may be repeated; '' for none)", addNames(&o.EnvPass)},
		{"header-timeout", "TIME", "time for the request's header block (10s)", setDuration(&o.HeaderTimeout)},
		{"timeout", "TIME", "time without progress after which the program is ended (60s)", setDuration(&o.Timeout)},
		{"max-body", "SIZE", "longest request body (1GiB)", setSize(&o.MaxBody)},
		{"log", "FILE", "file for messages and standard error; default is standard\nerror or, where that is the connection, syslog", setString(&o.LogFile)},
		{"umask", "MODE", "file mode creation mask of the program, such as 0027", setUmask(&o.Setting.Umask)},
		{"nice", "N", "add N to the niceness of the program, as nice(1) does", setNice(&o.Setting.Nice)},
		limitFlag(&o.Setting.Limits),
	}
}

func bridgeFlags(o *bridge.Options) []option {
	return append(commonFlags(o),
		option{"pass", "NAME[,NAME…]", "request parameters beyond CGI's that become variables\n(may be repeated)", addNames(&o.PassParams)},
		option{"follow-symlinks", "", "run scripts that are links to another place in the folder", setBool(&o.FollowSymlinks, true)},
		option{"no-add-status", "", "do not add the Status line where the script has none", setBool(&o.AddStatus, false)},
		option{"stream-body", "", "start the script before the request body is complete", setBool(&o.StreamBody, true)},
		option{"handoff", "", "give the connection itself to the script: no time limit, no\nend of input, no mended head; for scripts made for that", setBool(&o.Handoff, true)},
	)
}

func runBridge(args []string) int {
	o := defaultOptions()
	options := bridgeFlags(o)
	rest, err := parseFlags(options, args)
	if err == errHelp { //nolint:errorlint // a constant of ours
		return help(bridgeHelp + "flags:\n" + describe(options))
	}
	if err == nil {
		err = checkBridge(o, rest)
	}
	if err != nil {
		return misuse("bridge", explain(err, args))
	}
	o.Path, o.Arguments = rest[0], rest[1:]
	return bridge.Serve(o)
}

func checkBridge(o *bridge.Options, rest []string) error {
	switch {
	case len(rest) == 0 || rest[0] == "":
		return usageError("no program or folder named: see -h")
	case strings.HasSuffix(rest[0], "/") && len(rest) > 1:
		return usageError("a folder takes no arguments; they would go to every script")
	case slices.Contains(o.PassParams, "HTTP_PROXY"):
		return usageError("--pass HTTP_PROXY would let every client choose the scripts' proxy; --env HTTP_PROXY=… sets one")
	case o.Handoff && o.StreamBody:
		return usageError("--handoff and --stream-body exclude each other")
	}
	return nil
}

// explain says more about a flag that belongs to the form that keeps running.
func explain(err error, args []string) string {
	for _, arg := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if strings.HasPrefix(arg, "--") && slices.Contains(residentFlags[:], name) {
			return "--" + name + " belongs to the form that keeps running, which this version does not have: " +
				"let a super-server accept the connections (inetd nowait, tcpserver, s6-ipcserver, systemd Accept=yes)"
		}
	}
	return err.Error()
}
