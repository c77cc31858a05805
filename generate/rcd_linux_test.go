package generate_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/supervisetest"
)

// FreeBSD's programs do not run here. What stands in for them is written from
// their manual pages and sources, and does no more than the scripts ask for.

// rcSubr evaluates what the script gives it as often as rc.subr does.
//
// Source: rc.subr(8); libexec/rc/rc.subr, run_rc_command.
const rcSubr = `warn() { echo "warning: $*" >&2; }
load_rc_config() { [ ! -r "$RC_CONF" ] || . "$RC_CONF"; }
run_rc_command() {
	rc_pid=
	if [ -r "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; then rc_pid=$(cat "$pidfile"); fi
	eval "yes=\$$rcvar"
	[ "$yes" = YES ] || { echo "Cannot '$1' $name. Set $rcvar to YES in /etc/rc.conf"; return 0; }
	case $1 in
	start)
		[ -z "$rc_pid" ] || { echo "$name already running?"; return 1; }
		eval "$start_precmd" || return 1
		eval "limits -C daemon $command $rc_flags $command_args"
		;;
	stop) eval "$stop_cmd" ;;
	status) [ -n "$rc_pid" ] ;;
	reload)
		case " $extra_commands " in
		*" reload "*) eval "$reload_cmd" ;;
		*) return 2 ;;
		esac
		;;
	restart)
		( run_rc_command stop )
		( run_rc_command start )
		;;
	esac
}
`

// rcPrograms stand in for programs that the scripts start. The real daemon has its
// child in its own process group, and resets no signals.
//
// Source: daemon(8), pwait(1), limits(1).
var rcPrograms = map[string]string{
	"limits": "shift 2\nexec \"$@\"\n",
	"daemon": `printf '%s\0' "$@" >"$0.words"
restart= supervisor= child=
while getopts fP:p:R:t: option; do
	case $option in
	P) supervisor=$OPTARG ;;
	p) child=$OPTARG ;;
	R) restart=$OPTARG ;;
	esac
done
shift $((OPTIND - 1))
setsid sh -c 'supervisor=$1 child=$2 restart=$3
shift 3
echo $$ >"$supervisor"
while :; do
	env --default-signal=INT,QUIT "$@" &
	echo $! >"$child"
	wait $!
	[ -n "$restart" ] || break
	sleep "$restart"
done
rm -f "$supervisor" "$child"' daemon "$supervisor" "$child" "$restart" "$@" </dev/null >/dev/null 2>&1 &
until [ -s "$supervisor" ]; do sleep 0.02; done
`,
	"pwait": `[ "$1" = -t ] || exit 64
n=0
while kill -0 "$3" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$3/status" 2>/dev/null; do
	[ "$n" -lt $(($2 * 50)) ] || exit 124
	n=$((n + 1))
	sleep 0.02
done
`,
}

// installRC installs scripts and what stands in for FreeBSD's programs.
func (m *initMachine) installRC(t *testing.T, scripts map[string][]byte) {
	t.Helper()
	conf := ""
	for name, text := range rcPrograms {
		writeProgram(t, filepath.Join(m.dir, "bin", name), "#!/bin/sh\n"+text)
	}
	writeFile(t, filepath.Join(m.dir, "rc.subr"), strings.ReplaceAll(rcSubr, "$RC_CONF", m.dir+"/rc.conf"))
	for name, data := range scripts {
		data = bytes.ReplaceAll(data, []byte("/etc/rc.subr"), []byte(m.dir+"/rc.subr"))
		data = bytes.ReplaceAll(data, []byte("/usr/sbin/daemon"), []byte(m.dir+"/bin/daemon"))
		writeProgram(t, filepath.Join(m.dir, "rc.d", name), string(data))
		conf += name + "_enable=YES\n"
	}
	writeFile(t, filepath.Join(m.dir, "rc.conf"), conf)
}

