package importer

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"scgikit/internal/need"
)

// TestExpand compares expand with sh.
func TestExpand(t *testing.T) {
	sh := need.Program(t, "sh")
	vars := map[string]string{"A": "one", "B": "two  words", "C": "", "D": `a\b`, "E": "*", "_f1": "'q'\"$A\""}
	for raw, can := range map[string]bool{
		`$A`: true, `${A}`: true, `x$A.y`: true, `"$A"`: true, `"${B}"`: true, `a"$B"'$B'`: true, `"$C"`: true, `"$D"`: true, `"$E"`: true, `"$_f1"`: true, `$_f1`: true,
		`\$A$A`: true, `"\$A\x\\\"$A"`: true, `"'$A'"`: true, `'"'$A`: true, `"it's $A"`: true, `$A"$B"$A`: true,
		`$B`: false, `$C`: false, `$D`: false, `$E`: false, `$U`: false, `$1`: false, `${A:-x}`: false, `${A`: false, `$(A)`: false, "`A`": false, "\"`A`\"": false,
		`$A*`: false, `~/$A`: false, `{$A,b}`: false, `"$A`: false, `$A'`: false, `$`: false, `$$`: false,
	} {
		room := maxExpanded
		text, ok := expand(raw, func(name string) (string, bool) { v, known := vars[name]; return v, known }, &room)
		if ok != can {
			t.Errorf("%s: %v", raw, ok)
		}
		if !ok {
			continue
		}
		cmd := exec.CommandContext(t.Context(), sh, "-c", "printf '[%s]' "+raw)
		cmd.Env = []string{"A=one", "B=two  words", "C=", `D=a\b`, "E=*", "_f1='q'\"$A\""}
		out, err := cmd.Output()
		if err != nil || string(out) != "["+text+"]" {
			t.Errorf("%s: sh has %s, and not [%s] (%v)", raw, out, text, err)
		}
	}
}

// TestManyVariables reads scripts whose variables grow, each line from the one
// before, or are very many: the script is left to the shell, and the line named.
func TestManyVariables(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&many, "v%d=1 :\n", i)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"doubled":   {"A=xxxxxxxxxxxxxxxx\n" + strings.Repeat("B=$A$A\nA=$B$B\n", 30), "run:14: assumed: run.command: the variables come to more than 131072 bytes in all"},
		"used":      {"A=" + strings.Repeat("x", 20000) + "\nexec setuidgid www /bin/x" + strings.Repeat(` "$A"`, 1000) + "\n", "run:3: assumed: run.command: the variables come to more than 131072 bytes in all"},
		"many":      {many.String(), "run:1002: assumed: run.command: more than 1000 variables"},
		"exported":  {"export" + strings.ReplaceAll(strings.ReplaceAll(many.String(), " :", ""), "\n", " ") + "\n", "run:2: assumed: run.command: more than 1000 variables"},
		"as before": {"A=1\nA=2 B=$A exec setuidgid www /bin/x $A $B\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := fstest.MapFS{"svc/run": {Data: []byte("#!/bin/sh\n" + tt.text), Mode: 0o755}}
			result, err := Read(t.Context(), Daemontools, m, "svc", "svc", new(Options))
			if err != nil || len(result.Apps) != 1 {
				t.Fatal(err, result)
			}
			said := ""
			for _, n := range result.Notes {
				said += n.String() + "\n"
			}
			if !strings.Contains(said, tt.want) {
				t.Errorf("nothing says %q:\n%s", tt.want, said)
			}
		})
	}
}

// TestReadStops ends a reading that nobody waits for.
func TestReadStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := fstest.MapFS{"svc/a/run": {Data: []byte("#!/bin/sh\nexec setuidgid www /bin/x\n"), Mode: 0o755}}
	for _, kind := range []Kind{Daemontools, Systemd, Supervisord, Procfile, Xinetd} {
		if _, err := Read(ctx, kind, m, "svc", "svc", new(Options)); err == nil {
			t.Errorf("%s: it goes on", kind)
		}
	}
}
