package importer

import (
	"cmp"
	"path"
	"strconv"
	"strings"
)

// socket reads the unit that listens.
func (s *serviceReader) socket(u *unit) {
	d := s.d
	if !s.request && !s.bridge {
		d.flag("options.systemd.socket_activation", d.r.at(u.file, 0))
	}
	streams := u.all("Socket", "ListenStream")
	for i, l := range streams {
		address, err := u.specifiers(l.value)
		switch {
		case err != nil:
			d.lost(l.at, "ListenStream=: %v", err)
		case i > 0:
			d.lost(l.at, "ListenStream=%s: a description has one listener", address)
		default:
			d.listenStream(address, l.at)
		}
	}
	if len(streams) == 0 {
		d.lost(d.r.at(u.file, 0), "there is no ListenStream=, and nothing else is for a web program")
	}
	s.socketOwner(u)
	o := &serviceReader{d: d, u: u}
	o.integer("Socket", "Backlog", "listen.backlog", 128)
	if s.request {
		o.integer("Socket", "MaxConnections", "run.max_concurrent", 16)
		if _, ok := u.last("Socket", "MaxConnections"); !ok {
			d.number("run.max_concurrent", 64, d.r.at(u.file, 0)) // systemd's own
		}
	}
	u.last("Socket", "Accept")
	u.last("Socket", "Service")
	o.known("Unit", "Description", cmp.Or(d.first("description"), d.name)+", socket")
	for _, line := range [][3]string{
		{"Socket", "BindIPv6Only", "ipv6-only"},
		{"Socket", "RemoveOnStop", "yes"},
		{"Socket", "TriggerLimitIntervalSec", "0"},
		{"Install", "WantedBy", "sockets.target"},
	} {
		o.known(line[0], line[1], line[2])
	}
	if l, ok := u.last("Socket", "PollLimitIntervalSec"); ok && l.value == "0" {
		d.number("options.systemd.version", 255, l.at)
	}
	u.last("Unit", "Description")
	for _, l := range u.lines {
		if !l.used {
			d.lost(l.at, "%s=%s of the socket", l.key, l.value)
		}
	}
}

// furtherSockets tells of the sockets that have no place in a description.
func (s *serviceReader) furtherSockets(units []*unit) {
	for _, u := range units {
		for _, l := range u.lines {
			s.d.lost(l.at, "%s=%s of the socket: a description has one listener", l.key, l.value)
		}
	}
}

// listenStream reads an address of systemd: a path, a port, or an address with a
// port.
func (d *draft) listenStream(address string, at place) {
	if n, err := strconv.ParseUint(address, 10, 16); err == nil && n > 0 {
		d.listen("[::]:"+address, at)
		return
	}
	if strings.HasPrefix(address, "@") {
		d.lost(at, "ListenStream=%s: an abstract socket has no path", address)
		return
	}
	d.listen(address, at)
}

// socketOwner reads who may use a socket on disk. Systemd's own is root, and
// everybody.
func (s *serviceReader) socketOwner(u *unit) {
	d := s.d
	o := &serviceReader{d: d, u: u}
	user, userAt, ok := o.raw("Socket", "SocketUser")
	group, groupAt, hasGroup := o.raw("Socket", "SocketGroup")
	mode, modeAt, hasMode := o.raw("Socket", "SocketMode")
	if !d.has("listen.unix") {
		return
	}
	if !ok {
		user, userAt = "root", d.r.at(u.file, 0)
	}
	if hasGroup {
		d.text("listen.group", group, groupAt)
	}
	bits := uint32(0o666)
	if own, valid := octal(mode); hasMode && valid {
		bits = own
	} else if hasMode {
		d.lost(modeAt, "SocketMode=%s is no mode, and systemd ignores it", mode)
	} else {
		modeAt = d.r.at(u.file, 0)
	}
	if bits != 0o660 {
		d.mode("listen.mode", bits, modeAt)
	}
	d.socketUser(user, bits, userAt)
	if !hasGroup && bits&0o070 != 0 {
		d.text("listen.group", "root", modeAt) // systemd's own
	}
}

// socketUser sets the owner of a socket. Where the group may not write, the owner
// has to be named for the web server to be it.
func (d *draft) socketUser(user string, mode uint32, at place) {
	if user != d.first("run.user") || mode&0o020 == 0 {
		d.text("listen.user", user, at)
	}
}

// first returns the text of a field.
func (d *draft) first(field string) string {
	if v, ok := d.values[field]; ok {
		return v.text[0]
	}
	return ""
}

// ownSocket reads the folder that systemd makes for the socket of the program.
func (s *serviceReader) ownSocket() {
	l, ok := s.u.last("Service", "RuntimeDirectory")
	if !ok || s.d.has("listen.unix") {
		return
	}
	words, err := s.u.words(l.value)
	s.d.guessListen()
	switch own := s.d.first("listen.unix"); {
	case err != nil:
		s.d.lost(l.at, "RuntimeDirectory=%s: %v", l.value, err)
	case len(words) != 1 || s.d.has("listen.tcp") || own != "" && !strings.HasPrefix(own, "/run/"+words[0]+"/"):
		s.u.unread("Service", "RuntimeDirectory") // a folder for something else, which is carried as it is
	case own != "":
		s.known("Service", "RuntimeDirectoryPreserve", "yes")
	default:
		s.known("Service", "RuntimeDirectoryPreserve", "yes")
		socket := path.Join("/run", words[0], "socket")
		s.d.listen(socket, l.at)
		s.d.assume(l.at, "listen.unix", "--listen names it", "nothing says where the program listens: %s, in its RuntimeDirectory=, is a placeholder", socket)
	}
}
