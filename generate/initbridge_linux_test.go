package generate_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// checkBridge starts the bridge, asks for its script, and stops it.
func (m *initMachine) checkBridge(t *testing.T, start, stop func()) {
	t.Helper()
	start()
	socket := filepath.Join(m.inside(m.run), "bridge/socket")
	t.Cleanup(func() {
		if data, err := os.ReadFile(filepath.Join(m.log, "bridge/current")); err == nil && t.Failed() {
			t.Logf("%s", data)
		}
	})
	listens := func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			err = conn.Close()
		}
		return err == nil
	}
	eventually(t, "the bridge to listen", listens)
	username, group := someUser(t)
	user, games := ids(t, username, group), ids(t, username, "games")
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o620 || info.Sys().(*syscall.Stat_t).Uid != uint32(user[0]) || info.Sys().(*syscall.Stat_t).Gid != uint32(games[1]) {
		t.Errorf("the socket: %+v, %v", info, err)
	}
	want := fmt.Sprintf("%d 0037 %d a  b s3cret 'key'  $(id) \"x\"  x  $y 'z'\n", user[0], ownNiceness(t)+3)
	for range 2 {
		head, body, _ := strings.Cut(askSCGI(t, "unix", socket, "/d", "", ""), "\r\n\r\n")
		if !strings.HasPrefix(head, "Status: 200 OK\r\n") || body != want {
			t.Errorf("%q %q, want %q", head, body, want)
		}
	}
	stop()
	eventually(t, "the end of the bridge", func() bool { return !listens() })
	m.loggerEnds(t, "bridge")
	if data, err := os.ReadFile(filepath.Join(m.log, "bridge/current")); err != nil || !strings.Contains(string(data), "a message") {
		t.Errorf("the log of the bridge: %q, %v", data, err)
	}
}
