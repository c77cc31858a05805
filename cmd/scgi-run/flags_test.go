package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"scgikit/bridge"
)

// run starts scgi-run at a shell, without a connection.
func run(t *testing.T, program string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), noRaceSleep)
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"--help"}, {"help"}, {"bridge", "-h"}, {"bridge", "--mount", "/x", "--help"}, {"wsgi", "-h"}} {
		out, errs, code := run(t, scgiRun(t), args...)
		if code != 0 || errs != "" {
			t.Errorf("%v: exit code %d, %q", args, code, errs)
		}
		// It starts with what the program is for, and an example.
		if lines := strings.Split(out, "\n"); len(lines) < 10 || !strings.Contains(strings.Join(lines[:5], "\n"), "\n    ") {
			t.Errorf("%v: no example at the start:\n%s", args, out)
		}
		for line := range strings.SplitSeq(out, "\n") {
			if len([]rune(line)) > 110 {
				t.Errorf("%v: long line %q", args, line)
			}
		}
	}
}

// Every flag is in the help text of its program.
func TestHelpNamesEveryFlag(t *testing.T) {
	o, r := new(bridge.WSGIOptions), defaultResidence()
	for name, options := range map[string][]option{
		"bridge": append(bridgeFlags(defaultOptions()), residenceFlags(r)...),
		"wsgi":   append(wsgiFlags(o), wsgiResidenceFlags(o, r)...),
	} {
		out, _, _ := run(t, scgiRun(t), name, "-h")
		for _, o := range options {
			if !strings.Contains(out, "\n  --"+o.name) {
				t.Errorf("%s: no --%s", name, o.name)
			}
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"", "no program named"},
		{"nonsense", "no program nonsense"},
		{"-x", "no program -x"},
		{"bridge", "no program or folder named"},
		{"bridge --mount", "--mount needs a value"},
		{"bridge --mount blog /x/", "does not start with /"},
		{"bridge -x /x/", "no flag -x"},
		{"bridge -mount=/ /x/", "no flag -mount=/"},
		{"bridge --nonsense /x/", "no flag --nonsense"},
		{"bridge --handoff=yes /x/", "takes no value"},
		{"bridge --handoff --stream-body /x/", "exclude each other"},
		{"bridge --env FOO /x/", "not NAME=VALUE"},
		{"bridge --env 1A=x /x/", "not NAME=VALUE"},
		{"bridge --env-pass A-B /x/", "not the name of a variable"},
		{"bridge --pass HTTP_PROXY /x/", "HTTP_PROXY"},
		{"bridge --timeout 10 /x/", "not a time"},
		{"bridge --timeout -1s /x/", "not a time"},
		{"bridge --timeout 0s /x/", "not a time"},
		{"bridge --max-body 10MB /x/", "not a size"},
		{"bridge --max-body -1 /x/", "not a size"},
		{"bridge --max-body 99999999999GiB /x/", "not a size"},
		{"bridge --umask 027 /x/", "four octal digits"},
		{"bridge --umask 0028 /x/", "four octal digits"},
		{"bridge --umask 1777 /x/", "four octal digits"},
		{"bridge --nice x /x/", "not a number from -20 to 19"},
		{"bridge --nice 20 /x/", "not a number from -20 to 19"},
		{"bridge --limit core /x/", "core: \"\" is not a size"},
		{"bridge --limit files=3 /x/", "\"files=3\" is not NAME=N"},
		{"bridge --limit core=0, /x/", "\"\" is not NAME=N"},
		{"bridge --limit core=0,nofile=1KiB /x/", "nofile: \"1KiB\" is not a number above 0"},
		{"bridge --limit nproc=0 /x/", "nproc: \"0\" is not a number above 0"},
		{"bridge --limit cpu=-1 /x/", "cpu: \"-1\" is not a number above 0"},
		{"bridge --limit memory=0 /x/", "memory: 0 leaves"},
		{"bridge --limit memory=1GB /x/", "memory: \"1GB\" is not a size"},
		{"confined --limit nofile=3", "no program named"},
		{"confined --timeout 3s /bin/true", "no flag --timeout"},
		{"bridge /x/ argument", "a folder takes no arguments"},
		{"bridge --listen unix:/run/x.sock --handoff /x/", "--handoff and --listen exclude each other"},
		{"bridge --max=4 /x/", "--max belongs to --listen ADDRESS"},
		{"wsgi", "no MODULE:CALLABLE"},
		{"wsgi :app", "no MODULE:CALLABLE"},
		{"wsgi a:b c:d", "more than one"},
		{"wsgi --style prefork a:b", "--style prefork keeps running: it needs --listen"},
		{"wsgi --style zygote a:b", "--style zygote keeps running: it needs --listen"},
		{"wsgi --style other a:b", "no style other"},
		{"wsgi --workers 2 a:b", "--workers belongs to --listen ADDRESS"},
		{"wsgi --listen unix:/run/x.sock --style once a:b", "--style once is for the connection on standard input"},
		{"wsgi --listen unix:/run/x.sock --style zygote --workers 2 a:b", "--workers belongs to --style prefork"},
		{"wsgi --server uwsgi a:b", "--server belongs to --listen ADDRESS"},
		{"wsgi --server gunicorn --listen fd:0 a:b", "no server gunicorn: there are builtin and uwsgi"},
		{"wsgi --server uwsgi --listen fd:0 --style zygote a:b", "--style and --warm belong to --server builtin"},
		{"wsgi --server uwsgi --listen fd:0 --warm /shop/ a:b", "--style and --warm belong to --server builtin"},
		{"wsgi --server uwsgi --listen fd:0 --max=3 a:b", "--max belongs to --style zygote"},
		{"wsgi --server uwsgi --listen fd:0 --protocol=ajp a:b", "uwsgi does not speak ajp: it speaks scgi, fastcgi, uwsgi and http"},
		{"wsgi --server uwsgi --listen fd:0 --header-timeout=3s a:b", "--header-timeout belongs to --server builtin"},
		{"wsgi --path= a:b", "--path is empty"},
		{"wsgi --server uwsgi --listen fd:0 --log /x/a:b a:b", "--log /x/a:b: uwsgi takes it for an address"},
		{"wsgi --server uwsgi --listen fd:0 --protocol http --mount /a=b a:b", "--mount /a=b: uwsgi ends it at ="},
		{"wsgi --listen fd:0 --threads=3 a:b", "--threads belongs to --server uwsgi"},
		{"wsgi --listen fd:0 --protocol=http a:b", "--protocol belongs to --server uwsgi"},
		{"wsgi --listen unix:/run/x.sock --max 2 a:b", "--max belongs to --style zygote"},
		{"wsgi --listen unix:/run/x.sock --workers 0 a:b", "\"0\" is not a number"},
		{"wsgi --listen 192.0.2.1:1 a:b", "other machines can reach it"},
		{"wsgi --python python3 a:b", "--python python3 is not an absolute path"},
		{"wsgi --directory app a:b", "--directory app is not an absolute path"},
	} {
		out, errs, code := run(t, scgiRun(t), strings.Fields(tt.args)...)
		if code != 100 || out != "" || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: exit code %d, output %q, messages %q; want %q", tt.args, code, out, errs, tt.want)
		}
	}
}

