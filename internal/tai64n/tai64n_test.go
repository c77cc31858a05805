package tai64n_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/tai64n"
)

func TestLabels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		label string
		time  time.Time
	}{
		{"@400000000000000a00000000", time.Unix(0, 0)},
		{"@400000000000000900000000", time.Unix(-1, 0)},
		{"@400000000000000a3b9ac9ff", time.Unix(0, 999999999)},
		{"@400000006b02b9160e80ca6c", time.Date(2026, 11, 22, 9, 42, 36, 243321452, time.UTC)},
		{"@400000003b4a39c23294b13c", time.Date(2001, 7, 9, 23, 9, 44, 848605500, time.UTC)},
		{"@4000003afff4418a00000000", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"@000000000000000000000000", time.Unix(-1<<62-10, 0)},
		{"@7fffffffffffffff00000000", time.Unix(1<<62-11, 0)},
	}
	for _, tt := range tests {
		got, err := tai64n.Parse(tt.label)
		if err != nil {
			t.Errorf("%s: %v", tt.label, err)
			continue
		}
		if !got.Equal(tt.time) {
			t.Errorf("%s is %v, want %v", tt.label, got.UTC(), tt.time.UTC())
		}
		if label := tai64n.Format(tt.time); label != tt.label {
			t.Errorf("%v is %s, want %s", tt.time, label, tt.label)
		}
	}
}

func TestNoLabels(t *testing.T) {
	t.Parallel()
	for _, label := range []string{
		"", "@", "400000006b02b9160e80ca6c", "@400000006b02b9160e80ca6", "@400000006b02b9160e80ca6c0",
		"@400000006B02B9160E80CA6C", "@400000006b02b9160e80ca6g", "@400000006b02b9160e80ca6 ", " 400000006b02b9160e80ca6c",
		"@800000000000000000000000", "@ffffffffffffffff00000000", "@400000000000000a3b9aca00", "@400000000000000affffffff",
		"@400000006b02b91\xff0e80ca6c", "@400000006b02b916-e80ca6c", "@400000006b02b91600x0ca6c",
	} {
		if got, err := tai64n.Parse(label); !errors.Is(err, tai64n.ErrSyntax) {
			t.Errorf("%q gives %v, %v", label, got, err)
		}
	}
}

// TestRealLocal compares Parse with what the real tai64nlocal makes of labels.
func TestRealLocal(t *testing.T) {
	t.Parallel()
	program := need.Program(t, "tai64nlocal")
	random := rand.New(rand.NewPCG(1, 2))
	var input, want bytes.Buffer
	for range 2000 {
		when := time.Unix(random.Int64N(1<<random.IntN(38)+1), random.Int64N(1e9)).UTC()
		label := tai64n.Format(when)
		parsed, err := tai64n.Parse(label)
		if err != nil {
			t.Fatal(err)
		}
		input.WriteString(label + "\n")
		want.WriteString(parsed.UTC().Format("2006-01-02 15:04:05.000000000") + "\n")
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Stdin, cmd.Env = &input, []string{"TZ=UTC"}
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	wantLines := strings.Split(want.String(), "\n")
	for i, line := range strings.Split(string(got), "\n") {
		if line != wantLines[i] {
			t.Fatalf("tai64nlocal says %s, Parse %s", line, wantLines[i])
		}
	}
}

// TestRealStamp reads the labels that the real tai64n writes.
func TestRealStamp(t *testing.T) {
	t.Parallel()
	program := need.Program(t, "tai64n")
	before := time.Now().Truncate(time.Microsecond)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Stdin = strings.NewReader("a\nb\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	after := time.Now().Add(time.Microsecond)
	for line := range strings.Lines(string(out)) {
		got, err := tai64n.Parse(line[:tai64n.Size])
		if err != nil || got.Before(before) || got.After(after) {
			t.Errorf("%q: %v, %v; not between %v and %v", line, got, err, before, after)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("@400000006b02b9160e80ca6c")
	f.Add("@4000000000000000ffffffff")
	f.Add("@")
	f.Fuzz(func(t *testing.T, label string) {
		when, err := tai64n.Parse(label)
		if err != nil {
			if !errors.Is(err, tai64n.ErrSyntax) || !when.IsZero() {
				t.Fatalf("%q: %v, %v", label, when, err)
			}
			return
		}
		if again := tai64n.Format(when); again != label {
			t.Fatalf("%q is %v, which is %q", label, when, again)
		}
	})
}
