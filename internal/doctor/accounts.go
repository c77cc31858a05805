package doctor

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// serverUsers are the accounts that web servers and apps run as, family by family.
func serverUsers() []string {
	return []string{"_www", "apache", "caddy", "haproxy", "http", "httpd", "lighttpd", "nginx", "nobody", "www", "www-data"}
}

// noShells are what accounts have that nobody logs in with.
func noShells() []string { return []string{"nologin", "false", "sync", "halt", "shutdown"} }

// accounts reads the users of the machine. Neither their names in full nor anything
// of passwords is kept.
func (m *Machine) accounts(t *tree) {
	groups := make(map[int]string)
	for line := range strings.Lines(t.read("/etc/group")) {
		if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) >= 3 {
			if gid, err := strconv.Atoi(f[2]); err == nil {
				if _, ok := groups[gid]; !ok {
					groups[gid] = f[0]
				}
			}
		}
	}
	for line := range strings.Lines(t.read("/etc/passwd")) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) < 7 {
			continue
		}
		uid, uidErr := strconv.Atoi(f[2])
		gid, gidErr := strconv.Atoi(f[3])
		if uidErr != nil || gidErr != nil {
			continue
		}
		m.Accounts = append(m.Accounts, Account{f[0], uid, groups[gid], gid})
		if uid >= 500 && uid != 65534 && !slices.Contains(noShells(), path.Base(f[6])) {
			m.People++
		}
	}
}

// Servers returns the accounts that web servers run as, and those that are named,
// sorted by name.
func (m *Machine) Servers(named []string) []Account {
	var out []Account
	for _, a := range m.Accounts {
		if slices.Contains(serverUsers(), a.Name) || slices.Contains(named, a.Name) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (m *Machine) userName(uid int) string {
	for _, a := range m.Accounts {
		if a.UID == uid {
			return a.Name
		}
	}
	return strconv.Itoa(uid)
}