// TestRCD runs the generated scripts with what stands in for FreeBSD's programs.
func TestRCD(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"dash", "setsid"} {
		need.Program(t, program)
	}
	m, scripts := newInitMachine(t, "rcd", true)
	m.installRC(t, scripts)
	service := func(name, command string) []string {
		return []string{need.Program(t, "dash"), filepath.Join(m.dir, "rc.d", name), command}
	}
	child := func(name string) string { return filepath.Join(m.run, name+".child.pid") }
	m.does(t, 1, service("full_app", "status")...)
	m.does(t, 1, service("full_app", "reload")...)
	m.does(t, 1, service("full_app", "stop")...)
	m.does(t, 0, service("full_app", "start")...)
	pid := m.pid(t, child("full_app"), "serve")
	t.Cleanup(func() { m.kill(pid) })
	words, err := os.ReadFile(filepath.Join(m.dir, "bin/daemon.words"))
	want := []string{"-f", "-P", m.run + "/full_app.pid", "-p", m.run + "/full_app.child.pid", "-R", "1", "-t", "full_app", "--", m.scripts + "/full-app"}
	if got := strings.Split(strings.TrimSuffix(string(words), "\x00"), "\x00"); err != nil || !slices.Equal(got, want) {
		t.Errorf("daemon gets %q, want %q", got, want)
	}
	requireText(t, filepath.Join(m.work, "serves"), "")
	m.checkProcess(t, pid)
	m.checkLog(t)
	m.does(t, 0, service("full_app", "status")...)
	m.does(t, 1, service("full_app", "start")...)
	m.does(t, 0, service("full_app", "reload")...)
	requireText(t, filepath.Join(m.work, "signals"), "USR1\n")
	m.kill(pid)
	again := pid
	eventually(t, "another process", func() bool {
		again = m.pid(t, child("full_app"), "serve")
		return again != pid
	})
	t.Cleanup(func() { m.kill(again) })
	m.does(t, 0, service("full_app", "stop")...)
	requireText(t, filepath.Join(m.work, "signals"), "USR1\nQUIT\n")
	if supervisetest.Alive(again) {
		t.Error("it runs after its stop")
	}
	requireNoFile(t, child("full_app"))
	m.loggerEnds(t, "full-app")
	m.does(t, 1, service("full_app", "status")...)

	m.does(t, 0, service("stubborn", "start")...)
	stubborn := m.pid(t, child("stubborn"), "stubborn")
	t.Cleanup(func() { m.kill(stubborn) })
	m.checkStubborn(t, stubborn, func() { m.does(t, 0, service("stubborn", "stop")...) })
	m.checkBridge(t, func() { m.does(t, 0, service("bridge", "start")...) }, func() { m.does(t, 0, service("bridge", "stop")...) })

	if err := os.Remove(filepath.Join(m.work, "broken")); err != nil {
		t.Fatal(err)
	}
	if out := m.does(t, 1, service("broken", "start")...); !strings.Contains(out, "work  dir/broken is no program") {
		t.Errorf("without its program: %s", out)
	}
}

// initHarness lets a shell do with a service script what the init's own shell does,
// up to the program that it starts, which says its words.
//
// Source: for openrc, sh/supervise-daemon.sh, supervise_start; for rcd, rcSubr.
var initHarness = map[string]string{
	"openrc": `. "$1"
eval supervise-daemon "$RC_SVCNAME" --start ${retry:+--retry} $retry ${pidfile:+--pidfile} $pidfile \
	${respawn_delay:+--respawn-delay} $respawn_delay ${respawn_max:+--respawn-max} $respawn_max $command -- $command_args
`,
	"rcd": `set -- "$1" start
script=$1
shift
. "$script"
`,
	"sysv": `set -- "$1" start
script=$1
shift
. "$script"
`,
}

