package fileset

import (
	"bytes"
	"fmt"
)

// Txtar returns the set as a txtar archive, for golden files and --stdout.
// A header line holds mode, owner and path, and for what is no regular file
// its kind:
//
//	-- 0755 root:root daemontools/blog/run --
//	-- 0755 blog:blog daemontools/blog/log/main/ --
//	-- link root:root a -> b --
//
// A file without a final newline gets the mark "(no newline)" before its
// path, and one line end that is not its own.
func (s *Set) Txtar() []byte {
	var b bytes.Buffer
	for _, f := range s.Files() {
		user, group := f.User, f.Group
		if user == "" {
			user = "root"
		}
		if group == "" {
			group = user
		}
		switch f.Kind {
		case Dir:
			fmt.Fprintf(&b, "-- %04o %s:%s %s/ --\n", f.Mode.Perm(), user, group, f.Path)
		case Symlink:
			fmt.Fprintf(&b, "-- link %s:%s %s -> %s --\n", user, group, f.Path, f.Link)
		case Regular:
			cut := len(f.Data) > 0 && f.Data[len(f.Data)-1] != '\n'
			mark := ""
			if cut {
				mark = "(no newline) "
			}
			fmt.Fprintf(&b, "-- %04o %s:%s %s%s --\n", f.Mode.Perm(), user, group, mark, f.Path)
			b.Write(f.Data)
			if cut {
				b.WriteByte('\n')
			}
		}
	}
	return b.Bytes()
}
