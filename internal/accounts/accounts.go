// Package accounts looks users up in /etc/passwd. The package os/user is not used
// where start-up counts: what it links in costs time.
package accounts

import (
	"os"
	"strconv"
	"strings"
)

// file is where accounts are looked for.
const file = "/etc/passwd"

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
