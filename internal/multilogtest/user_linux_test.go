package multilogtest

import (
	"syscall"
	"testing"

	"scgikit/internal/need"
)

// TestOtherUser plays what can go wrong for a logger that is not root.
func TestOtherUser(t *testing.T) {
	need.Root(t)
	open := Tree{"a": dir(0o777), "a/lock": text(0o666, "")}
	for _, c := range []struct {
		name, script, want string
		tree               Tree
	}{
		{"a folder that cannot be made", "./a", "unable to open directory ./a: file does not exist", Tree{}},
		{"a folder that cannot be read", "./a", "unable to open directory ./a: access denied", Tree{"a": dir(0o700)}},
		{"a lock that cannot be made", "./a", "unable to lock directory ./a: access denied", Tree{"a": dir(0o755)}},
		{"a lock that cannot be written to", "./a", "unable to lock directory ./a: access denied", Tree{"a": dir(0o777), "a/lock": text(0o600, "")}},
		{"a status file that cannot be made", "=st ./a", "unable to create st: access denied", Tree{}},
		{"a status file that cannot be written to", "=st ./a", "unable to create st: access denied", Tree{"st": text(0o644, "")}},
		{
			"a current that cannot be written to", "./a", "unable to append to ./a/current: access denied",
			open.clone().add("a/current", text(0o744, "x\n")),
		},
		{
			"a current that is somebody else's", "./a", "unable to set mode of ./a/current: permission denied",
			open.clone().add("a/current", text(0o766, "x\n")),
		},
	} {
		for _, p := range programs(t) {
			t.Run(c.name+": "+p.name, func(t *testing.T) {
				p.User = &syscall.Credential{Uid: 65534, Gid: 65534}
				got := drive(t, p.Program, simple("", c.script, "left\n").with(c.tree))
				message := "multilog: fatal: " + c.want + "\n"
				var want transcript
				want.ended(exited(111), message)
				want.left("left\n")
				want.shown(c.tree, c.tree)
				if got != want.String() {
					t.Errorf("got\n%s\nwant\n%s", got, want.String())
				}
			})
		}
	}
}

// add returns the tree with one file more.
func (t Tree) add(name string, file *File) Tree {
	t[name] = file
	return t
}
