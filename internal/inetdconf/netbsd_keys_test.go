package inetdconf

import (
	"reflect"
	"strings"
	"testing"
)

// TestNetBSDKeys: the form with keys, as parse_v2.c reads it.
func TestNetBSDKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []Entry
		problems   []string
	}{
		{
			name: "several lines, comments, quotes",
			text: "/run/s on # c\nprotocol = unix,\n  socktype\t=stream , wait = no, # d\nuser=\"u\", group = g,service_max = 6000,\nexec = /bin/p, args = p 'a, b;' \"c\\x41\\n\\\"\" d'e'f\n  '#' ;\n",
			want: []Entry{{
				Service: "/run/s", SocketType: "stream", Protocol: "unix", Limit: 6000, User: "u", Group: "g",
				Program: "/bin/p", Args: []string{"p", "a, b;", "cA\n\"", "def", "#"},
			}},
		},
		{
			name: "two on a line, then the other form",
			text: "80 on bind = 127.0.0.1, protocol = tcp, wait = no, user = u, exec = /bin/p, args = p; 81 off protocol = tcp4, wait = no, user = u, exec = /x; # e\n[::1]:82 stream tcp6 nowait:7 u /bin/q q\n",
			want: []Entry{
				{Host: "127.0.0.1", Service: "80", SocketType: "stream", Protocol: "tcp", User: "u", Program: "/bin/p", Args: []string{"p"}},
				{Line: 2, Host: "::1", Service: "82", SocketType: "stream", Protocol: "tcp6", Limit: 7, User: "u", Program: "/bin/q", Args: []string{"q"}},
			},
			problems: []string{"line 1: 81 is off"},
		},
		{
			name: "what is left out",
			text: "a on protocol = tcp, wait = maybe, user = u, exec = /x, colour = red;\nb on protocol = tcp4, user = u v, exec = /x, wait = no;\ntime on protocol = tcp4;\nc on protocol = tcp4, wait = no, user = u, exec = /x, sndbuf = 4k, ip_max = 3, ipsec =;\n",
			want: []Entry{{Line: 4, Service: "c", SocketType: "stream", Protocol: "tcp4", User: "u", Program: "/x", PerAddressMinute: 3}},
			problems: []string{
				`line 1: a: the definition is left out: wait = "maybe"`, `line 1: a: the definition is left out: there is no key "colour"`,
				"line 1: a: the definition is left out: protocol = tcp with no numeric address: tcp4 or tcp6 is needed",
				"line 2: b: the definition is left out: user takes one value, and has 2", "line 2: b: the definition is left out: user is missing",
				"line 3: time is a service inside inetd", "line 4: c: sndbuf = 4k", "line 4: c: ipsec = ",
			},
		},
		{name: "no semicolon", text: "a on protocol = tcp4\n", problems: []string{"line 1: a: the file ends before the semicolon: nothing below is read"}},
		{name: "no equals sign", text: "a on protocol: tcp4;\nb stream tcp nowait u /x x\n", problems: []string{"line 1: a: no = after the name of a key: nothing below is read"}},
		{
			name: "an open quote", text: "a on args = 'x\ny';\n",
			problems: []string{"line 1: a: " + errKeysQuote.Error() + ": nothing below is read"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, problems := Parse(NetBSD, tt.text)
			var want []Entry
			for _, e := range tt.want {
				perMinute := e.PerAddressMinute
				if e = entry(e); perMinute > 0 {
					e.PerAddressMinute = perMinute
				}
				want = append(want, e)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			var messages []string
			for _, p := range problems {
				messages = append(messages, p.String())
			}
			if !reflect.DeepEqual(messages, tt.problems) {
				t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(messages, "\n"), strings.Join(tt.problems, "\n"))
			}
		})
	}
}

// FuzzNetBSDKeys: whatever a definition holds, reading it ends.
func FuzzNetBSDKeys(f *testing.F) {
	for _, s := range []string{"exec = /x;", "args = '\\x4", "a", "wait=yes,,;", "#\n=;", "args = \"\\", ";"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, text string) { Parse(NetBSD, "a on "+text) })
}
