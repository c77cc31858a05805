package importer_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"scgikit/generate"
	"scgikit/internal/importer"
	"scgikit/internal/inetdconf"
)

// TestInetdDialects reads fields that each inetd takes in a way of its own: what is
// not in the description is named.
func TestInetdDialects(t *testing.T) {
	t.Parallel()
	const f, n, o, i, b = inetdconf.FreeBSD, inetdconf.NetBSD, inetdconf.OpenBSD, inetdconf.Inetutils, inetdconf.Busybox
	for _, tt := range []struct {
		dialect inetdconf.Dialect
		line    string // up to the program
		want    string // in the description, "-" where there is none
		note    string
	}{
		{f, "4000 stream tcp nowait www", "-", "refused: FreeBSD's inetd knows a port by its name in /etc/services alone, and leaves out 4000"},
		{f, "127.0.0.1:4000 stream tcp nowait www", "-", "leaves out 127.0.0.1:4000 as an unknown service"},
		{f, "http stream tcp4 nowait/10/20/5 www:web/daemon", "tcp: 0.0.0.0:80", "lost: the login class daemon"},
		{f, "http stream tcp4 nowait/10/20/5 www:web/daemon", "max_concurrent: 10", "lost: the limits for one address"},
		{f, "http stream tcp4 nowait/10/20/5 www:web/daemon", "group: web", ""},
		{f, "http stream tcp6 nowait www", `tcp: "[::]:80"`, ""},
		{f, "http stream tcp46 nowait www", "tcp: 0.0.0.0:80", "lost: the protocol tcp46 listens on IPv6 as well"},
		{f, "http stream tcp/faith nowait www", "tcp: 0.0.0.0:80", "lost: /faith of the protocol tcp/faith"},
		{f, "http stream tcpx nowait www", "-", "refused: the protocol tcpx is for no web program"},
		{f, "rpc/1 stream rpc/tcp nowait www", "-", "refused: the protocol rpc/tcp"},
		{f, "/run/x.sock stream unix nowait/10/20/5 www", `mode: "0200"`, "lost: the limits for one address"},
		{f, ":www:web:0660:/run/x.sock stream unix nowait www", "group: web", "lost: no number of processes is named"},
		{f, "/run/x.sock dgram unix wait www", "-", "refused: /run/x.sock: a socket of type dgram"},
		{n, "4000 stream tcp,rcvbuf=4k nowait:7 www", "tcp: 0.0.0.0:4000", "lost: ,rcvbuf=4k of the protocol"},
		{n, "4000 stream tcp nowait/7 www", "tcp: 0.0.0.0:4000", `"nowait/7" counts as nowait, without what follows`},
		{n, "4000 stream tcp46 nowait www", "-", "refused: the protocol tcp46"},
		{o, "4000 stream tcp nowait www", "tcp: 0.0.0.0:4000", "lost: the protocol tcp listens on IPv6 as well"},
		{o, "*:4000 stream tcp4 nowait/10/20/5 www", "tcp: 0.0.0.0:4000", `"nowait/10/20/5" counts as nowait, without what follows`},
		{o, "4000 stream tcp46 nowait www", `tcp: "[::]:4000"`, ""},
		{o, "127.0.0.1:\n4000 stream tcp nowait www.web", "tcp: 127.0.0.1:4000", "skipped: the address 127.0.0.1 becomes"},
		{i, "127.0.0.1:\n4000 stream tcp nowait www", "tcp: 127.0.0.1:4000", "skipped"},
		{b, "127.0.0.1:\n4000 stream tcp nowait www", "tcp: 127.0.0.1:4000", "skipped"},
		{i, "4000 stream tcp46 nowait www", "tcp: 0.0.0.0:4000", "lost: the protocol tcp46 is one of FreeBSD's"},
		{i, "/run/x.sock stream unix nowait www", "-", "lost: inetd (inetutils): unix: unknown protocol"},
		{b, "4000 stream tcp46 nowait www", "-", `lost: inetd (busybox): parse error in "tcp46"`},
		{b, "4000 stream tcp nowait/7 www", "-", `lost: inetd (busybox): parse error in "nowait/7"`},
	} {
		t.Run(string(tt.dialect)+" "+tt.line, func(t *testing.T) {
			t.Parallel()
			m := fstest.MapFS{"inetd.conf": {Data: []byte(tt.line + " /usr/local/bin/scgi-run scgi-run bridge /srv/x/\n")}, "etc/services": {Data: []byte("http 80/tcp www\n")}}
			result, err := importer.Read(t.Context(), importer.Inetd, m, "inetd.conf", "inetd.conf", &importer.Options{Dialect: tt.dialect, Targets: generate.OptionTypes()})
			if err != nil {
				t.Fatal(err)
			}
			said, text := "", "-"
			for _, n := range result.Notes {
				said += n.String() + "\n"
			}
			for _, a := range result.Apps {
				text = a.Text
			}
			if !strings.Contains(text, tt.want) || tt.want == "-" && len(result.Apps) > 0 {
				t.Errorf("it is without %q:\n%s", tt.want, text)
			}
			if !strings.Contains(said, tt.note) {
				t.Errorf("nothing says %q:\n%s", tt.note, said)
			}
		})
	}
}
