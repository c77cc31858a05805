package inetdconf_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/inetdconf"
	"scgikit/internal/loopback"
	"scgikit/internal/need"
)

// reporter says on the connection what its arguments are. It can not say what
// its own name is, because it is a script.
const reporter = "#!/bin/sh\nprintf '%s\\0' \"$@\"\n"

// rawArguments are ends of lines as they stand, with quotes, comment signs and
// blanks in odd places.
var rawArguments = [...]string{
	"plain", "a b  c ", "a\tb", `"a b" 'c "d' e'f`, `a"b c"d`, `"un paired`, `'un paired`, `x 'un"term`, `''  ""`, `"" x`, `"a"b`, `"a"'b'`,
	`\n \" \`, "#x", "x #y", "x#y", "$HOME `id` $(id) %s", "é 日本", "{a,b} * ? ~", "a;b&c|d<e>f", "=x a=b", strings.Repeat("1 ", 12),
	strings.Repeat("1 ", 30), strings.Repeat("x", 700),
}

// TestRealPrograms lets the inetds that run here read odd lines, and requires
// that they start programs with the arguments that this package reads.
func TestRealPrograms(t *testing.T) {
	t.Parallel()
	t.Run("openbsd", func(t *testing.T) {
		t.Parallel()
		compare(t, inetdconf.OpenBSD, need.Program(t, "inetd"), "-d")
	})
	t.Run("inetutils", func(t *testing.T) {
		t.Parallel()
		compare(t, inetdconf.Inetutils, need.Program(t, "inetutils-inetd"), "-d", "-p"+filepath.Join(t.TempDir(), "pid"))
	})
}

func compare(t *testing.T, d inetdconf.Dialect, program string, flags ...string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "report")
	if err := os.WriteFile(path, []byte(reporter), 0o700); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		need.Missing(t, "an account for this user: "+err.Error())
	}
	var text strings.Builder
	first, err := loopback.FreePorts(len(rawArguments))
	if err != nil {
		t.Fatal(err)
	}
	for i, raw := range rawArguments {
		fmt.Fprintf(&text, "127.0.0.1:%d stream tcp4 nowait.100 %s %s name %s\n", first+i, me.Username, path, raw)
	}
	entries, _ := inetdconf.Parse(d, text.String())
	if len(entries) != len(rawArguments) {
		t.Fatalf("%d entries are read of %d", len(entries), len(rawArguments))
	}
	conf := filepath.Join(dir, "inetd.conf")
	if err = os.WriteFile(conf, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, append(flags, conf)...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // a signal ended it
		if t.Failed() {
			t.Logf("%s", output.Bytes())
		}
	})
	for i, e := range entries {
		if got, want := string(answer(t, "127.0.0.1:"+e.Service)), strings.Join(e.Args[1:], "\x00")+"\x00"; got != want {
			t.Errorf("%q starts the program with\n%q, and is read as\n%q", rawArguments[i], got, want)
		}
	}
}

// answer connects, again and again until inetd listens, and reads all there is.
func answer(t *testing.T, addr string) []byte {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return readAll(t, conn)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

// readAll reads to the end of a connection and closes it.
func readAll(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