// Started for a connection, a wrong command line must not come out there.
func TestWrongUsageUnderInetd(t *testing.T) {
	a := call{args: []string{"bridge", "--nonsense", "/x/"}, stderr: socketItself}.do(t)
	if a.status != "500 Internal Server Error" || strings.Contains(a.raw, "nonsense") || a.code != 100 {
		t.Errorf("answer %q, exit code %d", a.raw, a.code)
	}
	a = call{args: []string{"bridge", "--nonsense", "/x/"}}.do(t)
	if a.status != "500 Internal Server Error" || !strings.Contains(a.log, "no flag --nonsense") || a.code != 100 {
		t.Errorf("answer %q, log %q, exit code %d", a.raw, a.log, a.code)
	}
}

// A link with the name of a program is that program.
func TestLinkedName(t *testing.T) {
	out, errs, code := run(t, link(t, "bridge"), "-h")
	if code != 0 || !strings.Contains(out, "usage: scgi-run bridge") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if _, errs, code := run(t, link(t, "wsgi")); code != 100 || !strings.Contains(errs, "wsgi: no MODULE:CALLABLE") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "500000": 500000, "64KiB": 65536, "10MiB": 10 << 20, "2GiB": 2 << 30, "4611686018427387903": 1<<62 - 1} {
		var got int64
		if err := setSize(&got)(in); err != nil || got != want {
			t.Errorf("%s: got %d, %v", in, got, err)
		}
	}
}

// Flags end at the first word that is none, or at "--".
func TestFlagsEnd(t *testing.T) {
	for _, args := range [][]string{
		{"--mount=/", "--", "--odd", "--env", "x"},
		{"--mount", "/", "--", "--odd", "--env", "x"},
	} {
		rest, err := parseFlags(bridgeFlags(defaultOptions()), args)
		if err != nil || strings.Join(rest, " ") != "--odd --env x" {
			t.Errorf("%v: %v, %v", args, rest, err)
		}
	}
	rest, err := parseFlags(bridgeFlags(defaultOptions()), []string{"program", "--env", "x"})
	if err != nil || strings.Join(rest, " ") != "program --env x" {
		t.Errorf("%v, %v", rest, err)
	}
}

// What every request pays for: nothing that costs start-up time is linked in. fmt
// and context come with compress/gzip and os/signal, and start in microseconds.
func TestImports(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for name := range strings.FieldsSeq(string(out)) {
		switch name {
		case "net", "net/http", "os/exec", "os/user", "encoding/json", "regexp", "text/template", "flag", "log":
			t.Errorf("scgi-run imports %s", name)
		}
	}
}
