package supervisetest

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

func systemdScenarios() []Scenario {
	return []Scenario{
		{"kill both under systemd", nil, 4, underSystemd},
		{"kill the keeper under systemd", nil, 3, func(f *Fault) { killOneUnderSystemd(f, true) }},
		{"kill the supervisor under systemd", nil, 3, func(f *Fault) { killOneUnderSystemd(f, false) }},
	}
}

// manager plays systemd: it holds descriptors, and hands them to the next.
//
// Source: sd_notify(3), sd_pid_notify_with_fds(3).
type manager struct {
	notify, listen string // sockets
	mu             sync.Mutex
	names          []string
	fds            []int
	ready          int
}

func newManager(f *Fault) *manager {
	f.Helper()
	dir := f.TempDir()
	m := &manager{notify: filepath.Join(dir, "notify"), listen: filepath.Join(dir, "listen")}
	notify, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	listen, err2 := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	err = errors.Join(err, err2, unix.Bind(notify, &unix.SockaddrUnix{Name: m.notify}),
		unix.Bind(listen, &unix.SockaddrUnix{Name: m.listen}), unix.Listen(listen, 5))
	if err != nil {
		f.Fatal(err)
	}
	done := make(chan struct{}, 2)
	go func() { m.hear(notify); done <- struct{}{} }()
	go func() { m.serve(listen); done <- struct{}{} }()
	f.Cleanup(func() {
		_ = unix.Shutdown(notify, unix.SHUT_RDWR)
		_ = unix.Shutdown(listen, unix.SHUT_RDWR)
		<-done
		<-done
		unix.Close(notify)
		unix.Close(listen)
		m.forget()
	})
	return m
}

// hear obeys what the keeper says.
func (m *manager) hear(socket int) {
	for {
		var text, rights [4096]byte
		n, rn, _, _, err := unix.Recvmsg(socket, text[:], rights[:], unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		var fds []int
		if control, err := unix.ParseSocketControlMessage(rights[:rn]); err == nil {
			for i := range control {
				if got, err := unix.ParseUnixRights(&control[i]); err == nil {
					fds = append(fds, got...)
				}
			}
		}
		m.obey(string(text[:n]), fds)
	}
}

func (m *manager) obey(text string, fds []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := ""
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "FDNAME="); ok {
			name = value
		}
	}
	switch {
	case strings.HasPrefix(text, "FDSTORE=1\n"):
		for _, fd := range fds {
			m.names, m.fds = append(m.names, name), append(m.fds, fd)
		}
	case strings.HasPrefix(text, "FDSTOREREMOVE=1\n"):
		names, kept := m.names[:0], m.fds[:0]
		for i, fd := range m.fds {
			if m.names[i] == name {
				unix.Close(fd)
				continue
			}
			names, kept = append(names, m.names[i]), append(kept, fd)
		}
		m.names, m.fds = names, kept
	case strings.HasPrefix(text, "READY=1"):
		m.ready++
	}
}

// serve hands all descriptors over to each that asks.
func (m *manager) serve(socket int) {
	for {
		conn, _, err := unix.Accept4(socket, unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		m.mu.Lock()
		for i, fd := range m.fds {
			_ = unix.Sendmsg(conn, []byte(m.names[i]), unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL)
		}
		m.mu.Unlock()
		unix.Close(conn)
	}
}

func (m *manager) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, fd := range m.fds {
		unix.Close(fd)
	}
	m.names, m.fds = nil, nil
}

func (m *manager) readies() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ready
}

// startUnder starts a load under a manager.
func (l *load) startUnder(m *manager) {
	l.f.Helper()
	l.start("env", "NOTIFY_SOCKET="+m.notify, l.f.Programs.Actor, "-listen", m.listen)
	Until(l.f, "it is ready", func() bool { return m.readies() > 0 })
}

// underSystemd kills both and lets services end before they are started again.
func underSystemd(f *Fault) {
	m := newManager(f)
	l := newLoad(f, 2, 10_000)
	l.add("seven", "-rate 1000", Service{"restart": "policy never\n"})
	l.startUnder(m)
	for round := range f.Rounds {
		var seven int
		Until(f, "it runs", func() bool {
			seven = Details(l.dir("seven")).PID
			return seven != 0 && len(l.instances("seven")) == round+1
		})
		l.flowing()
		l.killAll()
		signalTo(seven, "USR1")
		Until(f, "it has ended", func() bool { return !Alive(seven) })
		f.Count.Kills++
		l.again()
		l.worker(0)
		l.flowingOnly(l.names[:2])
		Until(f, "its end is seen", func() bool { return Details(l.dir("seven")).State == "failed" })
		if d := Details(l.dir("seven")); d.Last.Code != 7 {
			f.Count.Unknown++
			f.Errorf("it has ended with %+v, want 7", d.Last)
		}
		if round+1 < f.Rounds {
			Command(f, l.dir("seven"), "u")
			l.starts["seven"]++
		}
	}
	l.stop()
}

// killOneUnderSystemd kills one of the processes. Of a unit whose first process
// was killed systemd starts it anew; the second must not be in its way.
func killOneUnderSystemd(f *Fault, keeper bool) {
	m := newManager(f)
	l := newLoad(f, 3, 10_000)
	l.startUnder(m)
	for range f.Rounds {
		l.flowing()
		f.Count.Kills++
		if !keeper {
			l.killWorker()
			continue
		}
		signalTo(l.keeper, "KILL")
		_ = l.sup.Wait(f)
		l.again()
		l.worker(0)
	}
	l.flowing()
	Until(f, "the former ones are gone", func() bool { return len(l.supervising()) == 2 })
	l.stop()
}
