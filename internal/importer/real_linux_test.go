package importer_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/generate"
	"scgikit/internal/fileset"
	"scgikit/internal/importer"
	"scgikit/internal/need"
)

// reporter writes what a program can see of how it was started: its words, its
// variables that begin with T_, its users, groups, folder, mask, limits and
// niceness. A name that appears is a report that is complete.
const reporter = `#!/bin/sh
out=$1
{
	for word; do printf '[%s]\n' "$word"; done
	env | grep -e ^T_ -e ^PORT= | sort
	echo "user $(id -u) group $(id -g) groups $(id -G)"
	echo "mask $(umask) nofile $(ulimit -Sn) $(ulimit -Hn) nproc $(ulimit -p) memory $(ulimit -v) nice $(nice)"
	echo "folder $(pwd)"
} >"$out.new" 2>&1
mv "$out.new" "$out"
`

// machine is a folder that other users can enter.
type machine struct{ dir string }

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // other users have to get in
		t.Fatal(err)
	}
	m := &machine{dir}
	for _, name := range []string{"", "out", "srv"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), map[bool]os.FileMode{true: 0o777, false: 0o755}[name == "out"]); err != nil {
			t.Fatal(err)
		}
	}
	m.write(t, "srv/report", reporter, 0o755)
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

// write makes a file; DIR in it is the machine's folder.
func (m *machine) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.path(name), []byte(strings.ReplaceAll(text, "DIR", m.dir)), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(m.path(name), mode); err != nil {
		t.Fatal(err)
	}
}

// run runs a program to its end, in a folder.
func (m *machine) run(t *testing.T, folder string, env []string, words ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = folder
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"}, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", words, err, out)
	}
}

// report returns the report, and takes it away.
func (m *machine) report(t *testing.T) string {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		data, err := os.ReadFile(m.path("out/report"))
		if err == nil {
			if err := os.Remove(m.path("out/report")); err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		if time.Now().After(deadline) {
			t.Fatal("no report")
		}
		<-time.After(10 * time.Millisecond)
	}
}

// importAndRender imports a set-up of the machine, renders it for a target, and
// writes the files to a folder of its own.
func (m *machine) importAndRender(t *testing.T, kind importer.Kind, name, target string, o *importer.Options) (folder string) {
	t.Helper()
	o.Targets = generate.OptionTypes()
	result, err := importer.Read(t.Context(), kind, os.DirFS("/"), strings.TrimPrefix(m.path(name), "/"), name, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range result.Notes {
		t.Log(n)
	}
	if len(result.Apps) != 1 {
		t.Fatalf("%d apps", len(result.Apps))
	}
	t.Log(result.Apps[0].Text)
	set := new(world).rendered(t, target, load(result.Apps[0].Text))
	if set == nil {
		t.Fatal("the target refuses it")
	}
	folder = m.path("generated")
	for _, f := range set.Files() {
		name := filepath.Join("generated", f.Path)
		switch f.Kind {
		case fileset.Dir:
			if err := os.MkdirAll(m.path(name), 0o755); err != nil {
				t.Fatal(err)
			}
		case fileset.Symlink:
			if err := os.Symlink(f.Link, m.path(name)); err != nil {
				t.Fatal(err)
			}
		case fileset.Regular:
			m.write(t, name, string(f.Data), f.Mode)
		}
	}
	return filepath.Join(folder, target, result.Apps[0].Name)
}

// TestRunsTheSame starts programs by run scripts in the manner of real ones, and
// by those that come of importing them: the program sees no difference.
func TestRunsTheSame(t *testing.T) {
	need.Root(t)
	tests := []struct {
		name     string
		kind     importer.Kind
		programs string
		run      string
	}{
		{"plain", importer.Daemontools, "setuidgid", "exec 2>&1\ncd DIR/srv\numask 022\nexec setuidgid nobody ./report DIR/out/report a 'b c' \"it's\" \\$x \"\" 'é\\'"},
		{
			"chain", importer.Daemontools, "setuidgid envdir softlimit",
			"exec 2>&1\numask 027\nulimit -S -n 512\ncd DIR/srv || exit 1\n# comment\nexec envdir DIR/svc/app/env nice -n 3 \\\n  setuidgid nobody softlimit -o 200 -p5000 -a 8589934592 DIR/srv/report DIR/out/report '*' '~' '`id`' ';'",
		},
		{"variables", importer.Daemontools, "setuidgid", "exec 2>&1\nT_A='x y' T_B=\nexport T_A T_B\nexport T_C=\"\\$z\"\numask 077\ncd DIR/srv\nexec env T_D=d setuidgid nobody env T_E='e f' ./report DIR/out/report"},
		{"script", importer.Daemontools, "setuidgid", "umask 022\nif true; then\nT_V=$(echo v); export T_V\ncd DIR/srv\nexec setuidgid nobody ./report DIR/out/report x\nfi"},
		{"own variables", importer.Daemontools, "setuidgid", "exec 2>&1\numask 022\nBASE=DIR/srv OUT=DIR/out/report\nNAME='a  b' X=1\nexport T_N=\"$NAME c\"\ncd \"${BASE}\" || exit 1\nX=2 T_X=$X exec setuidgid nobody \"$BASE\"/report $OUT \"${NAME}x\" '$NAME' \\$NAME \"\\$X$X\\x\" x$X\"*\""},
		{"own PATH", importer.Daemontools, "setuidgid", "exec 2>&1\numask 022\nPATH=/usr/local/bin:/usr/bin:/bin:DIR/srv\nexec setuidgid nobody report DIR/out/report a"},
		{"as root", importer.Daemontools, "setuidgid", "exec 2>&1\numask 022\nexec DIR/srv/report DIR/out/report"},
		{"chpst", importer.Runit, "chpst", "exec 2>&1\numask 002\ncd DIR/srv\nexec chpst -u nobody:daemon:users -e DIR/svc/app/env -o200 -n 4 DIR/srv/report DIR/out/report 'a  b'"},
		{"in PATH", importer.Runit, "chpst", "exec 2>&1\numask 022\nexec chpst -u nobody sh DIR/srv/report DIR/out/report p"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for program := range strings.FieldsSeq(tt.programs) {
				need.Program(t, program)
			}
			m := newMachine(t)
			m.write(t, "svc/app/run", "#!/bin/sh\n"+tt.run+"\n", 0o755)
			m.write(t, "svc/app/env/T_ENV", "of a file \nmore\n", 0o644)
			m.write(t, "svc/app/env/T_EMPTY", "\n", 0o644)
			m.run(t, m.path("svc/app"), nil, "./run")
			want := m.report(t)
			folder := m.importAndRender(t, tt.kind, "svc/app", string(tt.kind), new(importer.Options))
			m.run(t, folder, nil, "./run")
			if got := m.report(t); got != want {
				t.Errorf("the program sees\n%s\nand saw\n%s", got, want)
			}
		})
	}
}

