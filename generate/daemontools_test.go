package generate_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/need"
	"scgikit/logrotate"
)

// awkwardServer describes a server with a string in every field that a
// service folder carries. Further are the rest of the log's fields and what
// follows: noStamp, or what loggedByOurs returns.
func awkwardServer(t *testing.T, s, user, dir, logDir, further string) string {
	t.Helper()
	value := strings.TrimRight(s, " ")
	return fmt.Sprintf(`apiVersion: scgikit/v1
name: awkward
type: server
run:
  command: [%[5]s, %[1]s, "", last]
  directory: %[3]s
  user: %[2]s
  env: {VALUE: %[4]s, PATH: %[4]s, LD_AWKWARD: %[1]s, EMPTY: ""}
listen: {tcp: "127.0.0.1:8062"}
http: {mount: /a}
log: {dir: %[6]s, filter: [%[7]s], processor: [/bin/cat, %[1]s], %[8]s}
`, yamlText(s), user, yamlText(dir), yamlText(value), yamlText(reporter), yamlText(logDir), yamlText("-"+s), further)
}

// noStamp leaves the log to multilog.
const noStamp = "timestamp: none"

// loggedByOurs asks for a log that only scgi-run writes, which stands at a path.
func loggedByOurs(program string) string {
	return "timestamp: iso, max_total: 1MiB, max_age: 7d, rotate_after: 90m, compress: gzip}\n" +
		"options: {daemontools: {scgi_run: " + yamlText(program) + "}"
}

