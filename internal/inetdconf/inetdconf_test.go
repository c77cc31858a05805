package inetdconf

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"scgikit/internal/quote"
)

// zero is a limit of 0 in a table of tests, where 0 stands for none.
const zero = -2

// entry fills in what a table of tests leaves out.
func entry(e Entry) Entry {
	if e.Line == 0 {
		e.Line = 1
	}
	for _, limit := range []*int{&e.Limit, &e.PerAddressMinute, &e.PerAddress} {
		switch *limit {
		case 0:
			*limit = NoLimit
		case zero:
			*limit = 0
		}
	}
	return e
}

func TestParse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 600)
	numbers := func(n int) []string {
		args := make([]string, n)
		for i := range args {
			args[i] = fmt.Sprint(i)
		}
		return args
	}
	tests := []struct {
		name     string
		dialect  Dialect
		text     string
		want     []Entry
		problems []string
	}{
		{
			name: "socket with owner", dialect: FreeBSD,
			text: "# comment\n:www:web:0660:/run/a b.sock stream unix nowait/16/0/0 www:web/daemon /bin/p p \"a b\" 'c \"d' e'f\n",
			want: nil, problems: []string{`line 2: bad wait/nowait "unix"`},
		},
		{
			name: "socket in quotes", dialect: FreeBSD,
			text: "\":www:web:0660:/run/a b.sock\" stream unix nowait/16/0/0 www:web/daemon /bin/p p \"a b\" 'c \"d' e'f\n",
			want: []Entry{{
				SocketUser: "www", SocketGroup: "web", SocketMode: 0o660, Service: "/run/a b.sock", SocketType: "stream", Protocol: "unix",
				Limit: 16, PerAddressMinute: zero, PerAddress: zero, User: "www", Group: "web", Class: "daemon", Program: "/bin/p", Args: []string{"p", "a b", `c "d`, "e'f"},
			}},
		},
		{
			name: "colon in the path of a socket", dialect: FreeBSD,
			text: ":u:g:200:/run/a:b stream unix nowait u /bin/p p",
			want: []Entry{{
				SocketUser: "u", SocketGroup: "g", SocketMode: 0o200, Service: "/run/a:b", SocketType: "stream", Protocol: "unix",
				User: "u", Program: "/bin/p", Args: []string{"p"},
			}},
		},
		{
			name: "an entry goes on in the next line", dialect: FreeBSD,
			text: "x stream tcp4 nowait\n\tu /bin/p\n  p 1\ny stream tcp nowait/40000 u /bin/p p\n",
			want: []Entry{{
				Service: "x", SocketType: "stream", Protocol: "tcp4", User: "u", Program: "/bin/p", Args: []string{"p", "1"},
			}},
			problems: []string{`line 4: bad limit "40000"`},
		},
		{
			name: "too many arguments", dialect: FreeBSD,
			text:     "x stream tcp nowait u /bin/p " + strings.Join(numbers(21), " "),
			problems: []string{"line 1: too many arguments: the entry is left out"},
		},
		{
			name: "too few words end the program", dialect: FreeBSD,
			text:     "x stream tcp\ny stream tcp nowait u /bin/p p\n",
			problems: []string{"line 1: syntax error: the program ends here"},
		},
		{
			name: "an IPsec policy", dialect: FreeBSD, text: "#@ in ipsec\n",
			problems: []string{"line 1: a comment that begins with #@ is an IPsec policy"},
		},
		{
			name: "quotes as in a shell", dialect: NetBSD,
			text: `/run/s stream unix nowait:6000 u:g /bin/p p 'a b' a"'"b '' \n`,
			want: []Entry{{
				Service: "/run/s", SocketType: "stream", Protocol: "unix", Limit: 6000, User: "u", Group: "g",
				Program: "/bin/p", Args: []string{"p", "a b", "a'b", "", `\n`},
			}},
		},
		{
			name: "address in brackets", dialect: NetBSD,
			text: "[::1]:4000 stream tcp6 nowait.7 u.g /bin/p p\n.include /etc/x\n",
			want: []Entry{{
				Host: "::1", Service: "4000", SocketType: "stream", Protocol: "tcp6", Limit: 7, User: "u", Group: "g",
				Program: "/bin/p", Args: []string{"p"},
			}},
			problems: []string{"line 2: directive .include"},
		},
		{
			name: "no quotes", dialect: OpenBSD,
			text: `127.0.0.1:4000 stream tcp4 nowait.100000 u.g:h /bin/p p "a b" #x`,
			want: []Entry{{
				Host: "127.0.0.1", Service: "4000", SocketType: "stream", Protocol: "tcp4", Limit: 100000, User: "u", Group: "g:h",
				Program: "/bin/p", Args: []string{"p", `"a`, `b"`, "#x"},
			}},
		},
		{
			name: "the path of a socket is cut at its last colon", dialect: OpenBSD,
			text: ":www:www:200:/run/x stream unix nowait/16 u /bin/p",
			want: []Entry{{
				Host: ":www:www:200", Service: "/run/x", SocketType: "stream", Protocol: "unix", User: "u",
				Program: "/bin/p", Args: []string{"p"},
			}},
			problems: []string{`line 1: "nowait/16" counts as nowait, without what follows`},
		},
		{
			name: "an address for the lines below", dialect: OpenBSD, text: "127.0.0.1:\n1 stream tcp nowait u /bin/p\n",
			want:     []Entry{{Line: 2, DefaultHost: "127.0.0.1", Service: "1", SocketType: "stream", Protocol: "tcp", User: "u", Program: "/bin/p", Args: []string{"p"}}},
			problems: []string{"line 1: the address 127.0.0.1 becomes that of the lines below"},
		},
		{
			name: "an address for the lines below", dialect: Busybox, text: "::1:\n1 stream tcp6 nowait u /bin/p\n",
			want:     []Entry{{Line: 2, DefaultHost: "::1", Service: "1", SocketType: "stream", Protocol: "tcp6", User: "u", Program: "/bin/p", Args: []string{"/bin/p"}}},
			problems: []string{"line 1: the address ::1 becomes that of the lines below"},
		},
		{
			name: "lost arguments and a bad limit", dialect: OpenBSD,
			text: "*:1 stream tcp nowait.0 u /bin/p " + strings.Join(numbers(22), " "),
			want: []Entry{{
				Host: "*", Service: "1", SocketType: "stream", Protocol: "tcp", User: "u", Program: "/bin/p", Args: numbers(20),
			}},
			problems: []string{`line 1: illegal limit "0": the default is used`, "line 1: the arguments after the 20th are lost"},
		},
		{
			name: "a line longer than the buffer is two", dialect: OpenBSD,
			text: "*:1 stream tcp nowait.9 u /bin/p p " + long + " " + long + "\n*:2 stream tcp nowait.9 u /bin/p p\n",
			want: []Entry{
				{
					Host: "*", Service: "1", SocketType: "stream", Protocol: "tcp", Limit: 9, User: "u",
					Program: "/bin/p", Args: []string{"p", long, long[:1023-35-601]},
				},
				{
					Line: 2, Host: "*", Service: "2", SocketType: "stream", Protocol: "tcp", Limit: 9, User: "u",
					Program: "/bin/p", Args: []string{"p"},
				},
			},
			problems: []string{"line 1: syntax error: the entry is left out"},
		},
		{
			name: "double quotes end words", dialect: Inetutils,
			text: ` ::1:4802 stream tcp6 nowait.100000 u:g /bin/p p "a b" 'c"d' e'f g"h" \n # x "" 'un"term  `,
			want: []Entry{{
				Host: "::1", Service: "4802", SocketType: "stream", Protocol: "tcp6", Limit: 100000, User: "u", Group: "g",
				Program: "/bin/p", Args: []string{"p", "a b", `c"d`, "e'f", "g", "h", `\n`, "#", "x", "", `'un"term`},
			}},
		},
		{
			name: "no sockets on disk", dialect: Inetutils, text: "/run/s stream unix nowait u /bin/p p\nx stream\n",
			problems: []string{"line 1: unix: unknown protocol", "line 2: not enough fields"},
		},
		{
			name: "# cuts and a backslash joins", dialect: Busybox,
			text: "  /run/s stream unix nowait.5 u.g /bin/p p a\\\nb #c\n127.0.0.1:1 stream tcp nowait/16 u /bin/p p\n*:2 stream tcp nowait u /bin/p p c#d e\n",
			want: []Entry{
				{Service: "/run/s", SocketType: "stream", Protocol: "unix", Limit: 5, User: "u", Group: "g", Program: "/bin/p", Args: []string{"p", "ab"}},
				{Line: 4, Host: "*", Service: "2", SocketType: "stream", Protocol: "tcp", User: "u", Program: "/bin/p", Args: []string{"p", "c"}},
			},
			problems: []string{`line 3: parse error in "nowait/16": the line is ignored`},
		},
		{
			name: "the last argument takes the rest", dialect: Busybox,
			text: "*:1 stream tcp nowait u /bin/p " + strings.Join(numbers(22), "  ") + " ",
			want: []Entry{{
				Host: "*", Service: "1", SocketType: "stream", Protocol: "tcp", User: "u", Program: "/bin/p", Args: append(numbers(19), "19  20  21"),
			}},
			problems: []string{"line 1: the arguments from the 20th on become one"},
		},
	}
	for _, tt := range tests {
		t.Run(string(tt.dialect)+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			got, problems := Parse(tt.dialect, tt.text)
			var want []Entry
			for _, e := range tt.want {
				want = append(want, entry(e))
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			var messages []string
			for _, p := range problems {
				messages = append(messages, p.String())
			}
			if !reflect.DeepEqual(messages, tt.problems) {
				t.Errorf("problems %q, want %q", messages, tt.problems)
			}
		})
	}
}