// TestProcfileRunsTheSame starts a process of a Procfile as foreman does, through
// a shell with the variables of .env, and by the run script that comes of it.
func TestProcfileRunsTheSame(t *testing.T) {
	need.Root(t)
	setuidgid := need.Program(t, "setuidgid")
	for name, text := range map[string]string{
		"words": `./report DIR/out/report -p $PORT "a b" 'c$d' \* "--x=${PORT}"`,
		"shell": `T_X=x ./report DIR/out/report "$T_ENV" && true`,
		"value": `T_X='x y' exec ./report DIR/out/report`,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			command := strings.ReplaceAll(text, "DIR", m.dir)
			m.write(t, "srv/Procfile", "web: "+command+"\n", 0o644)
			m.write(t, "srv/.env", "T_ENV=\"of a \\\"file\\\"\"\nT_Q='a  b'\n", 0o644)
			m.run(t, m.path("srv"), []string{"PORT=5000", `T_ENV=of a "file"`, "T_Q=a  b"}, setuidgid, "nobody", "sh", "-c", "umask 022; "+command)
			want := m.report(t)
			folder := m.importAndRender(t, importer.Procfile, "srv/Procfile", "daemontools", &importer.Options{Users: map[string]string{"": "nobody"}})
			m.run(t, folder, nil, "./run")
			if got := m.report(t); got != want {
				t.Errorf("the program sees\n%s\nand saw\n%s", got, want)
			}
		})
	}
}

