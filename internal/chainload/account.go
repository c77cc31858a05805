package chainload

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"scgikit/internal/accounts"
)

// lookUp takes "account child…" apart. Where groups are wanted, the account may
// have some behind colons: more are those after the first, which becomes its own.
func lookUp(program string, args []string, groups bool) (a accounts.Account, more []uint32, child []string, err error) {
	if len(args) < 2 {
		return accounts.Account{}, nil, nil, usage(program + ": usage: " + program + " account child")
	}
	unknown := fatal(program, "unknown account "+args[0], nil)
	name, list, found := strings.Cut(args[0], ":")
	if found && !groups {
		return accounts.Account{}, nil, nil, unknown // no account has a colon in its name
	}
	a, ok := accounts.Find(name)
	if !ok {
		return accounts.Account{}, nil, nil, unknown
	}
	for i, group := range strings.Split(list, ":") {
		if group == "" && i == 0 {
			continue // its own
		}
		gid, ok := accounts.FindGroup(group)
		if !ok {
			return accounts.Account{}, nil, nil, unknown
		}
		if i == 0 {
			a.GID = gid
		} else {
			more = append(more, gid)
		}
	}
	return a, more, args[1:], nil
}

// SetUIDGID runs "account child…": child with the user and the group of the
// account in /etc/passwd, and with no other group. "account:group:more:…" is
// the account with another group of /etc/group, unless that is empty, and more
// besides; the original takes that for an account that it does not know.
//
// Source: https://cr.yp.to/daemontools/setuidgid.html; prot.c of daemontools
// 0.76 for the order.
func SetUIDGID(args []string) error {
	const program = "setuidgid"
	a, more, child, err := lookUp(program, args, true)
	if err != nil {
		return err
	}
	groups := []int{int(a.GID)} // the first one is the effective one to the BSDs
	for _, gid := range more {
		groups = append(groups, int(gid))
	}
	// Go changes all threads, of which any may call execve.
	if err := syscall.Setgroups(groups); err != nil {
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
	a, _, child, err := lookUp(program, args, false)
	if err != nil {
		return err
	}
	env := edit(os.Environ(), []variable{
		{name: "GID", value: strconv.FormatUint(uint64(a.GID), 10), set: true},
		{name: "UID", value: strconv.FormatUint(uint64(a.UID), 10), set: true},
	})
	return newRequest(child, env).become(program)
}
