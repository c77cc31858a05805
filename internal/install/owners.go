package install

import (
	"fmt"
	"os/user"
	"strconv"
)

// Owners finds the numbers of users and groups.
type Owners struct {
	Apply bool // false records names alone: below --root, and for an ordinary user
}

// OwnerError says that this machine lacks a user or a group.
type OwnerError struct{ Kind, Name string }

// Error names it.
func (e *OwnerError) Error() string {
	return fmt.Sprintf("there is no %s %q on this machine", e.Kind, e.Name)
}

// ids returns -1 for both where owners are not applied.
func (o Owners) ids(name, group string) (uid, gid int, err error) {
	if !o.Apply {
		return -1, -1, nil
	}
	if uid, err = number(name, func() (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	}); err != nil {
		return 0, 0, &OwnerError{"user", name}
	}
	gid, err = number(group, func() (string, error) {
		g, err := user.LookupGroup(group)
		if err != nil {
			return primaryGroup(name, group, err)
		}
		return g.Gid, nil
	})
	if err != nil {
		return 0, 0, &OwnerError{"group", group}
	}
	return uid, gid, nil
}

// primaryGroup takes the group of an account where a set names a group only by
// its user's name, which need not be the name of one.
func primaryGroup(name, group string, err error) (string, error) {
	if name != group {
		return "", err
	}
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Gid, nil
}

func number(name string, lookup func() (string, error)) (int, error) {
	if name == "root" {
		return 0, nil
	}
	text := name
	if _, err := strconv.ParseUint(name, 10, 31); err != nil {
		if text, err = lookup(); err != nil {
			return 0, err
		}
	}
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}
