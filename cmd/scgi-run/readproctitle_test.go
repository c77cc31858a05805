package main

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"scgikit/internal/need"
)

func TestReadProcTitle(t *testing.T) {
	t.Parallel()
	compare(t, "readproctitle", []usage{
		{name: "no arguments"},
		{name: "an empty one", args: []string{""}},
		{name: "four", args: []string{"....."[:4]}},
		{name: "only the last counts", args: []string{".....", "-h"}},
		{name: "five", args: []string{"....."}},
		{name: "end of input", args: []string{"x", "....."}, stdin: "text\n"},
		{name: "broken input", args: []string{"x", "....."}, starter: "exec </"},
	})
}

// TestTitle compares what the list of processes shows after each piece of
// input.
func TestTitle(t *testing.T) {
	t.Parallel()
	if !hasProc() {
		need.Missing(t, "proc")
	}
	for _, args := range [][]string{
		{"service", "errors:", strings.Repeat(".", 40)},
		{"....."},
		{"x", "anything at all, not dots"},
	} {
		var titles [2][]string
		for i, program := range []string{need.Program(t, "readproctitle"), link(t, "readproctitle")} {
			titles[i] = watch(t, program, args, "a", "bc\n", "\x00", "d\x00e", "\t\xff", strings.Repeat("long ", 100), strings.Repeat("x\x00y", 50), "end")
		}
		for i, want := range titles[0] {
			if got := titles[1][i]; got != want {
				t.Errorf("%q, after piece %d: title %q, want %q", args, i, got, want)
			}
		}
	}
}

// watch writes pieces to a program's input and returns its command line, without
// the name of the program, when each has been read.
func watch(t *testing.T, program string, args []string, pieces ...string) []string {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = []string{noRaceSleep}
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	last := len(args[len(args)-1])
	model := strings.Repeat(".", last)
	var titles []string
	for _, piece := range pieces {
		io.WriteString(out, piece)
		model += strings.ReplaceAll(piece, "\x00", "")
		want := model[:3] + model[len(model)-last+3:]
		var title string
		eventually(t, program+" shows "+strconv.Quote(want), func() bool {
			line, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cmdline")
			if err != nil {
				t.Fatal(err)
			}
			_, title, _ = strings.Cut(string(line), "\x00")
			return strings.HasSuffix(title, "\x00"+want+"\x00") || title == want+"\x00"
		})
		titles = append(titles, title)
	}
	out.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", program, err)
	}
	return titles
}
