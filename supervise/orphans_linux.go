package supervise

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// orphanRounds bounds how often orphans are looked for: each round may bring those
// of the round before.
const orphanRounds = 200

// endChildren kills what has become a child of this process because nobody else
// has it: services have left it behind, without the marker by which it would have
// been found before.
func endChildren() {
	for range orphanRounds {
		list := children()
		for _, pid := range list {
			_ = unix.Kill(pid, unix.SIGKILL) // a child that was not waited for keeps its number
		}
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if errors.Is(err, unix.ECHILD) {
				return
			}
			if pid <= 0 {
				break
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// children returns the children of this process.
//
// Source: proc_pid_task_tid_children(5).
func children() []int {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	var list []int
	for _, thread := range threads {
		data, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/children")
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(word); err == nil {
				list = append(list, pid)
			}
		}
	}
	return list
}
