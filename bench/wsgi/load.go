//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/bench/measure"
)

// process is a server at work.
type process struct {
	server
	cmd     *exec.Cmd // nil if there is a process for each request
	request []byte
}

// start starts a server and waits until it answers.
func start(s server) (*process, error) {
	p := &process{server: s, request: request()}
	if s.path == "" {
		return p, nil
	}
	p.cmd = exec.Command(s.argv[0], s.argv[1:]...)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = p.ask(make([]byte, 1<<16)); err == nil {
			return p, nil
		}
	}
	p.stop()
	return nil, err
}

func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait() // how it ends is not measured
}

// request is what nginx sends for a page that a browser asks for.
func request() []byte {
	var block bytes.Buffer
	for _, pair := range [][2]string{
		{"CONTENT_LENGTH", "0"},
		{"REQUEST_METHOD", "GET"},
		{"REQUEST_URI", "/app/"},
		{"QUERY_STRING", ""},
		{"CONTENT_TYPE", ""},
		{"DOCUMENT_URI", "/app/"},
		{"DOCUMENT_ROOT", "/usr/share/nginx/html"},
		{"SCGI", "1"},
		{"SERVER_PROTOCOL", "HTTP/1.1"},
		{"REQUEST_SCHEME", "http"},
		{"REMOTE_ADDR", "127.0.0.1"},
		{"REMOTE_PORT", "51234"},
		{"SERVER_PORT", "80"},
		{"SERVER_NAME", "localhost"},
		{"SCRIPT_NAME", "/app"},
		{"PATH_INFO", "/"},
		{"HTTP_HOST", "localhost"},
		{"HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
		{"HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		{"HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5"},
		{"HTTP_ACCEPT_ENCODING", "gzip, deflate"},
		{"HTTP_CONNECTION", "close"},
	} {
		block.WriteString(pair[0] + "\x00" + pair[1] + "\x00")
	}
	return fmt.Appendf(nil, "%d:%s,", block.Len(), block.Bytes())
}

// load sends requests from several clients, and returns what one of them cost; for
// one alone it sends but one, to warm what is on the disk.
func (p *process) load(clients, requests int, alone bool) (measure.Sample, error) {
	if alone {
		clients, requests = 1, 1
	}
	before, err := p.cpu()
	if err != nil {
		return measure.Sample{}, err
	}
	var left atomic.Int64
	left.Store(int64(requests))
	failures := make(chan error, clients)
	var group sync.WaitGroup
	begun := time.Now()
	for range clients {
		group.Go(func() {
			buffer := make([]byte, 1<<16)
			for left.Add(-1) >= 0 {
				if err := p.ask(buffer); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	wall := time.Since(begun)
	select {
	case err := <-failures:
		return measure.Sample{}, err
	default:
	}
	after, err := p.cpu()
	return measure.Sample{Wall: wall, CPU: after - before}.Div(requests), err
}

// ask sends one request and looks at the answer.
func (p *process) ask(buffer []byte) error {
	var fd int
	if p.path == "" {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		far := os.NewFile(uintptr(fds[1]), "connection")
		cmd := exec.Command(p.argv[0], p.argv[1:]...)
		cmd.Stdin = far
		err = cmd.Start()
		_ = far.Close()
		if err != nil {
			return err
		}
		defer cmd.Wait() //nolint:errcheck // the answer says it
		fd = fds[0]
	} else {
		var err error
		if fd, err = connect(p.path); err != nil {
			return err
		}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, p.request); err != nil {
		return err
	}
	have := 0
	for {
		n, err := unix.Read(fd, buffer[have:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		have += n
	}
	// uwsgi answers with a line of HTTP, which nginx takes as well.
	if line, _, _ := bytes.Cut(buffer[:have], []byte("\r\n")); !bytes.HasSuffix(line, []byte(" 200 OK")) {
		return fmt.Errorf("answer %.300q", buffer[:have])
	}
	return nil
}

func connect(path string) (int, error) {
	for {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if err == nil {
			return fd, nil
		}
		unix.Close(fd)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return -1, err
		}
		time.Sleep(time.Millisecond) // its queue is full
	}
}

// cpu returns the processor time of the server so far, with all that it has started
// and waited for. Of processes for each request it is that of our own children.
func (p *process) cpu() (time.Duration, error) {
	if p.cmd != nil {
		return processTime(p.cmd.Process.Pid)
	}
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// processTime reads the times of a process, its children that have ended, and those
// that run.
//
// Source: proc_pid_stat(5), fields 14 to 17, in ticks of a 100th of a second.
func processTime(pid int) (time.Duration, error) {
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(folder, "stat"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil // its parent has its times
	}
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	var sum time.Duration
	for _, field := range fields[11:15] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ticks) * 10 * time.Millisecond
	}
	children, err := os.ReadFile(filepath.Join(folder, "task", strconv.Itoa(pid), "children"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	for word := range strings.FieldsSeq(string(children)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			return 0, err
		}
		more, err := processTime(child)
		if err != nil {
			return 0, err
		}
		sum += more
	}
	return sum, nil
}
