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

  Keep running, and do the same for every connection to a socket:

    scgi-run bridge --listen unix:/run/cgi/sock --socket-owner :www-data --mount /cgi/ /srv/cgi-bin/

  With one program for every request:

    scgi-run bridge --mount /git/ --env GIT_PROJECT_ROOT=/srv/git /usr/lib/git-core/git-http-backend

Reads one SCGI request from the connection on file descriptor 0, runs the CGI
program that it asks for, and sends back its answer. For inetd (nowait),
tcpserver, s6-ipcserver and systemd (Accept=yes).

With --listen it keeps running, in the foreground, for a supervisor, systemd or
inetd (wait), and takes SCGI and FastCGI at the same socket. TERM and INT end it: it
takes no more connections, and lets running requests end within --stop-limit; a
second signal ends them too. HUP opens the file of --log anew. If it is killed, its
scripts get TERM (on Linux).

usage: scgi-run bridge [FLAG…] FOLDER/
       scgi-run bridge [FLAG…] PROGRAM [ARGUMENT…]

`

func defaultResidence() *bridge.Residence {
	return &bridge.Residence{
		Mode: 0o660, UID: -1, GID: -1,
		Children: 64, Queue: 256, Connections: 1024, StopLimit: 30 * time.Second,
	}
}

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

// socketFlags say what a socket is to be like.
func socketFlags(r *bridge.Residence) []option {
	return []option{
		{"socket-mode", "MODE", "mode of the socket of unix:PATH (0660)", setMode(&r.Mode)},
		{"socket-owner", "[USER][:GROUP]", "its owner and group, names or numbers", setOwner(&r.UID, &r.GID)},
		{"public", "", "IP:PORT may be reached by other machines", setBool(&r.Public, true)},
	}
}

// listenFlags are those of the forms that keep running.
func listenFlags(r *bridge.Residence) []option {
	return append(socketFlags(r),
		option{"listen", "ADDRESS", "keep running: IP:PORT, unix:PATH, fd:N for an open socket,\nor systemd for those of socket activation (may be repeated)", appendString(&r.Listen)},
		option{"stop-limit", "TIME", "how long running requests may go on after TERM (30s)", setDuration(&r.StopLimit)},
	)
}

// residenceFlags are those of the form of bridge that keeps running.
func residenceFlags(r *bridge.Residence) []option {
	return append(listenFlags(r),
		option{"max", "N", "scripts at a time (64)", setCount(&r.Children)},
		option{"queue", "N", "requests that may wait for their turn; more get 503 (256)", setCount(&r.Queue)},
		option{"max-connections", "N", "connections at a time (1024)", setCount(&r.Connections)},
	)
}

func bridgeFlags(o *bridge.Options) []option {
	return append(commonFlags(o),
		option{"pass", "NAME[,NAME…]", "request parameters beyond CGI's that become variables\n(may be repeated)", addNames(&o.PassParams)},
		option{"follow-symlinks", "", "run scripts that are links to another place in the folder", setBool(&o.FollowSymlinks, true)},
		option{"allow", "WHAT[,WHAT…]", "run scripts that are refused otherwise: hidden, backup\n(copies of editors), writable (by everybody), setuid,\nowner (of a third user) (may be repeated)", addExceptions(&o.Allow)},
		option{"no-add-status", "", "do not add the Status line where the script has none", setBool(&o.AddStatus, false)},
		option{"stream-body", "", "start the script before the request body is complete", setBool(&o.StreamBody, true)},
		option{"handoff", "", "give the connection itself to the script: no time limit, no\nend of input, no mended head; for scripts made for that", setBool(&o.Handoff, true)},
	)
}

func runBridge(args []string) int {
	o := defaultOptions()
	r := defaultResidence()
	options := append(bridgeFlags(o), residenceFlags(r)...)
	rest, err := parseFlags(options, args)
	if err == errHelp { //nolint:errorlint // a constant of ours
		return help(bridgeHelp + "flags:\n" + describe(options))
	}
	if err == nil {
		err = checkBridge(o, rest)
	}
	if err == nil {
		err = checkResidence(o, r, args)
	}
	if err != nil {
		return misuse("bridge", err.Error())
	}
	o.Path, o.Arguments = rest[0], rest[1:]
	if len(r.Listen) > 0 {
		return bridge.Resident(o, r)
	}
	return bridge.Serve(o)
}

// checkResidence refuses flags that belong to --listen without it.
func checkResidence(o *bridge.Options, r *bridge.Residence, args []string) error {
	if len(r.Listen) > 0 {
		if o.Handoff {
			return usageError("--handoff and --listen exclude each other")
		}
		return nil
	}
	return checkUnused(residenceFlags(r), args, "--listen ADDRESS")
}

// checkUnused refuses flags that belong to something that was not asked for.
func checkUnused(flags []option, args []string, to string) error {
	for _, flag := range flags {
		for _, arg := range args {
			if arg == "--" {
				break
			}
			if name, _, _ := strings.Cut(arg, "="); name == "--"+flag.name {
				return usageError("--" + flag.name + " belongs to " + to)
			}
		}
	}
	return nil
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
