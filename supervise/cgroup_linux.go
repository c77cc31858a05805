package supervise

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroup is the control group that services get groups of their own in, where
// one was delegated to us: what a service has started is in its group, wherever
// it has gone. Its methods do nothing on nil.
//
// Source: linux/Documentation/admin-guide/cgroup-v2.rst;
// https://systemd.io/CGROUP_DELEGATION
type cgroup struct {
	path string
}

// openCgroup returns the group with a path; "" is our own if it was delegated,
// "off" is none.
func openCgroup(path string) *cgroup {
	if path == "off" {
		return nil
	}
	if path != "" {
		return &cgroup{path}
	}
	own := ownCgroup()
	if own == "" || !delegated(own) {
		return nil
	}
	return &cgroup{own}
}

// ownCgroup returns the folder of our group in the second version's hierarchy.
func ownCgroup() string {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	var name string
	for line := range strings.Lines(string(groups)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			name = rest
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if name == "" || err != nil {
		return ""
	}
	for line := range bytes.Lines(mounts) {
		if before, after, ok := strings.Cut(string(line), " - "); ok && strings.HasPrefix(after, "cgroup2 ") {
			if fields := strings.Fields(before); len(fields) > 4 {
				return strings.TrimSuffix(fields[4]+name, "/")
			}
		}
	}
	return ""
}

// delegated returns whether systemd says that a group is ours to divide.
func delegated(path string) bool {
	var value [8]byte
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		if n, err := unix.Getxattr(path, name, value[:]); err == nil && n > 0 && value[0] == '1' {
			return true
		}
	}
	return false
}

// of returns the folder of a service's group: of the folder that it has, or had.
func (c *cgroup) of(s *service, id inode) string {
	return c.path + "/service-" + strings.ReplaceAll(s.name, "/", ".") + groupOf(id)
}

// groupOf is how the name of the group ends, also where the service had another
// name when it was made.
func groupOf(id inode) string {
	return "-" + strconv.FormatUint(id.dev, 10) + "-" + strconv.FormatUint(id.ino, 10)
}

// make makes the group of a service, for a process that is to start in it. It
// returns "" where there is none.
func (c *cgroup) make(s *service) string {
	if c == nil {
		return ""
	}
	path := c.of(s, s.id)
	if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
		s.say("unable to make its control group: " + err.Error())
		return ""
	}
	return path
}

// kill ends all that is in the group of a service, and in those that it had by
// other names or in folders before. It returns false where there is none, or the
// kernel cannot.
func (c *cgroup) kill(s *service) bool {
	if c == nil {
		return false
	}
	names, err := listFolder(unix.AT_FDCWD, c.path)
	if err != nil {
		return false
	}
	killed := false
	for _, name := range names {
		if !strings.HasPrefix(name, "service-") || !s.hadGroup(name) {
			continue
		}
		path := c.path + "/" + name
		if err := os.WriteFile(path+"/cgroup.kill", []byte("1"), 0o600); err != nil {
			return false
		}
		killed = true
		_ = os.Remove(path) // it stays while what was killed has not been waited for
	}
	return killed
}

// hadGroup returns whether a name of a group is that of one of the service's.
func (s *service) hadGroup(name string) bool {
	if strings.HasSuffix(name, groupOf(s.id)) {
		return true
	}
	for _, id := range s.former {
		if id != (inode{}) && strings.HasSuffix(name, groupOf(id)) {
			return true
		}
	}
	return false
}
