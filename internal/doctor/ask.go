package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxSaid is what is kept of what a program says.
const maxSaid = 64 << 10

// bounded keeps the beginning of what is written to it.
type bounded struct{ b bytes.Buffer }

// Write never fails, so that a program that says a lot is not stopped by it.
func (w *bounded) Write(p []byte) (int, error) {
	w.b.Write(p[:min(len(p), maxSaid-w.b.Len())])
	return len(p), nil
}

// ask starts a program and returns what it says to either stream. It gets no
// terminal, nothing of this process' environment, and a time after which it is
// killed with all that it has started.
func ask(ctx context.Context, limit time.Duration, stdin, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out bounded
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdin = "/", strings.NewReader(stdin)
	// In this home nobody, not even root, makes a folder, as Caddy does in its first moments.
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/dev/null"}
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = limit / 4 // for a child that keeps the streams open
	err := cmd.Run()
	if ctx.Err() != nil || errors.Is(err, exec.ErrWaitDelay) {
		return out.b.String(), fmt.Errorf("did not answer within %v", limit)
	}
	return out.b.String(), err
}

// mayAsk returns why a program is not started, or "". As root only one is that
// root alone can change: the others' may be a trap in a folder of PATH.
func mayAsk(program string) string {
	if os.Geteuid() != 0 {
		return ""
	}
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		return "can not be read"
	}
	for at := real; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return "can not be read"
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && (st.Uid != 0 || info.Mode().Perm()&0o022 != 0) {
			return fmt.Sprintf("is not started to say its version: others than root may change %s", at)
		}
		if at == "/" || at == "." {
			return ""
		}
	}
}
