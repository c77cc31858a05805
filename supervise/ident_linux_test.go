package supervise

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"scgikit/internal/servicedir"
)

func fullIdent() ident {
	return ident{
		Boot: "5a0c-1", PID: 4711, Start: 123456789012, Machine: Machine{PhaseStop, WantOnce, true, true},
		Paused: true, GotTERM: true, Ready: true, Asked: true, Starts: 99,
		Since: time.Unix(1_800_000_000, 1), LastStart: time.Unix(1_799_999_999, 2), ExitAt: time.Unix(1_799_999_998, 3),
		Exit: exitWord{0xff7f, true}, History: history{5, time.Unix(1_799_999_997, 4)}, Pipe: inode{1 << 63, 7}, Former: former{{1, 2}, {3, 1<<64 - 1}},
	}
}

func TestIdentRoundTrip(t *testing.T) {
	for _, d := range []ident{
		fullIdent(),
		{Boot: "-"},
		{Boot: "b", Machine: Machine{Phase: PhaseGone, Want: WantDown}},
		{Boot: "b", PID: 1 << 22, Start: math.MaxInt64, Since: time.Unix(-5, 0)},
	} {
		file := string(appendDetail(nil, d, &servicedir.Detail{}))
		got, ok := parseIdent(file)
		if !ok || got != d {
			t.Errorf("%+v\nbecame %+v, %t", d, got, ok)
		}
	}
}

func TestIdentRefused(t *testing.T) {
	good := string(appendDetail(nil, fullIdent(), &servicedir.Detail{}))
	for _, change := range [][2]string{
		{`{"ident":"2 `, `{"ident":"1 `},
		{`{"ident":"`, ` {"ident":"`},
		{" 4711 ", " -4711 "},
		{" 4711 ", " 4711.5 "},
		{" 4711 ", " 99999999999 "},
		{" 3 2 1 1 ", " 7 2 1 1 "},
		{" 3 2 1 1 ", " -1 2 1 1 "},
		{" 3 2 1 1 ", " 3 3 1 1 "},
		{" 3 2 1 1 ", " 3 2 1 "},
		{" 3 2 1 1 ", " 3 2 1 1 1 "},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%q is not in %q", change[0], good)
		}
		if d, ok := parseIdent(bad); ok {
			t.Errorf("%q for %q: %+v", change[1], change[0], d)
		}
	}
	for n := range strings.Index(good, `",`) {
		if _, ok := parseIdent(good[:n]); ok {
			t.Errorf("cut off after %d bytes: accepted", n)
		}
	}
}

// FuzzIdent asks that what is read is read again from what it is written as, and
// that no state that there is not gets into the machine.
func FuzzIdent(f *testing.F) {
	f.Add(string(appendDetail(nil, fullIdent(), &servicedir.Detail{})))
	f.Add(`{"ident":"1 - 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"`)
	f.Fuzz(func(t *testing.T, file string) {
		d, ok := parseIdent(file)
		if !ok {
			return
		}
		if d.Machine.Phase >= Phase(phases) || d.Machine.Want > WantOnce || d.PID < 0 {
			t.Fatalf("%+v", d)
		}
		again, ok := parseIdent(identPrefix + d.String() + `"`)
		if !ok || again != d {
			t.Errorf("%+v\nbecame %+v, %t", d, again, ok)
		}
	})
}

func hostileTexts() []string {
	return []string{
		"", `"`, `\`, `\"`, "\x00\x01\x1f\x7f", "a\nb\tc\r", "\xff\xfe", "é\u2028\u2029", "</script>", `{"ident":"1`, strings.Repeat(`"\`, 400), strings.Repeat("\x01", 400),
		bounded(strings.Repeat("é", 200)), bounded(strings.Repeat("x", 159) + "é"),
	}
}

func TestDetailText(t *testing.T) {
	for _, name := range hostileTexts() {
		checkDetail(t, name, fullIdent())
	}
}

// checkDetail asks that the file is one JSON object that says what was to be
// said, and begins with an ident that can be read.
func checkDetail(t *testing.T, text string, id ident) {
	t.Helper()
	d := servicedir.Detail{
		State: servicedir.Failing, Want: text, PID: 1, Since: 1.8e9, Ready: true, Paused: true, Starts: 2,
		Last: servicedir.Exit{At: 1.7e9, Code: -1, Signal: text, Unknown: true, Core: true},
		Next: 1.9e9, Waits: text, Reason: text, Log: text, Reload: text, LogState: servicedir.Running,
	}
	file := appendDetail(nil, id, &d)
	if len(file) < detailSize || len(file)%512 != 0 || file[len(file)-1] != '\n' || strings.Count(string(file), "\n") != 1 {
		t.Errorf("%q: %d bytes", text, len(file))
	}
	var got servicedir.Detail
	if err := json.Unmarshal(file, &got); err != nil {
		t.Fatalf("%q: %v\n%s", text, err, file)
	}
	clean := strings.ToValidUTF8(text, "\uFFFD")
	if strings.ContainsRune(clean, 0xFFFD) && !strings.ContainsRune(got.Reason, 0xFFFD) {
		t.Errorf("%q became %q", text, got.Reason)
	} else if !strings.ContainsRune(clean, 0xFFFD) && (got.Reason != text || got.Waits != text || got.Log != text) {
		t.Errorf("%q became %q", text, got.Reason)
	}
	if again, ok := parseIdent(string(file)); !ok || again != id {
		t.Errorf("%q: ident %+v, %t", text, again, ok)
	}
}

func FuzzDetailText(f *testing.F) {
	for _, text := range hostileTexts() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkDetail(t, text, ident{Boot: "-"}) })
}
