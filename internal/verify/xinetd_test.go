package verify

import (
	"strings"
	"testing"

	"scgikit/internal/fileset"
)

func TestXinetd(t *testing.T) {
	service := func(name, port string, more ...string) fileset.File {
		text := "service " + name + "\n{\ntype = UNLISTED\nsocket_type = stream\nwait = no\nuser = www\nserver = /bin/true\nport = " + port + "\n" + strings.Join(more, "\n") + "\n}\n"
		return conf("xinetd/"+name, "xinetd", "xinetd.d", text, name)
	}
	good := service("a", "8001")
	if r := only(t, setOf(t, good, service("b", "8002"), script("xinetd/a.sh", "xinetd", "#!/bin/sh\n")), new(Options), "xinetd.d"); r.Outcome != Accepted || r.Files != 2 {
		t.Errorf("%+v", r)
	}
	for name, tt := range map[string]struct {
		file fileset.File
		line int
	}{
		"attribute": {service("b", "8002", "frob = x"), 9},
		"operator":  {service("b", "8002", "umask 027"), 9},
		"dot":       {service("b.conf", "8002"), 0},
		"tilde":     {service("b~", "8002"), 0},
		"address":   {service("b", "8001"), 1},
		"empty":     {conf("xinetd/b", "xinetd", "xinetd.d", "# nothing\n", "b"), 0},
	} {
		r := only(t, setOf(t, good, tt.file), new(Options), "xinetd.d")
		if r.Outcome != Rejected || r.Complaints[0].Path != tt.file.Path || r.Complaints[0].Line != tt.line {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
