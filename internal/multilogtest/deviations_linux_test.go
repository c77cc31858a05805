package multilogtest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestDeviations shows each deviation: a scenario in which our program does as
// the model with all deviations says, and multilog as the model without any, and
// these two are not the same.
func TestDeviations(t *testing.T) {
	t.Parallel()
	const future = "@4000000080000000000000ff.s"
	clean := func(more Tree) Tree {
		more["a"], more["a/current"], more["a/state"] = dir(0o700), text(0o744, "old\n"), text(0o644, "")
		return more
	}
	alarm := Send(syscall.SIGALRM)
	for _, c := range []struct {
		name  string
		scene Scenario
	}{
		{name: "RefusesWords: a folder without ./", scene: simple("", "t main", "lost\n")},
		{name: "RefusesWords: an unknown word", scene: simple("", "x ./a", "x\n")},
		{name: "RefusesWords: t after the first word", scene: simple("", "./a t", "x\n")},
		{name: "RefusesWords: T after the first word", scene: simple("", "./a T", "x\n")},
		{name: "RefusesWords: t with a slash", scene: simple("", "test/main ./a", "x\n")},
		{name: "RefusesWords: e with a slash", scene: simple("", "./a e/main", "x\n")},
		{name: "RefusesWords: nothing is kept", scene: simple("", "t -* s5000", "x\n")},
		{name: "RefusesWords: no word", scene: simple("", "", "x\n")},
		{name: "RefusesWords: an empty word", scene: Scenario{Steps: []Step{{Kind: Start, Words: []string{"./a", ""}}, Feed("x\n"), End()}}},
		{
			name: "RefusesWords: nothing is touched before",
			scene: simple("", "=st ./a x", "x\n").
				with(Tree{"a": dir(0o700), "a/current": text(0o644, "old\n"), "a/previous": text(0o744, "older\n")}),
		},
		{name: "KeepsPartial", scene: Scenario{Steps: []Step{
			Run("t ./a"), Feed("x\ny"), Send(syscall.SIGKILL), {Kind: Show}, Run("t ./a"), Feed("z\n"), End(),
		}}},
		{name: "KeepsPartial: with the folders in another order", scene: Scenario{Steps: []Step{
			Run("./a ./b"), Feed("x\ny"), Send(syscall.SIGKILL), Run("./b ./a"), Feed("z\n"), Send(syscall.SIGTERM), Run("./a"), Feed("x\n"), End(),
		}}},
		{name: "KeepsPartial: killed twice", scene: Scenario{Steps: []Step{
			Run("./a"), Feed("x"), Send(syscall.SIGKILL), Run("./a"), Feed("y"), Send(syscall.SIGKILL), Run("./a"), Feed("z\n"), End(),
		}}},
		{name: "FreshScratch: modes", scene: Scenario{Tree: clean(Tree{"a/newstate": text(0o600, "stale")}), Steps: []Step{
			Run("!cat ./a"), alarm, End(),
		}}},
		{
			name: "FreshScratch: a finished file", scene: Scenario{
				Tree:  clean(twoNames("a/processed", "a/@400000005000000000000001.s", text(0o744, "finished\n"))),
				Steps: []Step{Run("!cat ./a"), alarm, End()},
			},
		},
		{name: "KeepsPrevious", scene: Scenario{Tree: clean(Tree{"a/previous": text(0o744, "older\n")}), Steps: []Step{
			Run("./a"), alarm, Feed("x\n"), End(),
		}}},
		{name: "OneName: status", scene: simple("", "=st", "x\n").with(twoNames("st", "other", text(0o644, "short")))},
		{
			name: "OneName: current", scene: simple("", "./a", "x\n").
				with(twoNames("a/current", "a/@400000005000000000000001.s", text(0o744, "finished\n")).add("a", dir(0o700))),
		},
		{name: "OnePause", scene: slowCases()[1]},
		{name: "WaitsForInput", scene: Scenario{Steps: []Step{
			{Kind: Unblock}, Run("./a"), Feed("x\n"), Feed("y"), Feed("z\n"), End(),
		}}},
		{name: "NewestStays", scene: Scenario{Tree: Tree{"a": dir(0o700), "a/" + future: text(0o744, "old\n")}, Steps: []Step{
			Run("n2 ./a"), Feed("new\n"), alarm, Feed("x\n"), End(),
		}}},
		{name: "OutlivesSignals: USR1", scene: Scenario{Steps: []Step{Run("./a"), Feed("x\n"), Send(syscall.SIGUSR1), Send(syscall.SIGTERM)}}},
		{name: "OutlivesSignals: USR2", scene: Scenario{Steps: []Step{Run("./a"), Feed("x\n"), Send(syscall.SIGUSR2), Send(syscall.SIGTERM)}}},
		{name: "OutlivesSignals: PIPE", scene: Scenario{Steps: []Step{Run("./a"), Feed("x\n"), Send(syscall.SIGPIPE), Send(syscall.SIGTERM)}}},
		{name: "OutlivesSignals: QUIT", scene: Scenario{Steps: []Step{Run("./a"), Feed("x\ny"), Send(syscall.SIGQUIT), Run("./a"), Feed("z\n"), End()}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			plain := Model{}.Predict(c.scene)
			if ours := (Model{Deviations: Ours()}).Predict(c.scene); ours == plain {
				t.Errorf("no deviation:\n%s", ours)
			}
			for _, p := range programs(t) {
				compare(t, p, c.scene)
			}
		})
	}
}

// TestReadError shows that an input that cannot be read is no end of input.
func TestReadError(t *testing.T) {
	for _, p := range programs(t) {
		dir := place(t)
		defer os.RemoveAll(dir)
		input, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer input.Close()
		cmd := exec.CommandContext(t.Context(), p.Path, append(p.Args, "./a")...)
		cmd.Dir, cmd.Stdin = dir, input
		out, _ := cmd.CombinedOutput()
		code, printed := 0, ""
		if p.name == "ours" {
			code, printed = 111, "multilog: fatal: unable to read input: is a directory\n"
		}
		if cmd.ProcessState.ExitCode() != code || string(out) != printed {
			t.Errorf("%s: %v, printed %q", p.name, cmd.ProcessState, out)
		}
	}
}

// TestOwnWords shows that the words that multilog does not know change nothing
// that a plain script does.
func TestOwnWords(t *testing.T) {
	for _, words := range []string{"S0 A0 R0 znone", "S100M A30d R30d"} {
		for _, s := range rotationCases() {
			changed := s
			changed.Steps = append([]Step{}, s.Steps...)
			for i, step := range s.Steps {
				if step.Kind != Start {
					continue
				}
				at := 0
				if strings.HasPrefix(step.Words[0], "t") {
					at = 1
				}
				changed.Steps[i].Words = append(append(append([]string{}, step.Words[:at]...), strings.Fields(words)...), step.Words[at:]...)
			}
			if got, want := drive(t, ours, changed), (Model{Deviations: Ours()}).Predict(s); got != want {
				t.Errorf("%s\n%s", describe(changed), difference(got, want))
			}
		}
	}
}