// TestInitAwkward puts awkward strings in every field. Each shell reads the start
// script, which starts the very same; and the init's own evaluation finds that
// script at an awkward path.
func TestInitAwkward(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	program := installReporter(t, dir)
	username, _ := someUser(t)
	for i := range 3 * len(starterAwkward) {
		s, target := starterAwkward[i/3], []string{"openrc", "rcd", "sysv"}[i%3]
		work := filepath.Join(dir, fmt.Sprintf("work %d %.40s", i, strings.ReplaceAll(s, "/", "_")), "x")
		if err := os.MkdirAll(work, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(program, filepath.Join(work, reporter)); err != nil {
			t.Fatal(err)
		}
		fake := filepath.Join(dir, fmt.Sprintf("fake %d", i))
		writeProgram(t, fake, `#!/bin/sh
case $1 in
pgrphack) shift ;;
setuidgid) shift 2 ;;
softlimit) shift 3 ;;
multilog)
	printf '%s\0' "$@" >"$0.words"
	cat >"$0.out"
	: >"$0.done"
	exit 0
	;;
esac
exec "$@"
`)
		logDir := logPlace + "/" + strings.ReplaceAll(s, "/", "_")
		further := "timestamp: none}\noptions: {" + target + ": {scgi_run: " + yamlText(fake) + "}"
		file := filepath.Join(dir, fmt.Sprintf("file %d %.40s", i, strings.ReplaceAll(s, "/", "_")))
		writeFile(t, file, "FROM_FILE="+s+"\n")
		files := "  env_file: " + yamlText(file) + "\n  secrets: {KEY: {file: " + yamlText(file) + "}}\nlisten:"
		set := mustRender(t, target, load(t, strings.Replace(awkwardServer(t, s, username, work, logDir, further), "listen:", files, 1)))
		start, ok := set.Get(target + "/start/awkward")
		if !ok {
			t.Fatalf("no start script of %s", target)
		}
		script := filepath.Join(dir, fmt.Sprintf("start %d", i))
		text := bytes.ReplaceAll(bytes.ReplaceAll(start.Data, []byte("/var/run/"), []byte("/run/")), []byte("/run/awkward.log"), fmt.Appendf(nil, "%s/fifo-%d", dir, i))
		writeProgram(t, script, string(text))
		m := &initMachine{dir: dir, work: dir}
		for _, shell := range shellOf(t, i/3+i) {
			m.does(t, 0, append(slices.Clone(shell), script)...)
			eventually(t, "the logger", func() bool { _, err := os.Stat(fake + ".done"); return err == nil })
			out, err := os.ReadFile(fake + ".out")
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseReport(out)
			if err != nil {
				t.Fatalf("%q under %v: %v", s, shell, err)
			}
			checkAwkward(t, got, s, work, shell)
			for name, want := range map[string]string{"FROM_FILE": s, "KEY": "FROM_FILE=" + s} {
				if is, ok := got.env(name); !ok || is != want {
					t.Errorf("%v: %s is %q, want %q", shell, name, is, want)
				}
			}
			words, err := os.ReadFile(fake + ".words")
			if err != nil {
				t.Fatal(err)
			}
			logger := strings.Split(strings.TrimSuffix(string(words), "\x00"), "\x00")
			if len(logger) != 6 || logger[1] != "-"+s || logger[5] != logDir || !strings.HasPrefix(logger[4], "!/bin/cat ") {
				t.Errorf("%v: the logger gets %q", shell, logger)
				continue
			}
			again := runReporter(t, dir, "sh", "-c", program+strings.TrimPrefix(logger[4], "!/bin/cat"))
			if !reflect.DeepEqual(again.Args[1:], []string{s}) {
				t.Errorf("%v: the processor gets %q, want %q", shell, again.Args[1:], s)
			}
			if err := os.Remove(fake + ".done"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestInitPaths: each init starts the script at the path that was meant, whatever
// that holds, after all that its own shell does with it.
func TestInitPaths(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	program := installReporter(t, dir)
	username, _ := someUser(t)
	for _, name := range []string{"supervise-daemon", "daemon", "start-stop-daemon"} {
		writeProgram(t, filepath.Join(dir, "bin", name), "#!/bin/sh\nexec "+program+" \"$@\"\n")
	}
	writeProgram(t, filepath.Join(dir, "bin/limits"), "#!/bin/sh\nshift 2\nexec \"$@\"\n")
	writeFile(t, filepath.Join(dir, "rc.subr"), strings.ReplaceAll(rcSubr, "$RC_CONF", dir+"/rc.conf"))
	writeFile(t, filepath.Join(dir, "rc.conf"), "awkward_enable=YES\n")
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	words := append(slices.Clone(starterAwkward[:]), "a   b", "* *", "[a b]*", "-x  '  y")
	for number, target := range []string{"openrc", "rcd", "sysv"} {
		harness := initHarness[target]
		for i, s := range words {
			if len(s) > 100 {
				s = s[:100]
			}
			scripts := filepath.Join(dir, fmt.Sprintf("%s %d", target, i), strings.ReplaceAll(s, "/", "_")+"x")
			logs := filepath.Join(dir, fmt.Sprintf("%s-%d-logs", target, i))
			for _, d := range []string{scripts, logs} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			writeProgram(t, filepath.Join(scripts, "awkward"), "#!/bin/sh\n")
			set := mustRender(t, target, load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: awkward
type: server
description: %s
run: {command: [%s], user: %s}
listen: {tcp: "127.0.0.1:8062"}
log: {dir: %s}
http: {mount: /a}
options: {%s: {wrapper_dir: %s, scgi_run: %s}}
`, yamlText("x"+s+"x"), yamlText(program), username, logPlace, target, yamlText(scripts), yamlText(program))))
			place := map[string]string{"openrc": "init.d", "rcd": "rc.d", "sysv": "init.d"}[target]
			f, ok := set.Get(target + "/" + place + "/awkward")
			if !ok {
				t.Fatalf("no script of %s", target)
			}
			text := strings.NewReplacer(logPlace, logs, "/etc/rc.subr", dir+"/rc.subr", "/usr/sbin/daemon", dir+"/bin/daemon", "/var/run/", dir+"/run/",
				"/run/", dir+"/run/", "PATH=/usr/local/sbin", "PATH="+dir+"/bin:/usr/local/sbin").Replace(string(f.Data))
			script := filepath.Join(dir, fmt.Sprintf("script %s %d", target, i))
			writeFile(t, script, text)
			for _, shell := range shellOf(t, i+number) {
				m := &initMachine{dir: dir, work: dir}
				out, _ := m.command(t, slices.Concat(shell, []string{"-c", harness, "sh", script})...)
				got, err := parseReport([]byte(out[:strings.LastIndexByte(out, 0)+1]))
				if err != nil {
					t.Fatalf("%s: %q under %v: %v", target, s, shell, err)
				}
				if want := filepath.Join(scripts, "awkward"); !slices.Contains(got.Args, want) {
					t.Errorf("%s: %v starts %q, want %q", target, shell, got.Args, want)
				}
			}
		}
	}
}
