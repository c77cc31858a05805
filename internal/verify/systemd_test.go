package verify

import (
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
)

func unit(name, text string) fileset.File {
	return conf("systemd/"+name, "systemd", unitPlace, text, "blog")
}

// TestSystemd: systemd-analyze verify ends with 0 for most of these mistakes,
// and ignores the line.
func TestSystemd(t *testing.T) {
	t.Parallel()
	need.Program(t, "systemd-analyze")
	const service = "[Service]\nExecStart=\"/nowhere/blog\" \"a b\"\nUser=www-data\n"
	good := []fileset.File{
		unit("blog@.service", service+"StandardInput=socket\n"),
		unit("blog.socket", "[Socket]\nListenStream=/run/blog/socket\nAccept=yes\n"),
		unit("wiki.service", service), unit("wiki.target", "[Unit]\nWants=wiki.service\n"),
		unit("nobodys.service", "[Service]\nExecStart=/nowhere/blog\nUser=nobody\n"), unit("nobodys.socket", "[Socket]\nListenStream=/run/nobodys\nSocketUser=nobody\n"),
	}
	if r := only(t, setOf(t, good...), new(Options), "systemd-analyze verify"); r.Outcome != Accepted || r.Files != 6 || r.Program == "" {
		t.Errorf("good: %+v", r)
	}
	for name, bad := range map[string]fileset.File{
		"unknown setting":   unit("x.service", service+"Usr=www\n"),
		"unknown value":     unit("x.service", service+"Restart=sometimes\n"),
		"bad name":          unit("x.service", service+"Group=a/b\n"),
		"quoted path":       unit("x.service", service+"WorkingDirectory=\"/srv\"\n"),
		"bad environment":   unit("x.service", service+"Environment=\"1A=x\"\n"),
		"open quote":        unit("x.service", service+"Environment=\"A=x\n"),
		"no program":        unit("x.service", "[Service]\nUser=www-data\n"),
		"relative program":  unit("x.service", "[Service]\nExecStart=./x\n"),
		"socket of nothing": unit("x.socket", "[Socket]\nListenStream=/run/x\n"),
		"bad address":       unit("x.socket", "[Socket]\nListenStream=localhost:80\n"),
		"setting elsewhere": unit("x@.service", "[Unit]\nUser=www-data\n"+service),
	} {
		r := only(t, setOf(t, append([]fileset.File{bad}, good...)...), new(Options), "systemd-analyze verify")
		if r.Outcome != Rejected || len(r.Complaints) == 0 {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if c := r.Complaints[0]; c.Path != bad.Path {
			t.Errorf("%s: %+v", name, c)
		}
	}
	newer := unit("x.service", service+"RestartSteps=3\nRestartMaxDelaySec=60s\n")
	if r := only(t, setOf(t, newer), new(Options), "systemd-analyze verify"); r.Outcome == Rejected {
		t.Errorf("newer than this one: %+v", r)
	}
	gone := &Options{Programs: map[string]string{"systemd": filepath.Join(t.TempDir(), "systemd-analyze")}}
	if r := only(t, setOf(t, good...), gone, "systemd-analyze verify"); r.Outcome != NotChecked || r.Why == "" {
		t.Errorf("without systemd: %+v", r)
	}
}

func TestSystemdExposure(t *testing.T) {
	t.Parallel()
	need.Program(t, "systemd-analyze")
	open := unit("blog.service", "[Service]\nExecStart=/nowhere/blog\nUser=www-data\n")
	for limit, want := range map[int]Outcome{100: Accepted, 25: Rejected} {
		r := only(t, setOf(t, open), &Options{Exposure: map[string]int{"blog": limit}}, "systemd-analyze security")
		if r.Outcome != want || r.Files != 1 {
			t.Errorf("%d: %+v", limit, r)
		}
		if want == Rejected && (r.Complaints[0].Path != open.Path || !strings.Contains(r.Complaints[0].Message, "exposure")) {
			t.Errorf("%d: %+v", limit, r.Complaints)
		}
	}
}
