package generate_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/supervisetest"
)

// openrcRoot is the folder below which the files of OpenRC are: it is an init, and
// is not installed on a machine that has another.
func openrcRoot(t *testing.T) string {
	t.Helper()
	root := os.Getenv("SCGIKIT_OPENRC")
	if _, err := os.Stat(filepath.Join(root, "sbin/openrc-run")); root == "" || err != nil {
		need.Missing(t, "openrc")
	}
	return root
}

// openrcMachine is the script that makes a machine with OpenRC of this one, in
// file systems of its own, says so, and waits. What OpenRC would have made at boot
// is made by hand.
const openrcMachine = `set -e
mount -t tmpfs none /mnt
over() {
	mkdir -p "/mnt/$1/low" "/mnt/$1/up" "/mnt/$1/work"
	cp -r "$root/$1/." "/mnt/$1/low/"
	mount -t overlay overlay -o "lowerdir=/mnt/$1/low:$2,upperdir=/mnt/$1/up,workdir=/mnt/$1/work" "$2"
}
root=$1
over lib "$(readlink -f /lib)"
over sbin "$(readlink -f /sbin)"
over bin "$(readlink -f /bin)"
over etc /etc
mount -t tmpfs none /run
for d in starting started stopping inactive wasinactive failed hotplugged daemons options exclusive scheduled tmp; do
	mkdir -p "/run/openrc/$d"
done
touch /run/openrc/softlevel /etc/insserv.conf
mkdir -p /etc/conf.d
cp "$2"/* /etc/init.d/
printf '#!/sbin/openrc-run\n' >/etc/init.d/localmount
chmod 755 /etc/init.d/localmount
ln -s /etc/init.d/localmount /run/openrc/started/
echo ready
exec sleep 1000
`

// enterOpenRC makes the machine, with scripts in its init.d.
func (m *initMachine) enterOpenRC(t *testing.T, scripts map[string][]byte) {
	t.Helper()
	root, unshare, nsenter := openrcRoot(t), need.Program(t, "unshare"), need.Program(t, "nsenter")
	for name, data := range scripts {
		writeProgram(t, filepath.Join(m.dir, "init.d", name), string(data))
	}
	cmd := exec.Command(unshare, "--mount", "--propagation", "private", "sh", "-c", openrcMachine, "sh", root, filepath.Join(m.dir, "init.d"))
	printed := filepath.Join(m.dir, "machine")
	out, err := os.Create(printed)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended already
		<-ended
	})
	eventually(t, "the machine", func() bool {
		data, _ := os.ReadFile(printed)
		if strings.Contains(string(data), "ready\n") {
			return true
		}
		select {
		case err := <-ended:
			ended <- err
			t.Logf("%v: %s", err, data)
			need.Missing(t, "unshare of mounts, with overlays")
		default:
		}
		return false
	})
	// unshare has become sh, and that sleep.
	m.enter = []string{nsenter, "--target", fmt.Sprint(cmd.Process.Pid), "--mount"}
}

// TestOpenRC runs the generated scripts with the real openrc-run and
// supervise-daemon.
func TestOpenRC(t *testing.T) {
	t.Parallel()
	m, scripts := newInitMachine(t, "openrc", false)
	m.enterOpenRC(t, scripts)
	const full = "/etc/init.d/full-app"
	child := func(service string) string {
		return filepath.Join(m.inside("/run/openrc/options"), service, "child_pid")
	}
	m.does(t, 3, full, "status")
	m.does(t, 0, full, "start")
	pid := m.pid(t, child("full-app"), "serve")
	t.Cleanup(func() { m.kill(pid) })
	requireText(t, filepath.Join(m.work, "serves"), "")
	m.checkProcess(t, pid)
	m.checkLog(t)
	m.does(t, 0, full, "status")
	m.does(t, 0, full, "start")
	if again := m.pid(t, child("full-app"), "serve"); again != pid {
		t.Errorf("a second start makes another process: %d, %d", pid, again)
	}
	m.does(t, 0, full, "reload")
	requireText(t, filepath.Join(m.work, "signals"), "USR1\n")

	// It is started again, as it was, with the same log.
	m.kill(pid)
	again := pid
	eventually(t, "another process", func() bool {
		again = m.pid(t, child("full-app"), "serve")
		return again != pid
	})
	t.Cleanup(func() { m.kill(again) })
	m.checkProcess(t, again)
	eventually(t, "its lines in the log", func() bool {
		data, _ := os.ReadFile(filepath.Join(m.log, "full/current"))
		return strings.Count(string(data), "started as a  b\n") == 2
	})
	m.does(t, 0, full, "stop")
	requireText(t, filepath.Join(m.work, "signals"), "USR1\nQUIT\n")
	if supervisetest.Alive(again) {
		t.Error("it runs after its stop")
	}
	m.loggerEnds(t, "full-app")
	m.does(t, 3, full, "status")

	m.does(t, 0, "/etc/init.d/stubborn", "start")
	stubborn := m.pid(t, child("stubborn"), "stubborn")
	t.Cleanup(func() { m.kill(stubborn) })
	m.checkStubborn(t, stubborn, func() { m.does(t, 0, "/etc/init.d/stubborn", "stop") })

	m.checkBridge(t, func() { m.does(t, 0, "/etc/init.d/bridge", "start") }, func() { m.does(t, 0, "/etc/init.d/bridge", "stop") })

	if err := os.Remove(filepath.Join(m.work, "broken")); err != nil {
		t.Fatal(err)
	}
	if out := m.does(t, 1, "/etc/init.d/broken", "start"); !strings.Contains(out, "work  dir/broken is no program") {
		t.Errorf("without its program: %s", out)
	}
}