// TestSupervisordRunsTheSame starts a program by supervisord itself, and by the
// run script that comes of importing its configuration.
func TestSupervisordRunsTheSame(t *testing.T) {
	need.Root(t)
	need.Program(t, "setuidgid")
	supervisord := need.Program(t, "supervisord")
	m := newMachine(t)
	m.write(t, "etc/supervisord.conf", `[supervisord]
nodaemon=true
logfile=DIR/out/log
pidfile=DIR/out/pid
childlogdir=DIR/out
environment=T_COMMON="a,b",T_SITE=plain:x

[include]
files = conf.d/*.conf
`, 0o644)
	m.write(t, "etc/conf.d/web.conf", `[program:web]
command=DIR/srv/report DIR/out/report "a b" 'c d' e\ f --pct=50%% --site=%(ENV_T_SITE)s --n=%(process_num)02d %(here)s "q\"q" ; comment
directory=DIR/srv
user=nobody
umask=027
autorestart=false
startsecs=0
redirect_stderr=true
environment=T_KEY="v;1",
  T_MORE='x y',T_PLAIN=/a:b
`, 0o644)
	cmd := exec.CommandContext(t.Context(), supervisord, "-c", m.path("etc/supervisord.conf"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Dir = m.path("etc")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	want := m.report(t)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Logf("supervisord: %v\n%s", err, out.Bytes())
	}
	folder := m.importAndRender(t, importer.Supervisord, "etc/supervisord.conf", "daemontools", new(importer.Options))
	m.run(t, folder, nil, "./run")
	got := m.report(t)
	// supervisord raises the limits of its own, and gives no words about groups.
	if got, want = comparable(got), comparable(want); got != want {
		t.Errorf("the program sees\n%s\nand saw\n%s", got, want)
	}
}

// comparable leaves out the numbers of the limits.
func comparable(report string) string {
	var kept []string
	for line := range strings.Lines(report) {
		if mask, _, ok := strings.Cut(line, " nofile "); ok {
			line = mask + "\n"
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "")
}

// TestSystemdReadsTheSame has systemd read units in the manner of real ones, and
// those that come of importing them: it reads the same command and settings.
func TestSystemdReadsTheSame(t *testing.T) {
	m := newMachine(t)
	m.write(t, "units/uwsgi.service", `[Unit]
Description=the "uWSGI" server
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/echo --ini /etc/e.ini \
    --socket 127.0.0.1:3031 \
    "--name=a b" '--percent=%%' --cost=$$5 x\x20y --home=${T_HOME} "a;b" c'd'e
Environment="T_HOME=/srv/uwsgi" LANG=C.UTF-8 'T_Q=t\x41"q %%n'
Environment=T_N=%N
WorkingDirectory=/srv/my app
User=nobody
UMask=0007
Nice=5
LimitNOFILE=500
LimitCORE=64K
KillSignal=SIGQUIT
TimeoutStopSec=1min 30s
Restart=on-failure
RestartSec=5
KillMode=mixed
Type=exec
ProtectHome=yes
`, 0o644)
	m.write(t, "units/uwsgi.service.d/more.conf", "[Service]\nNice=7\nEnvironment=T_MORE=1\n", 0o644)
	want := systemdReads(t, m.path("units"))
	for i := range want { // systemd puts it in when it starts the program
		want[i] = strings.ReplaceAll(want[i], `"--home=\${T_HOME}"`, "--home=/srv/uwsgi")
	}
	m.importAndRender(t, importer.Systemd, "units/uwsgi.service", "systemd", new(importer.Options))
	got := systemdReads(t, m.path("generated/systemd"))
	if len(want) < 10 {
		t.Fatalf("systemd says little: %q", want)
	}
	if !slices.Equal(got, want) {
		t.Errorf("systemd reads\n%s\nand read\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// systemdReads returns what systemd understands of uwsgi.service.
func systemdReads(t *testing.T, units string) []string {
	t.Helper()
	var kept []string
	_, text, _ := strings.Cut(systemdDump(t, units, "uwsgi"), "-> Unit uwsgi.service:")
	text, _, _ = strings.Cut(text, "-> Unit ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, ": ")
		if slices.Contains([]string{"Description", "Command Line", "Environment", "UMask", "WorkingDirectory", "Nice", "LimitNOFILE", "LimitNOFILESoft", "LimitCORE", "LimitCORESoft", "User", "KillSignal", "TimeoutStopSec", "Restart", "RestartSec", "Type", "ProtectHome", "KillMode"}, name) {
			kept = append(kept, line)
		}
	}
	slices.Sort(kept)
	return kept
}

// systemdDump returns all that systemd understands of a service.
func systemdDump(t *testing.T, units, name string) string {
	t.Helper()
	program, ok := need.Find("systemd")
	if !ok {
		program = "/lib/systemd/systemd"
		if _, err := os.Stat(program); err != nil {
			need.Missing(t, "systemd")
		}
	}
	home := filepath.Join(units, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(units, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(units, "all.target"), []byte("[Unit]\nDefaultDependencies=no\nWants="+name+".service\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	words := []string{program, "--test", "--user", "--unit=all.target"}
	if os.Geteuid() == 0 {
		if err := os.Chown(home, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		words = append([]string{need.Program(t, "setpriv"), "--reuid", "65534", "--regid", "65534", "--clear-groups"}, words...)
	}
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "SYSTEMD_UNIT_PATH=" + units, "LC_ALL=C.UTF-8"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("systemd --test: %v: %s", err, stderr.Bytes())
	}
	return string(out)
}
