package main

import (
	"slices"
	"strings"

	"scgikit/bridge"
)

const wsgiHelp = `  Serve the connection on standard input with the callable "application" of
  /srv/hello/hello.py, which the web server has at /hello/:

    scgi-run wsgi --path /srv/hello --mount /hello/ hello:application

  Keep running, with four workers for every connection to a socket:

    scgi-run wsgi --listen unix:/run/hello/sock --workers 4 --path /srv/hello hello:application

  Load the app once, serve each request in a fresh copy, and load it again when
  its source has changed:

    scgi-run wsgi --listen unix:/run/hello/sock --style zygote --path /srv/hello hello:application

  Have uwsgi serve, which has to be on the machine, over FastCGI:

    scgi-run wsgi --server uwsgi --protocol fastcgi --listen unix:/run/hello/sock --path /srv/hello hello

Becomes a Python process that reads one SCGI request from the connection on file
descriptor 0 and calls the app. For inetd (nowait), tcpserver, s6-ipcserver and
systemd (Accept=yes). What the app prints goes to the log.

With --listen it keeps running, in the foreground, for a supervisor, systemd or
inetd (wait). TERM and INT end it: it takes no more connections, and lets running
requests end within --stop-limit; a second signal ends them too. HUP opens the
file of --log anew and loads the app anew: old workers serve until new ones are
ready, and stay if the app can not be loaded. A worker that dies is replaced. As
long as the app can not be loaded at all, requests are answered 500, and it is
tried again.

With --server uwsgi it becomes uwsgi, from the virtual environment of --python or
from PATH, at unix sockets, or at any over http. An app that can not be loaded,
also on HUP, ends it: what keeps it up starts it again. QUIT ends it and what
runs at once. SCRIPT_NAME is what the web server says; http has none, and
--mount is it.

usage: scgi-run wsgi [FLAG…] MODULE:CALLABLE

`

func wsgiFlags(o *bridge.WSGIOptions) []option {
	return append(commonFlags(&o.Options),
		option{"style", "STYLE", "once: a process for each request; with --listen prefork:\nworkers, each for one request after the other (the default\nthere), or zygote: one that forks for each request", setStyle(&o.Style)},
		option{"directory", "DIR", "working directory of the app", setString(&o.Directory)},
		option{"path", "DIR", "folder in front of sys.path, instead of the working\ndirectory (may be repeated)", appendString(&o.Path)},
		option{"python", "PROGRAM", "the interpreter (/usr/bin/python3)", setString(&o.Python)},
	)
}

// wsgiResidenceFlags are those of the forms that keep running.
func wsgiResidenceFlags(o *bridge.WSGIOptions, r *bridge.Residence) []option {
	more := append(workerFlags(o), zygoteFlags(o, r)...)
	more = append(more, uwsgiFlags(o)...)
	more = append(more, option{"server", "NAME", "builtin, or uwsgi", setServer(o)})
	more = append(more, option{"warm", "PATH", "ask the app for this URL path once when it has been loaded,\nso that it is ready when the first request comes", setMount(&o.Warm)})
	return append(listenFlags(r), more...)
}

func workerFlags(o *bridge.WSGIOptions) []option {
	return []option{
		{"workers", "N", "workers of prefork and of uwsgi (1)", setCount(&o.Workers)},
		{"max-requests", "N", "requests, or up to a tenth less, after which a worker of\nprefork is replaced; exactly so many of uwsgi (no limit)", setCount(&o.MaxRequests)},
	}
}

func zygoteFlags(o *bridge.WSGIOptions, r *bridge.Residence) []option {
	return []option{
		{"max", "N", "children of zygote at a time (64)", setCount(&r.Children)},
		{"no-reload", "", "do not load changed source again in zygote", setBool(&o.NoReload, true)},
	}
}

func uwsgiFlags(o *bridge.WSGIOptions) []option {
	return []option{
		{"threads", "N", "threads of a worker of uwsgi (1)", setCount(&o.Threads)},
		{"protocol", "NAME", "what uwsgi speaks: scgi, fastcgi, uwsgi, http (scgi)", setProtocol(&o.Protocol)},
	}
}

