package verify

import (
	"strings"
	"testing"

	"scgikit/internal/fileset"
)

const goodOpenRC = `#!/sbin/openrc-run
supervisor=supervise-daemon
command='"$start"'
pidfile=/run/blog.pid
: "${respawn_delay:=1}"
: "${respawn_max:=0}"
: "${retry:=SIGTERM/10/SIGKILL/5}"

depend() {
	need localmount
}
`

const goodRC = `#!/bin/sh
# PROVIDE: my_blog
# KEYWORD: shutdown
. /etc/rc.subr
name=my_blog
rcvar=my_blog_enable
load_rc_config "$name"
: "${my_blog_enable:=NO}"
my_blog_end() {
	kill -KILL "-$child"
	echo "$name: ${1-} ${1:-x} $$ $? ${x%/*}"
}
run_rc_command "$1"
`

const goodLSB = `#!/bin/sh
### BEGIN INIT INFO
# Provides:          blog
# Required-Start:    $local_fs
# Required-Stop:     $local_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: it's a "blog": ours
### END INIT INFO
`

// TestInits: what sh -n takes, and the init would not, or not as it was meant.
func TestInits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, place, text, from, to string
		line                        int // of the complaint; -1 for none at all
	}{
		{"x/init.d/blog", "init.d", goodOpenRC, "", "", -1},
		{"x/init.d/blog", "init.d", goodOpenRC, "supervisor=supervise-daemon\n", "", 0},
		{"x/init.d/blog", "init.d", goodOpenRC, ": \"${respawn_max:=0}\"\n", "", 0},
		{"x/init.d/blog", "init.d", goodOpenRC, "respawn_delay:=1", "respawn_delay:=0", 5},
		{"x/init.d/blog", "init.d", goodOpenRC, "respawn_delay:=1", "respawn_delay:=1.5", 5},
		{"x/init.d/blog", "init.d", goodOpenRC, "SIGTERM/10/", "SIGTERM/", 7},
		{"x/init.d/blog", "init.d", goodOpenRC, "depend()", "depends()", 0},
		{"x/rc.d/my_blog", "rc.d", goodRC, "", "", -1},
		{"x/rc.d/my_blog", "rc.d", goodRC, "name=my_blog", "name=my-blog", 5},
		{"x/rc.d/other", "rc.d", goodRC, "", "", 5},
		{"x/rc.d/my_blog", "rc.d", goodRC, "rcvar=my_blog", "rcvar=blog", 6},
		{"x/rc.d/my_blog", "rc.d", goodRC, "${my_blog_enable", "${my-blog_enable", 8},
		{"x/rc.d/my_blog", "rc.d", goodRC, "# PROVIDE: my_blog", "# PROVIDE: blog", 0},
		{"x/rc.d/my_blog", "rc.d", goodRC, "# KEYWORD: shutdown\n", "", 0},
		{"x/rc.d/my_blog", "rc.d", goodRC, "run_rc_command", "# run_rc_command", 0},
		{"x/init.d/blog", "init.d", goodLSB, "", "", -1},
		{"x/init.d/other", "init.d", goodLSB, "", "", 2},
		{"x/init.d/blog", "init.d", goodLSB, "### END", "### EEND", 0},
		{"x/init.d/blog", "init.d", goodLSB, "2 3 4 5", "2 3 4 6", 2},
		{"x/init.d/blog", "init.d", goodLSB, "# Default-Start", "Default-Start", 6},
	} {
		f := fileset.File{Path: c.path, Mode: 0o755, Target: "x", Place: c.place, Data: []byte(strings.Replace(c.text, c.from, c.to, 1))}
		r := only(t, setOf(t, f), new(Options), "service scripts")
		if (r.Outcome == Rejected) != (c.line >= 0) {
			t.Errorf("%q for %q: %+v", c.to, c.from, r)
			continue
		}
		if c.line >= 0 && (r.Complaints[0].Path != c.path || r.Complaints[0].Line != c.line) {
			t.Errorf("%q for %q: %+v, want line %d", c.to, c.from, r.Complaints, c.line)
		}
	}
	f := fileset.File{Path: "x/init.d/blog", Mode: 0o644, Target: "x", Place: "init.d", Data: []byte(goodLSB)}
	if r := only(t, setOf(t, f), new(Options), "service scripts"); r.Outcome != Rejected {
		t.Errorf("no program: %+v", r)
	}
	broken := fileset.File{Path: "x/init.d/blog", Mode: 0o755, Target: "x", Place: "init.d", Data: []byte(goodOpenRC + "if\n")}
	if r := only(t, setOf(t, broken), new(Options), "sh -n"); r.Outcome != Rejected {
		t.Errorf("a script of openrc-run that is no shell: %+v", r)
	}
}