// quoters is the quoting function of each dialect.
func quoters() map[Dialect]func(string) (string, error) {
	return map[Dialect]func(string) (string, error){
		FreeBSD: quote.InetdFreeBSD, NetBSD: quote.InetdNetBSD, OpenBSD: quote.InetdOpenBSD,
		Inetutils: quote.InetdInetutils, Busybox: quote.InetdBusybox,
	}
}

// roundTrip writes three words as arguments of an entry and requires that the
// reader gives back exactly these, with nothing before or after them changed.
func roundTrip(t *testing.T, d Dialect, a, b, c string) {
	t.Helper()
	words := []string{"p", a, b, c}
	line := "127.0.0.1:4000 stream tcp4 nowait www /bin/p"
	for _, w := range words {
		word, err := quoters()[d](w)
		if err != nil {
			return
		}
		line += " " + word
	}
	if len(line) > 900 {
		return
	}
	want := entry(Entry{
		Host: "127.0.0.1", Service: "4000", SocketType: "stream", Protocol: "tcp4", User: "www", Program: "/bin/p", Args: words,
	})
	if d == FreeBSD {
		want.Host, want.Service = "", "127.0.0.1:4000" // which it can not listen on
	}
	if d == Busybox {
		line = strings.Replace(line, "tcp4", "tcp", 1)
		want.Protocol = "tcp"
	}
	next := strings.Replace(line, "4000", "4001", 1)
	got, problems := Parse(d, line+"\n"+next+"\n")
	if len(got) != 2 || len(problems) > 0 {
		t.Fatalf("%s: %q is read as %d entries: %v", d, line, len(got), problems)
	}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("%s: %q is read as\n%+v, want\n%+v", d, line, got[0], want)
	}
	want.Line, want.Service = 2, strings.Replace(want.Service, "4000", "4001", 1)
	if !reflect.DeepEqual(got[1], want) {
		t.Errorf("%s: the second line is read as\n%+v, want\n%+v", d, got[1], want)
	}
}

