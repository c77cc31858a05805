package servertest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"scgikit/internal/need"
)

// OpenRCRoot is the folder below which the files of OpenRC are, or nothing: it is an
// init, and is not installed on a machine that has another.
func OpenRCRoot() string {
	root := os.Getenv("SCGIKIT_OPENRC")
	if _, err := os.Stat(filepath.Join(root, "sbin/openrc-run")); root == "" || err != nil {
		return ""
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

// EnterOpenRC makes such a machine with the scripts of a folder in its init.d, until
// the test ends, and returns the words that run a program on it. What such a
// program starts stays on it, and may be reached by what both have: ports, and
// sockets outside of /run.
func EnterOpenRC(t testing.TB, scripts string) []string {
	t.Helper()
	root := OpenRCRoot()
	if root == "" {
		need.Missing(t, "openrc")
	}
	unshare, nsenter := need.Program(t, "unshare"), need.Program(t, "nsenter")
	cmd := exec.Command(unshare, "--mount", "--propagation", "private", "sh", "-c", openrcMachine, "sh", root, scripts)
	printed := filepath.Join(t.TempDir(), "machine")
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
	Until(t, "the machine", func() bool {
		data, _ := os.ReadFile(printed)
		if bytes.Contains(data, []byte("ready\n")) {
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
	return []string{nsenter, "--target", strconv.Itoa(cmd.Process.Pid), "--mount"}
}