// TestDaemontoolsAwkward runs the generated run and log/run with the real
// envdir, setuidgid and softlimit, and awkward strings in every field.
func TestDaemontoolsAwkward(t *testing.T) {
	t.Parallel()
	need.Root(t)
	for _, program := range []string{"envdir", "setuidgid", "softlimit"} {
		need.Program(t, program)
	}
	dir := publicDir(t)
	program := installReporter(t, dir)
	fakes := fakePrograms(t, dir, program)
	username, _ := someUser(t)
	for i, s := range starterAwkward {
		work := filepath.Join(dir, fmt.Sprintf("work %d %.40s", i, strings.ReplaceAll(s, "/", "_")), "x")
		if err := os.MkdirAll(work, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(program, filepath.Join(work, reporter)); err != nil {
			t.Fatal(err)
		}
		logDir := logPlace + "/" + strings.ReplaceAll(s, "/", "_")
		set := mustRender(t, "daemontools", load(t, awkwardServer(t, s, username, work, logDir, noStamp)))
		service := filepath.Join(dir, fmt.Sprintf("service %d", i))
		install(t, set, "daemontools/awkward", service)
		set = mustRender(t, "daemontools", load(t, awkwardServer(t, s, username, work, logDir, loggedByOurs(logDir))))
		ours := filepath.Join(dir, fmt.Sprintf("ours %d", i))
		install(t, set, "daemontools/awkward", ours)
		for _, shell := range shellOf(t, i) {
			got := runReporter(t, service, append(shell, "./run")...)
			if want := []string{"./" + reporter, s, "", "last"}; !reflect.DeepEqual(got.Args, want) {
				t.Errorf("%v: started with %q, want %q", shell, got.Args, want)
			}
			if got.Dir != work {
				t.Errorf("%v: in %s, want %s", shell, got.Dir, work)
			}
			value := strings.TrimRight(s, " ")
			for name, want := range map[string]string{"VALUE": value, "PATH": value, "LD_AWKWARD": s, "EMPTY": ""} {
				if is, ok := got.env(name); !ok || is != want {
					t.Errorf("%v: %s is %q, want %q", shell, name, is, want)
				}
			}
			checkLogWords(t, append(shell, "./run"), filepath.Join(service, "log"), fakes, []string{
				"setuidgid", username, "multilog", "-" + s, "s1048576", "n11", "", logDir,
			}, []string{"/bin/cat", s})
			checkLogWords(t, append(shell, "./run"), filepath.Join(ours, "log"), fakes, []string{
				"setuidgid", username, logDir, "multilog", "T", "-" + s, "s1048576", "n11", "S1048576", "A7d", "R90m", "zgzip", "", logDir,
			}, []string{"/bin/cat", s})
		}
	}
}

// fakePrograms returns a folder in which setuidgid is the reporter.
func fakePrograms(t *testing.T, dir, program string) string {
	t.Helper()
	fakes := filepath.Join(dir, "fakes")
	if err := os.Mkdir(fakes, 0o755); err != nil {
		t.Fatal(err)
	}
	text := "#!/bin/sh\nexec " + program + " setuidgid \"$@\"\n"
	if err := os.WriteFile(filepath.Join(fakes, "setuidgid"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return fakes
}

// checkLogWords runs log/run with a setuidgid that reports its words. The
// processor's word is what multilog gives to sh -c.
func checkLogWords(t *testing.T, command []string, dir, fakes string, want, processor []string) {
	t.Helper()
	got := runReporter(t, dir, append([]string{"env", "PATH=" + fakes + ":" + os.Getenv("PATH")}, command...)...)
	words := got.Args[1:]
	at := len(want) - 2
	if len(words) != len(want) || !strings.HasPrefix(words[at], "!") {
		t.Fatalf("multilog gets %q", words)
	}
	if _, err := logrotate.ParseScript(words[slices.Index(words, "multilog")+1:]); err != nil {
		t.Errorf("scgi-run multilog does not understand %q: %v", words, err)
	}
	command = append([]string{}, filepath.Join(filepath.Dir(fakes), reporter))
	again := runReporter(t, dir, "sh", "-c", command[0]+" "+words[at][1:])
	if !reflect.DeepEqual(again.Args[1:], processor) {
		t.Errorf("the processor %q runs %q, want %q", words[at], again.Args[1:], processor)
	}
	words[at] = ""
	if !reflect.DeepEqual(words, want) {
		t.Errorf("multilog gets %q, want %q", words, want)
	}
}

// service is a service folder under the real svscan.
type service struct {
	dir    string
	svscan *exec.Cmd
}

// superviseIt puts a service folder under svscan, and takes it away when the
// test ends.
func superviseIt(t *testing.T, fill func(dir string)) *service {
	t.Helper()
	for _, program := range []string{"svscan", "supervise", "svc", "svstat", "multilog", "setuidgid", "softlimit", "envdir"} {
		need.Program(t, program)
	}
	scan := filepath.Join(publicDir(t), "scan")
	if err := os.Mkdir(scan, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &service{dir: filepath.Join(scan, "app")}
	// Built elsewhere and then renamed: svscan looks for log/ only once.
	building := filepath.Join(filepath.Dir(scan), "building")
	fill(building)
	if err := os.Rename(building, s.dir); err != nil {
		t.Fatal(err)
	}
	s.svscan = exec.CommandContext(context.WithoutCancel(t.Context()), need.Program(t, "svscan"), scan)
	s.svscan.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin:" + os.Getenv("PATH")}
	s.svscan.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.svscan.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.end(t) })
	return s
}

// end stops svscan, which would start what ends, then the service and its log.
func (s *service) end(t *testing.T) {
	t.Helper()
	if err := s.svscan.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = s.svscan.Wait() // it was killed
	log := filepath.Join(s.dir, "log")
	out, err := exec.Command(need.Program(t, "svc"), "-dx", s.dir, log).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("svc -dx: %v: %s", err, out)
	}
	eventually(t, "the end of supervise", func() bool {
		return strings.Contains(s.stat(t, s.dir), "supervise not running") && strings.Contains(s.stat(t, log), "supervise not running")
	})
}

func (s *service) stat(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command(need.Program(t, "svstat"), dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(string(out), dir+": ")
}

// pid waits until the service is up, and its program is the one meant, and
// returns its process.
func (s *service) pid(t *testing.T, program string) int {
	t.Helper()
	up := regexp.MustCompile(`^up \(pid ([0-9]+)\)`)
	pid := 0
	eventually(t, "the start of "+program, func() bool {
		found := up.FindStringSubmatch(s.stat(t, s.dir))
		if found == nil {
			return false
		}
		pid, _ = strconv.Atoi(found[1])
		exe, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return bytes.HasPrefix(exe, []byte(program+"\x00"))
	})
	return pid
}

// procFile reads a file of a process.
func procFile(t *testing.T, pid int, name string) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// requireLine requires a line of a process file, with its blanks made single.
func requireLine(t *testing.T, text, want string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.Join(strings.Fields(line), " "), want) {
			return
		}
	}
	t.Errorf("no line %q in\n%s", want, text)
}

