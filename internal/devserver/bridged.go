package devserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"scgikit/internal/appfile"
)

// newBridged makes the backend of scripts and of callables, which scgi-run answers
// for: it keeps running, at a socket that is handed to it, or is started for each
// request.
func (s *Server) newBridged(desc *appfile.App, log *appLog) (backend, error) {
	c := &s.config
	if c.ScgiRun == "" {
		return nil, &Problem{
			Message: desc.Name + " needs the program scgi-run, which is neither next to scgikit nor in PATH",
			Hint:    "install scgi-run next to scgikit, or say where it is: --scgi-run PATH",
		}
	}
	env, err := newEnvironment(&desc.Run, c.Environ)
	if err != nil {
		return nil, err
	}
	words, keeps, err := c.Bridge(applicable(desc), env.named)
	if err != nil {
		return nil, err
	}
	p := &program{
		argv: append([]string{c.ScgiRun}, words...),
		dir:  "/", // the bridge goes to the script's own folder
		env:  env.list, umask: int(desc.Run.Umask), log: log,
		apart: true,
	}
	if desc.Type == appfile.TypeWSGI {
		p.dir = desc.Run.Directory
	}
	if !keeps {
		return newOneshot(desc, p, s.spawner), nil
	}
	p.obedient = true
	// Not the app's name: a socket's path has room for little, and the program before
	// this one may still use its own.
	path := filepath.Join(c.Folder, strconv.FormatInt(s.sockets.Add(1), 10))
	i := newInstance(desc, appfile.Addr{Unix: path}, p, s.spawner)
	i.handed = true
	return &resident{instances: []*instance{i}}, nil
}

// cutTime is the run.stop_timeout that scgi-run is told: dev asks it to end when
// nobody waits for an answer any more.
const cutTime = time.Second

// applicable returns a description without what the person at the keyboard may
// not do, or would do to everything else of theirs: their processes are counted
// together, and a higher priority is root's to give. Notes names both, and uWSGI,
// in whose place scgi-run answers.
func applicable(desc *appfile.App) *appfile.App {
	app := *desc
	app.Run.Limits.NProc = nil
	app.Run.Nice = max(app.Run.Nice, 0)
	app.Run.StopTimeout = cutTime
	if app.WSGI.Server == appfile.WSGIUWSGI {
		app.WSGI.Server, app.Protocol = appfile.WSGIBuiltin, appfile.SCGI
	}
	return &app
}

// waitingAtSocket is how many requests may wait at a socket until the program takes
// them, as far as the system lets them.
const waitingAtSocket = 4096

// listenAt makes a socket with that path, in a folder of ours, and listens.
func listenAt(path string) (*os.File, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), path)
	if err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err == nil {
		err = syscall.Listen(fd, waitingAtSocket)
	}
	if err != nil {
		file.Close() //nolint:errcheck // nobody has it yet
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	return file, nil
}
