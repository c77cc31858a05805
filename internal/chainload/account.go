package chainload

import (
	"os"
	"strconv"
	"syscall"

	"scgikit/internal/accounts"
)

// lookUp takes "account child…" apart.
func lookUp(program string, args []string) (a accounts.Account, child []string, err error) {
	if len(args) < 2 {
		return accounts.Account{}, nil, usage(program + ": usage: " + program + " account child")
	}
	a, ok := accounts.Find(args[0])
	if !ok {
		return accounts.Account{}, nil, fatal(program, "unknown account "+args[0], nil)
	}
	return a, args[1:], nil
}

// SetUIDGID runs "account child…": child with the user and the group of the
// account in /etc/passwd, and with no other group.
//
// Source: https://cr.yp.to/daemontools/setuidgid.html; prot.c of daemontools
// 0.76 for the order.
func SetUIDGID(args []string) error {
	const program = "setuidgid"
	a, child, err := lookUp(program, args)
	if err != nil {
		return err
	}
	// Go changes all threads, of which any may call execve.
	if err := syscall.Setgroups([]int{int(a.GID)}); err != nil {
		return fatal(program, "unable to setgid: ", err)
	}
	if err := syscall.Setgid(int(a.GID)); err != nil {
		return fatal(program, "unable to setgid: ", err)
	}
	if err := syscall.Setuid(int(a.UID)); err != nil {
		return fatal(program, "unable to setuid: ", err)
	}
	return newRequest(child, os.Environ()).become(program)
}

// EnvUIDGID runs "account child…": child with the numbers of the account in the
// variables UID and GID.
//
// Source: https://cr.yp.to/daemontools/envuidgid.html
func EnvUIDGID(args []string) error {
	const program = "envuidgid"
	a, child, err := lookUp(program, args)
	if err != nil {
		return err
	}
	env := edit(os.Environ(), []variable{
		{name: "GID", value: strconv.FormatUint(uint64(a.GID), 10), set: true},
		{name: "UID", value: strconv.FormatUint(uint64(a.UID), 10), set: true},
	})
	return newRequest(child, env).become(program)
}
