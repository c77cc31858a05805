package install

import (
	"path"
	"slices"
	"strings"
	"syscall"
)

// homebrew finds out whether the user who runs this owns Homebrew here. Such a prefix
// belongs to a user by design: what is installed there is that user's, and so is the
// receipt, which is in the prefix as well.
//
// Source: https://docs.brew.sh/FAQ (why root must not own it), Installation.
func (m *Machine) homebrew() {
	if m.uid == 0 || !m.Real() {
		return
	}
	family, err := m.Recognise()
	if err != nil || !slices.Contains([]string{"homebrew", "homebrew-intel"}, family) {
		return
	}
	at := prefix(family)
	for _, name := range []string{"etc", "var"} {
		info, err := m.root.Stat(strings.TrimPrefix(path.Join(at, name), "/"))
		if err != nil {
			return
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(st.Uid) != m.uid {
			return
		}
	}
	m.brew, m.state = at, path.Join(at, "var/scgikit")
}

// Homebrew returns the prefix of Homebrew that belongs to the user who runs this,
// or "".
func (m *Machine) Homebrew() string { return m.brew }

// StateDir returns the folder of receipts.
func (m *Machine) StateDir() string { return m.state }

// Outside returns the targets of items, sorted, that have something outside of a folder.
func Outside(items []Item, dir string) []string {
	var out []string
	for i := range items {
		if it := &items[i]; !strings.HasPrefix(it.Path, dir+"/") {
			out = append(out, it.Target)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// inHomebrew reports whether a path is in a place where Homebrew is.
func (m *Machine) inHomebrew(p string) bool {
	for at, there := range map[string]string{"/opt/homebrew": "opt/homebrew/etc", "/usr/local/etc": "usr/local/Homebrew", "/usr/local/var": "usr/local/Homebrew"} {
		if p == at || strings.HasPrefix(p, at+"/") {
			_, err := m.root.Lstat(there)
			return err == nil
		}
	}
	return false
}
