package importer

import (
	"path"
	"slices"
	"strings"

	"scgikit/internal/printable"
)

// systemd reads a unit, or every service and socket of a folder. A service and
// the sockets that start it are one app.
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
		at := r.at(file, 0)
		if r.full(at) {
			break
		}
		switch ext := path.Ext(name); {
		case (ext == ".service" || ext == ".socket") && isTemplate(name):
			r.template(file)
		case ext == ".service", ext == ".socket" && !r.broughtBy(file):
			r.oneOfFolder(file)
		case slices.Contains([]string{".target", ".timer", ".path", ".mount", ".slice", ".automount", ".swap"}, ext):
			r.skip(at, "a unit of this kind starts no program")
		case ext == ".d":
			r.strayDropIns(file)
		case ext != ".service" && ext != ".socket" && ext != ".wants" && ext != ".requires":
			r.skip(at, "it is no unit that systemd reads")
		}
	}
	return nil
}

// strayDropIns tells of drop-ins of a unit that is not there.
func (r *reading) strayDropIns(folder string) {
	name := strings.TrimSuffix(path.Base(folder), ".d")
	ext := path.Ext(name)
	begin := strings.HasSuffix(strings.TrimSuffix(name, ext), "-") // of all names that begin so
	if ext != ".service" && ext != ".socket" || begin || r.findUnit(path.Dir(folder), name) != "" {
		return
	}
	r.skip(r.at(folder, 0), "the unit %s of these drop-ins is not there", name)
}

// oneOfFolder reads a unit of a folder, where an error is about that unit alone.
func (r *reading) oneOfFolder(file string) {
	if other := r.aliasOf(file); other != "" {
		r.skip(r.at(file, 0), "it is another name of %s", other)
		return
	}
	if err := r.unitPair(file); err != nil {
		r.refuse(r.at(file, 0), "", "", "%s", strings.TrimPrefix(err.Error(), printable.Text(r.name(file))+": "))
	}
}

// template reads the instances of a template that the folder names. One that a
// socket starts for each connection comes with that socket.
func (r *reading) template(file string) {
	dir, name := path.Split(file)
	if r.isMasked(file) {
		r.skip(r.at(file, 0), "it is masked, and systemd does not start it")
		return
	}
	if len(r.socketsOf(path.Clean(dir))[name]) > 0 {
		return
	}
	instances := r.instancesOf(file)
	for _, instance := range instances {
		if r.full(r.at(file, 0)) {
			return
		}
		r.oneOfFolder(path.Join(dir, instance))
	}
	if len(instances) == 0 {
		r.refuse(r.at(file, 0), "", "name one: scgikit import systemd "+strings.Replace(r.name(file), "@.", "@INSTANCE.", 1),
			"it is a template, and no link in a .wants folder says for which instances")
	}
}

// broughtBy reports whether the service that a socket starts stands in the folder
// as well, and brings it.
func (r *reading) broughtBy(socket string) bool {
	for service, sockets := range r.socketsOf(path.Dir(socket)) {
		file := path.Join(path.Dir(socket), service)
		if slices.Contains(sockets, socket) && !isTemplate(service) && r.exists(file) && !r.isMasked(file) {
			return true
		}
	}
	return false
}

// unitPair reads the unit at file with its other half.
func (r *reading) unitPair(file string) error {
	if r.isMasked(file) {
		r.skip(r.at(file, 0), "it is masked, and systemd does not start it")
		return nil
	}
	if other := r.inPlaceOf(file); other != "" {
		r.note(Lost, r.at(file, 0), "", "", "import that one", "%s counts in the place of this unit, which systemd does not read", r.name(other))
	}
	var service *unit
	var sockets []*unit
	var err error
	switch path.Ext(file) {
	case ".service":
		if service, err = r.readUnit(file); err != nil {
			return err
		}
		sockets, err = r.socketUnits(service)
	case ".socket":
		socket, failure := r.readUnit(file)
		if failure != nil {
			return failure
		}
		if service, err = r.socketService(socket); service != nil && err == nil {
			sockets, err = r.socketUnits(service)
		}
		// The one that was named is the listener.
		sockets = slices.DeleteFunc(sockets, func(u *unit) bool { return u.name == socket.name })
		sockets = slices.Insert(sockets, 0, socket)
	default:
		r.refuse(r.at(file, 0), "", "name a .service or a .socket, or a folder of them", "a unit of this kind starts no program")
		return nil
	}
	if err != nil {
		return err
	}
	if service != nil {
		r.service(service, sockets)
	}
	return nil
}

// socketUnits reads the sockets that start a service.
func (r *reading) socketUnits(service *unit) ([]*unit, error) {
	files := slices.Clone(r.socketsOf(path.Dir(service.file))[service.name])
	for _, l := range service.all("Service", "Sockets") {
		names, err := service.specifiers(l.value)
		if err != nil {
			r.note(Lost, l.at, "", "", "", "Sockets=: %v", err)
		}
		for name := range strings.FieldsSeq(names) {
			if file := r.findUnit(path.Dir(service.file), name); file != "" && !slices.Contains(files, file) {
				files = append(files, file)
			} else if file == "" {
				r.note(Lost, l.at, "", "", "", "Sockets=%s, which is not there", name)
			}
		}
	}
	var units []*unit
	for _, file := range files {
		u, err := r.readUnit(file)
		if err != nil {
			return nil, err
		}
		units = append(units, u)
	}
	return units, nil
}

// socketService finds the service that a socket starts.
func (r *reading) socketService(socket *unit) (*unit, error) {
	name := socket.starts()
	file := r.findUnit(path.Dir(socket.file), name)
	if file != "" {
		return r.readUnit(file)
	}
	r.refuse(r.at(socket.file, 0), "", "", "the service %s that it starts is not there", name)
	return nil, nil //nolint:nilnil // it is refused, and that is noted
}

// starts is the name of the service that a socket starts.
func (u *unit) starts() string {
	if l, ok := u.last("Socket", "Service"); ok {
		if name, err := u.specifiers(l.value); err == nil {
			return path.Base(name)
		}
		return path.Base(l.value)
	}
	if l, ok := u.last("Socket", "Accept"); ok && truth(l.value) {
		return u.stem() + "@.service"
	}
	return u.stem() + ".service"
}

// truth reads a boolean of systemd.
func truth(s string) bool {
	return slices.Contains([]string{"1", "yes", "true", "on", "y", "t"}, strings.ToLower(s))
}

// service reads a service, and the sockets that belong to it.
func (r *reading) service(u *unit, sockets []*unit) {
	accept := false
	if len(sockets) > 0 {
		l, ok := sockets[0].last("Socket", "Accept")
		accept = ok && truth(l.value)
	}
	name := strings.ReplaceAll(strings.TrimSuffix(u.stem(), "@"), "@", "-")
	d := r.newDraft(name, r.at(u.file, 0))
	s := &serviceReader{d: d, u: u, request: accept}
	if _, instance := u.instance(); instance != "" {
		u.all("Install", "DefaultInstance") // it says which one this may be
	}
	if !s.start() {
		return
	}
	s.common()
	if accept {
		s.connection()
	} else {
		s.resident()
	}
	if len(sockets) > 0 {
		s.socket(sockets[0])
		s.furtherSockets(sockets[1:])
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

	told map[string]bool // variables of the command, of which a note says where they stand
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