func setServer(o *bridge.WSGIOptions) func(string) error {
	return func(value string) error {
		if value != "builtin" && value != "uwsgi" {
			return usageError("no server " + value + ": there are builtin and uwsgi")
		}
		o.UWSGI = value == "uwsgi"
		return nil
	}
}

func setProtocol(to *string) func(string) error {
	return func(value string) error {
		if _, ok := bridge.UWSGIProtocols[value]; !ok {
			return usageError("uwsgi does not speak " + value + ": it speaks scgi, fastcgi, uwsgi and http")
		}
		*to = value
		return nil
	}
}

func setStyle(to *bridge.WSGIStyle) func(string) error {
	return func(value string) error {
		switch *to = bridge.WSGIStyle(value); *to {
		case bridge.WSGIOnce, bridge.WSGIPrefork, bridge.WSGIZygote:
			return nil
		}
		return usageError("no style " + value + ": there are once, prefork and zygote")
	}
}

func runWSGI(args []string) int {
	o := &bridge.WSGIOptions{Options: *defaultOptions(), Python: "/usr/bin/python3", Workers: 1, Threads: 1, Protocol: "scgi"}
	r := defaultResidence()
	options := append(wsgiFlags(o), wsgiResidenceFlags(o, r)...)
	rest, err := parseFlags(options, args)
	if err == errHelp { //nolint:errorlint // a constant of ours
		return help(wsgiHelp + "flags:\n" + describe(options))
	}
	if err == nil {
		err = checkWSGI(o, rest)
	}
	if err == nil {
		err = checkStyle(o, r, args)
	}
	if err != nil {
		return misuse("wsgi", err.Error())
	}
	o.App = rest[0]
	switch {
	case o.UWSGI:
		return bridge.ResidentUWSGI(o, r)
	case len(r.Listen) > 0:
		return bridge.ResidentWSGI(o, r)
	}
	return bridge.ServeWSGI(o)
}

// checkStyle sets the style that was not named, and refuses flags that belong to
// another one.
func checkStyle(o *bridge.WSGIOptions, r *bridge.Residence, args []string) error {
	if len(r.Listen) == 0 {
		if o.Style == bridge.WSGIPrefork || o.Style == bridge.WSGIZygote {
			return usageError("--style " + string(o.Style) + " keeps running: it needs --listen ADDRESS")
		}
		return checkUnused(wsgiResidenceFlags(o, r), args, "--listen ADDRESS")
	}
	if o.UWSGI {
		if o.Style != "" || o.Warm != "" {
			return usageError("--style and --warm belong to --server builtin")
		}
		if strings.Contains(o.LogFile, ":") {
			return usageError("--log " + o.LogFile + ": uwsgi takes it for an address, because of the colon")
		}
		if o.Protocol == "http" && strings.Contains(o.Mount, "=") {
			return usageError("--mount " + o.Mount + ": uwsgi ends it at =")
		}
		if err := checkUnused([]option{{name: "header-timeout"}}, args, "--server builtin"); err != nil {
			return err
		}
		return checkUnused(zygoteFlags(o, r), args, "--style zygote")
	}
	if err := checkUnused(uwsgiFlags(o), args, "--server uwsgi"); err != nil {
		return err
	}
	switch o.Style {
	case bridge.WSGIOnce:
		return usageError("--style once is for the connection on standard input, without --listen")
	case bridge.WSGIZygote:
		return checkUnused(workerFlags(o), args, "--style prefork")
	case bridge.WSGIPrefork:
	}
	o.Style = bridge.WSGIPrefork
	return checkUnused(zygoteFlags(o, r), args, "--style zygote")
}

func checkWSGI(o *bridge.WSGIOptions, rest []string) error {
	switch {
	case len(rest) == 0 || rest[0] == "" || rest[0][0] == ':':
		return usageError("no MODULE:CALLABLE named: see -h")
	case len(rest) > 1:
		return usageError("more than one MODULE:CALLABLE: " + strings.Join(rest, " "))
	case slices.Contains(o.Path, ""):
		return usageError("--path is empty: name a folder, or leave it out")
	case !strings.HasPrefix(o.Python, "/"):
		return usageError("--python " + o.Python + " is not an absolute path")
	case o.Directory != "" && !strings.HasPrefix(o.Directory, "/"):
		return usageError("--directory " + o.Directory + " is not an absolute path")
	}
	return nil
}
