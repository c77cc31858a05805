package devserver

import (
	"os/exec"
	"runtime"
	"syscall"
)

// OpenBrowser shows a URL in the user's browser, which outlives dev.
func OpenBrowser(url string) error {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	path, err := exec.LookPath(opener)
	if err != nil {
		return err
	}
	cmd := exec.Command(path, url)
	// A Ctrl-C on the terminal is for dev, not for the browser.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	// Only so that no zombie is left.
	go func() { _ = cmd.Wait() }()
	return nil
}