// TestDaemontoolsService runs a generated folder under the real svscan,
// supervise and multilog: the process is what the description says, its lines
// arrive with a stamp, and it stops when told.
func TestDaemontoolsService(t *testing.T) {
	t.Parallel()
	need.Root(t)
	username, group := someUser(t)
	dir := publicDir(t)
	work := filepath.Join(dir, "work dir")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	writeProgram(t, filepath.Join(work, "serve"), "#!/bin/sh\necho started as \"$1\"\necho on stderr >&2\nexec sleep 1000\n")
	secret, envFile := filepath.Join(dir, "key"), filepath.Join(dir, "env file")
	for file, text := range map[string]string{secret: "s3cret 'key'\nmore\n", envFile: "FROM_FILE= $(id) \"x\" \n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set := mustRender(t, "daemontools", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: full
type: server
run:
  command: [serve, "a  b"]
  directory: %s
  user: %s
  umask: "0037"
  env: {PLAIN: "x $$y 'z'", EMPTY: ""}
  env_file: %s
  secrets: {KEY: {file: %s}}
  limits: {nofile: 77, nproc: 5000, memory: 8GiB, core: 1MiB, cpu_seconds: 99}
  nice: 3
listen: {tcp: "127.0.0.1:8063"}
log: {max_size: 4096, keep: 2}
http: {mount: /a}
`, yamlText(work), username, yamlText(envFile), yamlText(secret))))
	s := superviseIt(t, func(dir string) { install(t, set, "daemontools/full", dir) })
	pid := s.pid(t, "sleep")

	status := procFile(t, pid, "status")
	u, g := os.FileMode(0o037), ids(t, username, group)
	requireLine(t, status, fmt.Sprintf("Umask: %04o", u))
	requireLine(t, status, fmt.Sprintf("Uid: %[1]d %[1]d %[1]d %[1]d", g[0]))
	requireLine(t, status, fmt.Sprintf("Gid: %[1]d %[1]d %[1]d %[1]d", g[1]))
	requireLine(t, status, fmt.Sprintf("Groups: %d", g[1]))
	limits := procFile(t, pid, "limits")
	for _, want := range []string{
		"Max open files 77 ", "Max processes 5000 ", "Max address space 8589934592 ", "Max core file size 1048576 ", "Max cpu time 99 ",
	} {
		requireLine(t, limits, want)
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != work {
		t.Errorf("it runs in %s, want %s (%v)", cwd, work, err)
	}
	environ := strings.Split(procFile(t, pid, "environ"), "\x00")
	got := report{Env: environ}
	for name, want := range map[string]string{"PLAIN": "x $y 'z'", "EMPTY": "", "KEY": "s3cret 'key'", "FROM_FILE": ` $(id) "x" `} {
		if is, ok := got.env(name); !ok || is != want {
			t.Errorf("%s is %q, want %q", name, is, want)
		}
	}
	if fields, want := strings.Fields(procFile(t, pid, "stat")), fmt.Sprint(ownNiceness(t)+3); fields[18] != want {
		t.Errorf("niceness %s, want %s", fields[18], want)
	}

	stamped := regexp.MustCompile(`^@[0-9a-f]{24} started as a  b\n@[0-9a-f]{24} on stderr\n$`)
	current := filepath.Join(s.dir, "log/main/current")
	eventually(t, "the log", func() bool {
		data, err := os.ReadFile(current)
		return err == nil && stamped.Match(data)
	})
	if info, err := os.Stat(filepath.Join(s.dir, "log/main")); err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(g[0]) || info.Mode().Perm() != 0o750 {
		t.Errorf("log/main: %v, %v", info, err)
	}
}

// TestDaemontoolsDown keeps a service down, and finds log.dir behind log/main.
func TestDaemontoolsDown(t *testing.T) {
	t.Parallel()
	need.Root(t)
	username, group := someUser(t)
	dir := publicDir(t)
	writeProgram(t, filepath.Join(dir, "serve"), "#!/bin/sh\necho here\nexec sleep 1000\n")
	logDir := filepath.Join(dir, "the-log")
	if err := os.Mkdir(logDir, 0o700); err != nil {
		t.Fatal(err)
	}
	id := ids(t, username, group)
	if err := os.Chown(logDir, id[0], id[1]); err != nil {
		t.Fatal(err)
	}
	set := mustRender(t, "daemontools", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: down
type: server
run: {command: [%s], user: %s}
listen: {tcp: "127.0.0.1:8064"}
log: {dir: %s, timestamp: none}
http: {mount: /a}
options: {daemontools: {down: true, bin_dir: %s}}
`, yamlText(filepath.Join(dir, "serve")), username, logPlace, filepath.Dir(need.Program(t, "setuidgid")))))
	set = moveLogs(t, set, logDir)
	s := superviseIt(t, func(dir string) { install(t, set, "daemontools/down", dir) })
	eventually(t, "the start of supervise", func() bool { return strings.HasPrefix(s.stat(t, s.dir), "down ") })
	if out, err := exec.Command(need.Program(t, "svc"), "-u", s.dir).CombinedOutput(); err != nil {
		t.Fatalf("svc -u: %v: %s", err, out)
	}
	s.pid(t, "sleep")
	eventually(t, "the log", func() bool {
		data, err := os.ReadFile(filepath.Join(s.dir, "log/main/current"))
		return err == nil && string(data) == "here\n"
	})
	requireFile(t, filepath.Join(logDir, "current"))
}

