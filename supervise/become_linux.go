package supervise

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// upgrade becomes the program that is now in the place of this one, with all
// descriptors and children, and has the supervisor do the same by ending it: to
// lose it loses nothing.
func (k *keeper) upgrade() {
	if err := checkProgram(k.cfg.Program); err != nil && !errors.Is(err, unix.ENOENT) {
		k.cfg.say(k.cfg.path() + " is not to be become: " + err.Error())
		return
	}
	k.cfg.say("becoming the program that is at " + k.cfg.path() + " now")
	if k.pid != 0 {
		_ = syscall.Kill(k.pid, syscall.SIGKILL)
		var status unix.WaitStatus
		for {
			if _, err := unix.Wait4(k.pid, &status, 0, nil); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		k.listen()
		k.supervisorEnded(status)
	}
	err := becomeKeeper(k.cfg, k.held)
	k.cfg.say("unable to become it, going on as before: " + err.Error())
}

// becomeKeeper replaces this process by a keeper that holds what it is given. It
// returns only if that fails; then nothing has changed.
func becomeKeeper(cfg Config, held []heldFD) error {
	fd, err := unix.MemfdCreate("scgikit-held", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var list strings.Builder
	for _, h := range held {
		fmt.Fprintf(&list, "%c %d %d %d %d %d %t\n", h.kind, h.dev, h.ino, h.fd, h.pid, h.status, h.ended)
	}
	if err := writeAll(fd, list.String()); err != nil {
		return err
	}
	keepOpen := func(on bool) {
		flags := unix.FD_CLOEXEC
		if on {
			flags = 0
		}
		for _, h := range held {
			_, _ = unix.FcntlInt(uintptr(h.fd), unix.F_SETFD, flags) //nolint:gosec // descriptors are not negative
		}
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags)
	}
	keepOpen(true)
	defer keepOpen(false)
	argv := append(slices.Clone(cfg.Program), "--held="+strconv.Itoa(fd))
	if cfg.stopping {
		argv = append(argv, "--stopping")
	}
	argv = append(argv, cfg.Args...)
	if err = checkProgram(cfg.Program); err == nil {
		err = syscall.Exec(cfg.path(), argv, os.Environ())
	}
	// The file may be gone; what runs now is still to be had.
	if other := syscall.Exec(ownProgram, argv, os.Environ()); other != nil {
		err = errors.Join(err, other)
	}
	return err
}

func writeAll(fd int, text string) error {
	for len(text) > 0 {
		n, err := unix.Write(fd, []byte(text))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		text = text[max(n, 0):]
	}
	return nil
}

// readHeld reads the list that becomeKeeper wrote.
func readHeld(fd int) ([]heldFD, error) {
	data, err := os.ReadFile("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return nil, err
	}
	unix.Close(fd)
	var held []heldFD
	for line := range strings.Lines(string(data)) {
		var h heldFD
		var k rune
		if _, err := fmt.Sscanf(line, "%c %d %d %d %d %d %t", &k, &h.dev, &h.ino, &h.fd, &h.pid, &h.status, &h.ended); err != nil {
			return nil, fmt.Errorf("the list of descriptors: %q: %w", line, err)
		}
		h.kind = kind(k) //nolint:gosec // a letter
		unix.CloseOnExec(int(h.fd))
		held = append(held, h)
	}
	return held, nil
}
