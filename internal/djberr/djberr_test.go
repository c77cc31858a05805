package djberr

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "no error"},
		{syscall.Errno(0), "no error"},
		{syscall.ENOENT, "file does not exist"},
		{syscall.EAGAIN, "temporary failure"},
		{syscall.EACCES, "access denied"},
		{syscall.EPERM, "permission denied"},
		{syscall.ENOSPC, "out of disk space"},
		{syscall.EMFILE, "process cannot open more files"},
		{syscall.EIDRM, "identifier removed"},
		{syscall.EOVERFLOW, "unknown error"},
		{syscall.Errno(9999), "unknown error"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOTDIR}, "not a directory"},
		{fmt.Errorf("write: %w", syscall.EDQUOT), "disk quota exceeded"},
		{errors.New("no errno here"), "no errno here"},
	} {
		if got := Text(c.err); got != c.want {
			t.Errorf("Text(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestTextsAreTold(t *testing.T) {
	seen := map[string]bool{}
	for _, texts := range [][]errnoText{errnoTexts[:], systemTexts[:]} {
		for _, e := range texts {
			if e.text == "" || seen[e.text] {
				t.Errorf("errno %d: %q is empty or there twice", e.errno, e.text)
			}
			seen[e.text] = true
		}
	}
}
