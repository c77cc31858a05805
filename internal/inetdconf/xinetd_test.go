package inetdconf

import (
	"reflect"
	"strings"
	"testing"

	"scgikit/internal/quote"
)

// xinetdText is a service with an attribute, or several, in place of or behind
// those that it needs.
func xinetdText(more ...string) string {
	return "service x\n{\n" +
		"type = UNLISTED\nsocket_type = stream\nprotocol = tcp\nwait = no\nuser = u\n" + strings.Join(more, "\n") + "\nport = 1\nserver = /bin/p\n}\n"
}

// xinetdService is what xinetdText without more is read as.
func xinetdService(change func(*XinetdService)) XinetdService {
	s := XinetdService{
		Line: 1, Name: "x", ID: "x", Types: []string{"UNLISTED"}, SocketType: "stream", Protocol: "tcp", User: "u", Port: 1, Program: "/bin/p",
		Args: []string{"p"}, Umask: -1, Instances: NoLimit, PerSource: NoLimit, PerSecond: 50, Pause: 10,
	}
	change(&s)
	return s
}

func TestParseXinetd(t *testing.T) {
	t.Parallel()
	same := func(*XinetdService) {}
	tests := []struct {
		name, text string
		want       func(*XinetdService) // nil where the service is left out
		problems   []string
	}{
		{"nothing more", xinetdText(), same, nil},
		{"all", xinetdText("id = y", "flags = NAMEINARGS IPv4", "server_args = q a  #b\t} { = \"c", "bind = 127.0.0.1", "only_from = 127.0.0.0/8", "only_from += 10.0.0.1", "group = g",
			"groups = yes", "umask = 0027", "nice = -3", "instances = 16", "per_source = UNLIMITED", "cps = 0 0", "v6only = yes", "passenv = A B A", "passenv += C", "passenv -= B",
			"env = A=1", "env += B=x=y", "log_on_success =", "log_on_failure = HOST", "disable = no"), func(s *XinetdService) {
			s.ID, s.Flags, s.Args, s.Bind = "y", []string{"NAMEINARGS", "IPv4"}, []string{"q", "a", "#b", "}", "{", "=", `"c`}, "127.0.0.1"
			s.OnlyFrom, s.Group, s.Groups, s.Umask, s.Nice = []string{"127.0.0.0/8", "10.0.0.1"}, "g", true, 0o27, -3
			s.Instances, s.PerSecond, s.Pause, s.V6Only = 16, 0, 0, true
			s.PassEnv, s.Env = []string{"A", "C"}, []string{"A=1", "B=x=y"}
		}, nil},
		{"empty lists", xinetdText("passenv =", "env =", "only_from ="), func(s *XinetdService) { s.PassEnv, s.Env, s.OnlyFrom = []string{}, []string{}, []string{} }, nil},
		{"comments and white space", "\n# c\n \t# c\n" + strings.ReplaceAll(xinetdText(" # c", "\v"), "user = u", "  \fuser\v=u"), func(s *XinetdService) { s.Line = 4 }, nil},
		{"no name in the arguments", xinetdText("server_args = a b"), func(s *XinetdService) { s.Args = []string{"p", "a", "b"} }, nil},
		{"what is ignored", xinetdText("frob = x", "id = a", "id = b", "umask += 1", "cps = 1", "group = a b"), func(s *XinetdService) { s.ID = "a" }, []string{
			"line 8: bad service attribute: frob", "line 10: service x: attribute already set: id", "line 11: service x: operator += cannot be used for attribute umask",
			"line 12: attribute cps expects 2 values and 1 values were specified", "line 13: attribute group expects 1 values and 2 values were specified",
		}},
		{"a bad number", xinetdText("instances = many"), nil, []string{"line 8: service x: instances: bad number many", "line 11: service x: it is disabled"}},
		{"a bad mask", xinetdText("umask = 0999"), nil, []string{"line 8: service x: umask: bad mask 0999", "line 11: service x: it is disabled"}},
		{"a bad word", xinetdText("flags = NAMEINARG"), nil, []string{"line 8: service x: flags: bad flag NAMEINARG", "line 11: service x: it is disabled"}},
		{"a variable without =", xinetdText("env = A"), nil, []string{"line 8: service x: env: A has no '='", "line 11: service x: it is disabled"}},
		{"no arguments", xinetdText("server_args ="), nil, []string{"line 8: service x: server_args: at least 1 value is expected", "line 11: service x: it is disabled"}},
		{"a flag that comes late", xinetdText("server_args = a", "flags = NAMEINARGS"), nil, []string{"line 12: service x: the flag NAMEINARGS has to stand before server_args"}},
		{"no space before =", xinetdText("umask= 027"), nil, []string{"line 8: service x: attribute umask needs a space before the operator"}},
		{"a bad operator", xinetdText("umask : 027"), nil, []string{"line 8: service x: bad operator for attribute umask"}},
		{"no operator", xinetdText("umask "), nil, []string{"line 8: service x: nothing after attribute umask"}},
		{"disabled", xinetdText("disable = yes", "frob"), nil, []string{"line 8: service x is disabled: the rest of it is not read"}},
		{"a brace too far", strings.Replace(xinetdText(), "\n{", " {", 1), nil, []string{"line 2: service x: missing '{'"}},
		{"no end", strings.TrimSuffix(xinetdText(), "}\n"), nil, []string{"line 10: incomplete entry", "line 10: missing '}' in the last entry"}},
		{"no service", "serve x\n{\n}\n" + xinetdText(), func(s *XinetdService) { s.Line = 4 }, []string{"line 1: missing service keyword: serve"}},
		{"no name", "service\n{\n}\n", nil, []string{"line 1: service name missing"}},
		{"others", "defaults\n{\ncps = 1 1\n}\nincludedir /etc/xinetd.d\n", nil, []string{"line 1: defaults are for all services", "line 5: /etc/xinetd.d is not read here"}},
		{"what is missing", "service x\n{\ntype = UNLISTED\nsocket_type = stream\nwait = no\nuser = u\nprotocol = tcp\nserver = /p\n}\n", nil, []string{"line 9: service x: missing attribute port"}},
		{"of the machine", "service x\n{\nsocket_type = stream\nwait = no\nuser = u\nserver = /p\n}\n", nil, []string{"line 7: service x: it is not UNLISTED, so that its port is looked up in /etc/services"}},
		{"a protocol from a type", strings.Replace(xinetdText(), "protocol = tcp\n", "", 1), func(*XinetdService) {}, nil},
		{"a type from a protocol", strings.Replace(xinetdText(), "socket_type = stream\n", "", 1), func(*XinetdService) {}, nil},
		{"no type, no protocol", strings.NewReplacer("socket_type = stream\n", "", "protocol = tcp\n", "").Replace(xinetdText()), nil, []string{"line 9: service x: missing attribute socket_type"}},
		{"internal", xinetdText("flags = SENSOR"), nil, []string{"line 11: service x: it is a service inside xinetd, or one of RPC or TCPMUX"}},
		{"a name of xinetd's own", strings.Replace(xinetdText(), "service x", "service logging", 1), nil, []string{
			"line 11: service logging: xinetd has a service of this name, and checks neither address nor number of connections",
		}},
		{"a long line", xinetdText("server_args = " + strings.Repeat("x", 4090)), func(s *XinetdService) { s.Args = []string{"p", strings.Repeat("x", 4090)} }, []string{
			"line 8: the line is longer than 4095 bytes, and may be cut",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, problems := ParseXinetd(tt.text)
			var want []XinetdService
			if tt.want != nil {
				want = append(want, xinetdService(tt.want))
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

// FuzzXinetd writes words as arguments, and requires that the reader gives back
// exactly these, and the service behind them.
func FuzzXinetd(f *testing.F) {
	f.Add("plain", "a b", "é")
	f.Add("{", "}", "=")
	f.Add("#a", "", `a\`)
	f.Add("${X} %s", "a\rb", "\ta\n")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		words := []string{a, b, c}
		line := "\tserver_args ="
		for _, word := range words {
			quoted, err := quote.Xinetd(word)
			if err != nil {
				return
			}
			line += " " + quoted
		}
		if len(line) >= maxXinetdLine {
			return
		}
		got, problems := ParseXinetd(xinetdText("flags = NAMEINARGS", line, "id = y") + xinetdText())
		if len(got) != 2 || len(problems) > 0 {
			t.Fatalf("%q is read as %d services: %v", line, len(got), problems)
		}
		if !reflect.DeepEqual(got[0].Args, words) || got[0].ID != "y" || !reflect.DeepEqual(got[1].Args, []string{"p"}) {
			t.Errorf("%q is read as %+v", line, got)
		}
	})
}

// FuzzParseXinetd feeds raw text to the reader, which may not panic or hang.
func FuzzParseXinetd(f *testing.F) {
	f.Add(xinetdText("env = A=1", "passenv -= x"))
	f.Add("service\n{\n}\ndefaults\ninclude x\nservice x\n{\nx\n = \n+= 1\ncps = 1 2")
	f.Add("\v\n \f x")
	f.Fuzz(func(_ *testing.T, text string) { ParseXinetd(text) })
}
