// Package accounts looks users up in /etc/passwd, and groups in /etc/group. The
// package os/user is not used where start-up counts: what it links in costs time.
package accounts

import (
	"os"
	"strconv"
	"strings"
)

// Where accounts and groups are looked for.
const (
	file      = "/etc/passwd"
	groupFile = "/etc/group"
)

// Account is the user and the group of an account.
type Account struct{ UID, GID uint32 }

// Find looks for an account by its name. Where the file cannot be read, no
// account is known.
func Find(name string) (Account, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Account{}, false
	}
	return find(string(text), name)
}

// find looks for a name in the text of the file. Lines that the C library would
// not read are passed over.
//
// Source: https://man7.org/linux/man-pages/man5/passwd.5.html
func find(text, name string) (Account, bool) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if fields[0] != name || len(fields) < 4 || name == "" || strings.ContainsAny(name[:1], "#+-") {
			continue
		}
		uid, err := strconv.ParseUint(fields[2], 10, 32)
		gid, err2 := strconv.ParseUint(fields[3], 10, 32)
		if err == nil && err2 == nil {
			return Account{uint32(uid), uint32(gid)}, true
		}
	}
	return Account{}, false
}

// FindGroup looks for a group by its name, and returns its number. Where the file
// cannot be read, no group is known.
func FindGroup(name string) (gid uint32, ok bool) {
	text, err := os.ReadFile(groupFile)
	if err != nil {
		return 0, false
	}
	return findGroup(string(text), name)
}

// findGroup looks for a name in the text of the file, as find does.
//
// Source: https://man7.org/linux/man-pages/man5/group.5.html
func findGroup(text, name string) (gid uint32, ok bool) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if fields[0] != name || len(fields) < 3 || name == "" || strings.ContainsAny(name[:1], "#+-") {
			continue
		}
		if n, err := strconv.ParseUint(fields[2], 10, 32); err == nil {
			return uint32(n), true
		}
	}
	return 0, false
}
