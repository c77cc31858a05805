package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/tai64n"
)

// filtered is what a filter made of its input.
type filtered struct {
	out, err string
	code     int
}

// runFilter runs a program with an input that comes in the given pieces, a
// write each.
func runFilter(t *testing.T, program string, env []string, pieces ...[]byte) filtered {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append([]string{noRaceSleep}, env...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, piece := range pieces {
		if _, err := in.Write(piece); err != nil {
			t.Error(err)
		}
	}
	in.Close()
	err = cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return filtered{out.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// cut splits an input into pieces of random sizes.
func cut(random *rand.Rand, input []byte) [][]byte {
	var pieces [][]byte
	for len(input) > 0 {
		n := min(1+random.IntN(1+random.IntN(5000)), len(input))
		pieces, input = append(pieces, input[:n]), input[n:]
	}
	return pieces
}

// stampPattern is a label of the resolution that daemontools has: microseconds,
// in the middle of each.
var stampPattern = regexp.MustCompile(`@[0-9a-f]{24} `)

// TestTAI64N compares with the real tai64n: everything but the time is equal,
// and the time is now.
func TestTAI64N(t *testing.T) {
	t.Parallel()
	theirs, ours := need.Program(t, "tai64n"), link(t, "tai64n")
	random := rand.New(rand.NewPCG(3, 4))
	inputs := [][]byte{
		nil, []byte("\n"), []byte("a"), []byte("a\n"), []byte("\n\n\nb"), []byte("a\x00b\xff\r\n"),
		bytes.Repeat([]byte("x"), 200_000), append(bytes.Repeat([]byte("y"), 65536), '\n'), bytes.Repeat([]byte("z\n"), 70_000),
	}
	more := 10
	if need.Thorough() {
		more = 100
	}
	for range more {
		inputs = append(inputs, randomLines(random))
	}
	for i, input := range inputs {
		pieces := cut(random, input)
		start := time.Now().Truncate(time.Microsecond)
		got, want := runFilter(t, ours, nil, pieces...), runFilter(t, theirs, nil, pieces...)
		for label := range stampsOf(t, got.out, len(input)) {
			when, err := tai64n.Parse(label)
			if err != nil || when.Before(start) || when.After(time.Now().Add(time.Microsecond)) || when.Nanosecond()%1000 != 500 {
				t.Errorf("input %d: label %s: %v, %v", i, label, when, err)
			}
		}
		got.out, want.out = stampPattern.ReplaceAllString(got.out, "@ "), stampPattern.ReplaceAllString(want.out, "@ ")
		if got != want {
			t.Errorf("input %d: got %.200q, want %.200q", i, fmt.Sprint(got), fmt.Sprint(want))
		}
	}
}

// stampsOf returns the labels at the beginnings of the lines.
func stampsOf(t *testing.T, text string, inputSize int) map[string]bool {
	t.Helper()
	labels := make(map[string]bool)
	lines := 0
	for line := range strings.Lines(text) {
		if len(line) < tai64n.Size+1 {
			t.Fatalf("line %q has no label", line)
		}
		labels[line[:tai64n.Size]] = true
		lines++
	}
	if len(text) != inputSize+lines*(tai64n.Size+1) {
		t.Fatalf("%d bytes became %d with %d labels", inputSize, len(text), lines)
	}
	return labels
}

// randomLines returns lines with labels, parts of labels and other bytes.
func randomLines(random *rand.Rand) []byte {
	var b []byte
	for range random.IntN(400) {
		switch random.IntN(6) {
		case 0:
			b = append(b, '\n')
		case 1:
			b = append(b, "@ a@40 \xff\x00"[random.IntN(9):]...)
		case 2:
			b = append(b, bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(3000))...)
		default:
			b = append(b, randomLabel(random)+" text\n"...)
		}
	}
	return b
}

// randomLabel returns a label of some year, mostly of this age.
func randomLabel(random *rand.Rand) string {
	second := random.Int64N(4102444800) // to 2100
	if random.IntN(4) == 0 {
		second = random.Int64N(1 << 41) // to the year 71656
	}
	label := fmt.Sprintf("@%016x%08x", uint64(second)+1<<62+10, random.Uint32())
	if random.IntN(8) == 0 {
		label = strings.Replace(label, "@", "@"+strings.Repeat("0f", random.IntN(40)), 1)
	}
	return label
}

// safeLines is an input that the real tai64nlocal survives: it crashes at a
// year that no int holds, so after "@" stands a whole label.
func safeLines(random *rand.Rand) []byte {
	var b []byte
	for range random.IntN(300) {
		b = append(b, randomLabel(random)...)
		b = append(b, []string{"\n", " text\n", "z\n", "@@\n", "\xff\n", "A \x00" + strings.Repeat("l", random.IntN(9000)) + "\n", "\n\n\n", " @400000006b02b91610000000 inside\n", "  @\n"}[random.IntN(9)]...)
	}
	switch random.IntN(4) {
	case 0:
		b = append(b, "@400000006b02b"...) // a label that breaks off is not shown
	case 1:
		b = append(b, "no newline"...)
	}
	return b
}

// TestTAI64NLocal compares with the real tai64nlocal in several time zones.
func TestTAI64NLocal(t *testing.T) {
	t.Parallel()
	theirs, ours := need.Program(t, "tai64nlocal"), link(t, "tai64nlocal")
	random := rand.New(rand.NewPCG(5, 6))
	zones := [][]string{
		nil,
		{"TZ="},
		{"TZ=UTC"},
		{"TZ=:Europe/Berlin"},
		{"TZ=America/New_York"},
		{"TZ=Asia/Kathmandu"},
		{"TZ=Australia/Lord_Howe"},
		{"TZ=/usr/share/zoneinfo/Asia/Tokyo"},
		{"TZ=Berlin", "TZDIR=/usr/share/zoneinfo/Europe"},
		{"TZ=No/Where"},
		{"TZ=nonsense"},
		{"TZ=CET-1CEST,M3.5.0,M10.5.0/3"},
		{"TZ=EST5EDT4,J60,300"},
		{"TZ=<-03>3"},
		{"TZ=XXX3:30:15"},
		{"TZ=AB1"},
		{"TZ=/dev/null"},
		{"TZ=/"},
	}
	fixed := []string{
		"", "\n", "x", "x\n@", "@400000006b02b91610000000", "@400000006b02b91610000000\n", "a @400000006b02b91610000000\n",
		"@400000006b02b91610000000@400000006b02b91610000000\n", "@ffff400000006b02b91610000000 long\n",
		"@3fffffff0000000a00000000 before 1970\n",
		"@400000006b02b916ffffffff many nanoseconds\n", "@400000006b02b91610000000\n@400000006b02b91610000001\n", "@40000fffffffffff00000000 far\n",
	}
	for i, zone := range zones {
		var inputs [][]byte
		for _, text := range fixed {
			inputs = append(inputs, []byte(text))
		}
		if i < 4 { // with rules, the C library has summer time at the wrong time of these years
			inputs = append(inputs, []byte("@3fffffe00000000000000000 before the year 0\n"))
		}
		if i >= 4 && !need.Thorough() { // what is no label is the same in each zone
			inputs = [][]byte{inputs[5], inputs[len(inputs)-1]}
		}
		for range 2 {
			inputs = append(inputs, safeLines(random))
		}
		for j, input := range inputs {
			pieces := cut(random, input)
			got, want := runFilter(t, ours, zone, pieces...), runFilter(t, theirs, zone, pieces...)
			if got != want {
				t.Errorf("zone %d %v, input %d: %s", i, zone, j, firstDifference(got, want))
			}
		}
	}
}

func firstDifference(got, want filtered) string {
	a, b := strings.Split(got.out, "\n"), strings.Split(want.out, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is %.100q, want %.100q", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, code %d, %q; want %d lines, code %d, %q", len(a), got.code, got.err, len(b), want.code, want.err)
}

// TestTAI64NLocalNoYear holds to what differs from the original, which dies of
// a label that no year fits: the line stays as it is.
func TestTAI64NLocalNoYear(t *testing.T) {
	t.Parallel()
	input := "@\n@zz\n@400000006B02B91610000000 x\n@40 short\n@ffffffffffffffffffffffff\n@400000006b02b91610000000 good\n"
	want := strings.Replace(input, "@400000006b02b91610000000 good", "2026-11-22 09:42:36.268435456 good", 1)
	got := runFilter(t, link(t, "tai64nlocal"), []string{"TZ=UTC"}, []byte(input[:7]), []byte(input[7:]))
	if got != (filtered{out: want}) {
		t.Errorf("got %+v, want %q", got, want)
	}
}

// TestFilterErrors compares exit codes where input or output is broken. Closed
// descriptors are not among them: the Go runtime opens /dev/null in their place.
func TestFilterErrors(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tai64n", "tai64nlocal"} {
		programs := []string{need.Program(t, name), link(t, name)}
		for _, redirect := range []string{"</", "</dev/null", "<<<x >/dev/full", "<<<x >/dev/null"} {
			var codes [2]int
			var texts [2]string
			for i, program := range programs {
				cmd := exec.CommandContext(t.Context(), "bash", "-c", `exec "$0" `+redirect, program)
				cmd.Env = []string{noRaceSleep}
				out, err := cmd.CombinedOutput()
				if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
					t.Fatal(err)
				}
				codes[i], texts[i] = cmd.ProcessState.ExitCode(), string(out)
			}
			if codes[0] != codes[1] || texts[0] != texts[1] {
				t.Errorf("%s %s: the original ends with %d and says %q, ours with %d and %q", name, redirect, codes[0], texts[0], codes[1], texts[1])
			}
		}
	}
}

// TestFiltersPassOn asks that a line comes out although the input stays open,
// also the part of a line that has no end yet.
func TestFiltersPassOn(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"tai64n": 2*(tai64n.Size+1) + 5, "tai64nlocal": 5} {
		cmd := exec.CommandContext(t.Context(), link(t, name))
		cmd.Env = []string{noRaceSleep}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(in, "one\nt"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, size)
		if _, err := io.ReadFull(out, got); err != nil || !bytes.HasSuffix(got, []byte("t")) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFilterHelp asks for the help of the programs that take no arguments.
func TestFilterHelp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tai64n", "tai64nlocal"} {
		out, err := exec.CommandContext(t.Context(), link(t, "scgi-run"), name, "-h").Output()
		if err != nil || !strings.Contains(string(out), "\nusage: scgi-run "+name+"\n") {
			t.Errorf("%s -h: %v\n%s", name, err, out)
		}
	}
}