// TestDaemontoolsEnvFile refuses, while still root, what would change how the
// next program starts, and evaluates nothing.
func TestDaemontoolsEnvFile(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	envFile := filepath.Join(dir, "env")
	program := installReporter(t, dir)
	// setuidgid and softlimit that do nothing but start the rest, so that
	// nobody needs to be root.
	writeProgram(t, filepath.Join(dir, "bin/setuidgid"), "#!/bin/sh\nshift\nexec \"$@\"\n")
	writeProgram(t, filepath.Join(dir, "bin/softlimit"), "#!/bin/sh\nshift 2\nexec \"$@\"\n")
	set := mustRender(t, "daemontools", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: envfile
type: server
run: {command: [%s], user: nobody, env_file: %s}
listen: {tcp: "127.0.0.1:8065"}
http: {mount: /a}
options: {daemontools: {bin_dir: %s}}
`, yamlText(program), yamlText(envFile), yamlText(filepath.Join(dir, "bin")))))
	service := filepath.Join(dir, "service")
	if err := os.Mkdir(service, 0o755); err != nil {
		t.Fatal(err)
	}
	run, _ := set.Get("daemontools/envfile/run")
	writeProgram(t, filepath.Join(service, "run"), string(run.Data))
	for number, shell := range shells(t) {
		for i, s := range starterAwkward {
			if i%3 != number && !need.Thorough() {
				continue
			}
			writeFile(t, envFile, "# a comment\n\nVALUE="+s+"\nOTHER=x=y")
			got := runReporter(t, service, append(shell, "./run")...)
			if is, ok := got.env("VALUE"); !ok || is != s {
				t.Errorf("%v: VALUE is %q, want %q", shell, is, s)
			}
			if is, _ := got.env("OTHER"); is != "x=y" {
				t.Errorf("%v: OTHER is %q", shell, is)
			}
		}
		mark := filepath.Join(dir, "evaluated")
		for _, bad := range []string{
			"LD_PRELOAD=/x.so", "PATH=/x", "IFS=x", "BASH_ENV=/x", "no assignment", "1A=x", "A B=x", "A-B=x", "$(touch " + mark + ")=x", "A$(touch " + mark + ")=x",
		} {
			writeFile(t, envFile, bad+"\n")
			cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:len(shell):len(shell)], "./run")...)
			cmd.Dir = service
			if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 111 || !bytes.Contains(out, []byte("the env file")) {
				t.Errorf("%v with %q: %v: %s", shell, bad, err, out)
			}
		}
		requireNoFile(t, mark)
	}
}

// ids returns the numbers of a user and a group.
func ids(t *testing.T, username, group string) [2]int {
	t.Helper()
	out, err := exec.Command("sh", "-c", `id -u "$1"; getent group "$2" | cut -d: -f3`, "sh", username, group).Output()
	if err != nil {
		t.Fatal(err)
	}
	var id [2]int
	if _, err := fmt.Sscan(string(out), &id[0], &id[1]); err != nil {
		t.Fatal(err)
	}
	return id
}

func writeProgram(t *testing.T, file, text string) {
	t.Helper()
	writeFile(t, file, text)
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
}