func fuzzDialect(f *testing.F, d Dialect) {
	f.Helper()
	f.Add("plain", "a b", "é")
	f.Add(`'`, `"`, `'"`)
	f.Add("", `\`, "#")
	f.Add("#a", `a'b"c`, `a\`)
	f.Add("${X} %s", "{;}", "\ta\n")
	f.Fuzz(func(t *testing.T, a, b, c string) { roundTrip(t, d, a, b, c) })
}

func FuzzFreeBSD(f *testing.F)   { fuzzDialect(f, FreeBSD) }
func FuzzNetBSD(f *testing.F)    { fuzzDialect(f, NetBSD) }
func FuzzOpenBSD(f *testing.F)   { fuzzDialect(f, OpenBSD) }
func FuzzInetutils(f *testing.F) { fuzzDialect(f, Inetutils) }
func FuzzBusybox(f *testing.F)   { fuzzDialect(f, Busybox) }

// FuzzParse feeds raw text to every reader: none may panic or hang.
func FuzzParse(f *testing.F) {
	f.Add(":u:g:0660:/s stream unix nowait/1/2/3 u:g/c /p p\n# c\n x\\\n")
	f.Add("a: \n\"\n'\nhost:\n*:1 stream tcp nowait.1 u.g /p 1 2 3")
	f.Fuzz(func(_ *testing.T, text string) {
		for _, d := range Dialect("").Values() {
			Parse(Dialect(d), text)
		}
	})
}
