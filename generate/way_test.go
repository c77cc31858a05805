package generate_test

import (
	"strings"
	"testing"

	"scgikit/generate"
)

// TestWays holds the way of a request through each kind of target to what was
// found by hand.
func TestWays(t *testing.T) {
	const (
		cgi    = "apiVersion: scgikit/v1\nname: wiki\ntype: cgi\nrun: {user: wiki}\ncgi: {directory: /srv/wiki/}\nhttp: {mount: /w}\n"
		server = "apiVersion: scgikit/v1\nname: wiki\ntype: server\nrun: {user: wiki, group: app, command: [/srv/x]}\nhttp: {mount: /w}\n"
		unix   = "listen: {unix: /srv/run/socket, user: web, group: www}\n"
		byWeb  = "listen: {unix: /srv/run/socket, group: www}\n"
		port   = "listen: {tcp: \"127.0.0.1:8040\"}\n"
		own    = "the program's own, within umask 0027"
	)
	for name, test := range map[string]struct {
		target, text string
		want         generate.Way
	}{
		"freebsd":       {"inetd", cgi + unix + "options: {inetd: {dialect: freebsd}}\n", generate.Way{PerRequest: true, Listener: "inetd (freebsd)", Owner: "web:www", Mode: "0660", Logger: "syslog", Log: "the system's log"}},
		"openbsd":       {"inetd", cgi + byWeb + "log: {dir: /var/log/w}\noptions: {inetd: {dialect: openbsd}}\n", generate.Way{PerRequest: true, Listener: "inetd (openbsd)", Owner: "root", Mode: "0666", Guard: "/srv/run, root:www 0750", Logger: "scgi-run", Log: "/var/log/w/wiki.log"}},
		"busybox":       {"inetd", cgi + byWeb + "options: {inetd: {dialect: busybox, umask: \"0000\"}}\n", generate.Way{PerRequest: true, Listener: "inetd (busybox)", Owner: "root", Mode: "0777", Guard: "/srv/run, root:www 0750", Logger: "syslog", Log: "the system's log"}},
		"inetd port":    {"inetd", cgi + port + "options: {inetd: {dialect: netbsd}}\n", generate.Way{PerRequest: true, Listener: "inetd (netbsd)", Logger: "syslog", Log: "the system's log"}},
		"systemd":       {"systemd", cgi + unix, generate.Way{Bridge: true, Listener: "systemd", Owner: "web:www", Mode: "0660", Logger: "systemd", Log: "the journal"}},
		"systemd each":  {"systemd", strings.Replace(cgi, "user: wiki", "user: wiki, mode: per-request", 1) + unix, generate.Way{PerRequest: true, Listener: "systemd", Owner: "web:www", Mode: "0660", Logger: "systemd", Log: "the journal"}},
		"runit bridge":  {"runit", cgi + unix + "log: {dir: /var/log/w}\n", generate.Way{Bridge: true, Listener: "scgi-run", Owner: "web:www", Mode: "0660", Logger: "svlogd", Log: "/var/log/w"}},
		"openrc":        {"openrc", cgi + unix, generate.Way{Bridge: true, Listener: "scgi-run", Owner: "web:www", Mode: "0660", Logger: "scgi-run multilog", Log: "/var/log/scgikit/wiki"}},
		"s6 each":       {"s6", cgi + port + "options: {s6: {listener: tcpserver}}\n", generate.Way{PerRequest: true, Listener: "tcpserver", Logger: "s6-log", Log: "log/main in the service folder"}},
		"activated":     {"systemd", server + unix + "log: {dir: /var/log/w}\noptions: {systemd: {socket_activation: true}}\n", generate.Way{Listener: "systemd", Owner: "web:www", Mode: "0660", Logger: "systemd", Log: "/var/log/w/wiki.log"}},
		"by itself":     {"systemd", server + byWeb, generate.Way{Listener: "the program", Owner: "wiki:app", Mode: own, Logger: "systemd", Log: "the journal"}},
		"launchd":       {"launchd", cgi + byWeb, generate.Way{Bridge: true, Listener: "scgi-run", Owner: "wiki:www", Mode: "0660", Guard: "/srv/run, wiki:www 0750", Logger: "scgi-run multilog", Log: "/var/log/scgikit/wiki"}},
		"launchd port":  {"launchd", cgi + port, generate.Way{Bridge: true, Listener: "scgi-run", Logger: "scgi-run multilog", Log: "/var/log/scgikit/wiki"}},
		"launchd each":  {"launchd", strings.Replace(cgi, "user: wiki", "user: wiki, mode: per-request", 1) + byWeb, generate.Way{PerRequest: true, Listener: "launchd", Owner: "root:www", Mode: "0660", Guard: "/srv/run, root:www 0750", Logger: "syslog", Log: "the system's log"}},
		"launchd stays": {"launchd", server + port, generate.Way{Listener: "the program", Logger: "scgi-run multilog", Log: "/var/log/scgikit/wiki"}},
		"runit":         {"runit", server + port, generate.Way{Listener: "the program", Logger: "svlogd", Log: "log/main in the service folder"}},
		"s6":            {"s6", server + port + "log: {dir: /var/log/w, compress: gzip}\n", generate.Way{Listener: "the program", Logger: "scgi-run multilog", Log: "/var/log/w"}},
		"daemontools":   {"daemontools", server + byWeb, generate.Way{Listener: "the program", Owner: "wiki:app", Mode: own, Logger: "multilog", Log: "log/main in the service folder"}},
	} {
		target, _ := generate.Lookup(test.target)
		if got := target.WayOf(load(t, test.text).Apps[0]); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}
