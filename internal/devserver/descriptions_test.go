package devserver

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"scgikit/internal/appfile"
)

// newDesc returns a description with the defaults that matter here.
func newDesc(name, mount string) *appfile.App {
	return &appfile.App{
		APIVersion: appfile.APIVersion, Name: name, Description: name, Protocol: appfile.SCGI, Index: 1,
		Run: appfile.Run{
			Directory: "/", Umask: 0o027, MaxConcurrent: 16, Instances: 1,
			RequestTimeout: time.Minute, StartTimeout: 20 * time.Second, StopSignal: "TERM", StopTimeout: 10 * time.Second,
			Restart: appfile.Restart{Policy: appfile.RestartAlways, Delay: time.Millisecond, MaxDelay: time.Second, Burst: 5, Window: time.Minute},
		},
		HTTP: appfile.HTTP{
			Mount: mount, RedirectBare: true, MaxBody: 10 << 20, Buffering: true,
			Timeouts: appfile.Timeouts{Connect: 20 * time.Second, Send: 20 * time.Second, Read: 20 * time.Second},
		},
		Log: appfile.Log{MaxSize: 1 << 20},
	}
}

// oneshotDesc is an app that is started for each request.
func oneshotDesc(name, mount string) *appfile.App {
	a := newDesc(name, mount)
	a.Type = appfile.TypeCGI
	a.Instances = []*appfile.App{a}
	return a
}

// residentDesc is an app that listens on a socket in a temporary folder.
func residentDesc(t *testing.T, name, mount string, words ...string) *appfile.App {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a := newDesc(name, mount)
	a.Type = appfile.TypeServer
	a.Listen.Unix = filepath.Join(t.TempDir(), "s")
	a.Run.Env = map[string]string{roleVariable: "resident"}
	a.Run.Command = append([]string{self, a.Listen.Unix}, words...)
	a.Instances = []*appfile.App{a}
	return a
}

// freePort returns an address of the loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
