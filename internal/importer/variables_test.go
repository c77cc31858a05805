package importer

import (
	"os/exec"
	"testing"

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
		text, ok := expand(raw, vars)
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
