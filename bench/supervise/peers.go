//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is a supervisor.
type peer struct {
	name      string
	argv      []string // before the scan folder
	logRun    string   // what log/run becomes; "" where it keeps the logs itself
	config    bool     // it reads one file in place of folders
	stampless bool
}

// findPeers returns those that are there, ours first.
func findPeers(bin string) []peer {
	all := []peer{
		{name: "scgi-run", argv: []string{filepath.Join(bin, "scgi-run"), "supervise"}, logRun: "multilog t s16777215 n1000 ./main"},
		{name: "daemontools", argv: []string{"svscan"}, logRun: "multilog t s16777215 n1000 ./main"},
		{name: "runit", argv: []string{"runsvdir"}, logRun: "svlogd -t ./main"},
		{name: "s6", argv: []string{"s6-svscan", "-c2000"}, logRun: "s6-log t s16777215 n1000 ./main"},
		{name: "supervisord", argv: []string{"supervisord", "-n", "-c"}, config: true, stampless: true},
	}
	var found []peer
	for _, p := range all {
		if _, err := exec.LookPath(p.argv[0]); err != nil {
			fmt.Fprintf(os.Stderr, "supervise: %s is not on this machine, and not measured\n", p.argv[0])
			continue
		}
		found = append(found, p)
	}
	return found
}

func serviceName(i int) string { return fmt.Sprintf("s%d", i) }

// makeFolders makes the services of a peer below dir and returns what its
// argument is.
func (p peer) makeFolders(dir string, n int, program string) (string, error) {
	for i := range n {
		service := filepath.Join(dir, serviceName(i+1))
		if err := os.MkdirAll(filepath.Join(service, "log", "main"), 0o755); err != nil {
			return "", err
		}
		if p.config {
			continue
		}
		if err := os.Symlink(program, filepath.Join(service, "run")); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(service, "log", "run"), []byte("#!/bin/sh\nexec "+p.logRun+"\n"), 0o755); err != nil {
			return "", err
		}
		if p.name == "runit" {
			if err := os.WriteFile(filepath.Join(service, "log", "main", "config"), []byte("s16777215\nn1000\n"), 0o600); err != nil {
				return "", err
			}
		}
	}
	if !p.config {
		return dir, nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "[supervisord]\nlogfile=%s/log\npidfile=%s/pid\nchildlogdir=%s\nminfds=20000\nminprocs=2000\n", dir, dir, dir)
	for i := range n {
		service := filepath.Join(dir, serviceName(i+1))
		fmt.Fprintf(&text, "[program:%s]\ncommand=%s\ndirectory=%s\nautorestart=true\nstartsecs=0\nstdout_logfile=%s/log/main/current\nstdout_logfile_maxbytes=16MB\nstdout_logfile_backups=100\nredirect_stderr=true\n",
			serviceName(i+1), program, service, service)
	}
	conf := filepath.Join(dir, "conf")
	return conf, os.WriteFile(conf, []byte(text.String()), 0o600)
}
