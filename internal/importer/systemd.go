package importer

import (
	"path"
	"slices"
	"strings"

	"scgikit/internal/printable"
)

// systemd reads a unit, or every service and socket of a folder. A service and
// the socket of its name are one app.
//
// Sources: systemd.service(5), systemd.socket(5), systemd.exec(5), systemd.kill(5).
func (r *reading) systemd() error {
	if !r.isDir {
		return r.unitPair(r.base)
	}
	names, err := r.entries(r.base)
	if err != nil {
		return err
	}
	for _, name := range names {
		file := path.Join(r.base, name)
		ext := path.Ext(name)
		if r.full(r.at(file, 0)) {
			break
		}
		switch {
		case ext == ".service" && r.exists(strings.TrimSuffix(serviceStem(file), "@")+".socket") && !strings.HasSuffix(serviceStem(file), "@"):
			// Its socket brings it.
		case ext == ".service" && strings.HasSuffix(serviceStem(file), "@"):
			if !r.exists(strings.TrimSuffix(serviceStem(file), "@") + ".socket") {
				r.refuse(r.at(file, 0), "", "name an instance: copy it to NAME@INSTANCE.service", "it is a template, and nothing says for which instances")
			}
		case ext == ".service", ext == ".socket":
			if err := r.unitPair(file); err != nil {
				r.refuse(r.at(file, 0), "", "", "%s", strings.TrimPrefix(err.Error(), printable.Text(r.name(file))+": "))
			}
		case slices.Contains([]string{".target", ".timer", ".path", ".mount", ".slice", ".automount", ".swap"}, ext):
			r.skip(r.at(file, 0), "a unit of this kind starts no program")
		}
	}
	return nil
}

func serviceStem(file string) string { return strings.TrimSuffix(file, ".service") }

// unitPair reads the unit at file with its other half.
func (r *reading) unitPair(file string) error {
	ext := path.Ext(file)
	stem := strings.TrimSuffix(file, ext)
	var service, socket *unit
	var err error
	switch ext {
	case ".service":
		if service, err = r.readUnit(file); err != nil {
			return err
		}
		if other := strings.TrimSuffix(stem, "@") + ".socket"; r.exists(other) {
			socket, err = r.readUnit(other)
		}
	case ".socket":
		if socket, err = r.readUnit(file); err != nil {
			return err
		}
		service, err = r.socketService(socket, stem)
	default:
		r.refuse(r.at(file, 0), "", "name a .service or a .socket, or a folder of them", "a unit of this kind starts no program")
		return nil
	}
	if err != nil {
		return err
	}
	if service != nil {
		r.service(service, socket)
	}
	return nil
}

// socketService finds the service that a socket starts.
func (r *reading) socketService(socket *unit, stem string) (*unit, error) {
	candidates := []string{stem + ".service"}
	if l, ok := socket.last("Socket", "Accept"); ok && truth(l.value) {
		candidates = []string{stem + "@.service"}
	}
	if l, ok := socket.last("Socket", "Service"); ok {
		candidates = []string{path.Join(path.Dir(stem), path.Base(l.value))}
	}
	for _, c := range candidates {
		if r.exists(c) {
			return r.readUnit(c)
		}
	}
	r.refuse(r.at(socket.file, 0), "", "", "the service %s that it starts is not there", path.Base(candidates[0]))
	return nil, nil //nolint:nilnil // it is refused, and that is noted
}

// truth reads a boolean of systemd.
func truth(s string) bool {
	return slices.Contains([]string{"1", "yes", "true", "on", "y", "t"}, strings.ToLower(s))
}

// service reads a service, and the socket that belongs to it.
func (r *reading) service(u, socket *unit) {
	accept := false
	if socket != nil {
		l, ok := socket.last("Socket", "Accept")
		accept = ok && truth(l.value)
	}
	name := strings.ReplaceAll(strings.TrimSuffix(u.stem(), "@"), "@", "-")
	d := r.newDraft(name, r.at(u.file, 0))
	s := &serviceReader{d: d, u: u, request: accept}
	if !s.start() {
		return
	}
	s.common()
	if accept {
		s.connection()
	} else {
		s.resident()
	}
	if socket != nil {
		s.socket(socket)
	} else {
		s.ownSocket()
	}
	s.sandbox()
	s.rest()
	d.guessListen()
	d.add()
}

// serviceReader reads one service into a draft.
type serviceReader struct {
	d       *draft
	u       *unit
	request bool // a service for each connection
	bridge  bool // scgi-run, which keeps running
	log     bool // a file is the log
}

// raw returns a setting as it is, but for specifiers.
func (s *serviceReader) raw(section, key string) (string, place, bool) {
	l, ok := s.u.last(section, key)
	if !ok {
		return "", place{}, false
	}
	value, err := s.u.specifiers(l.value)
	if err != nil {
		s.d.lost(l.at, "%s=: %v", key, err)
		return "", l.at, false
	}
	return value, l.at, true
}

// set puts a setting into a field as it is.
func (s *serviceReader) set(key, field string) {
	if value, at, ok := s.raw("Service", key); ok {
		s.d.text(field, value, at)
	}
}
