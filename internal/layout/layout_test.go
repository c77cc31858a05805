package layout_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/layout"
)

func format(t *testing.T, data []byte) []byte {
	t.Helper()
	out, list, err := layout.Format("x.yaml", data, generate.OptionTypes())
	if err != nil || list.HasErrors() {
		t.Fatalf("%v %v\n%s", err, list, data)
	}
	return out
}

func TestFormat(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			want, err2 := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".want")
			if err = errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			got := format(t, in)
			if !bytes.Equal(got, want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if again := format(t, got); !bytes.Equal(again, got) {
				t.Errorf("the second time:\n%s", again)
			}
		})
	}
}

// What the repository holds is laid out, and a second time changes nothing.
func TestFormatDescriptions(t *testing.T) {
	examples, _ := filepath.Glob("../../examples/*/scgikit.yaml")
	sound, _ := filepath.Glob("../appfile/testdata/ok/*.yaml")
	if len(examples) == 0 || len(sound) == 0 {
		t.Fatal("no descriptions")
	}
	for _, file := range append(sound, examples...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := format(t, data)
		if again := format(t, got); !bytes.Equal(again, got) {
			t.Errorf("%s: the second time:\n%s", file, again)
		}
		if strings.Contains(file, "examples") && !bytes.Equal(got, data) {
			t.Errorf("%s is not laid out: scgikit fmt -w", file)
		}
	}
}

func TestFormatRefuses(t *testing.T) {
	for _, data := range []string{"a: [", "a: &x 1", "a: 1\na: 2\n", "\tb: 1", "a: !!str 1", "a: 1\x00"} {
		if out, list, err := layout.Format("x.yaml", []byte(data), nil); !list.HasErrors() || err != nil || out != nil {
			t.Errorf("%q: %q, %v, %v", data, out, list, err)
		}
	}
}

// Whatever is read says the same afterwards, or is left alone; and what was laid
// out once stays as it is.
func FuzzFormat(f *testing.F) {
	for _, pattern := range []string{"../appfile/testdata/*/*.yaml", "../../examples/*/scgikit.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil {
				f.Add(data)
			}
		}
	}
	for _, s := range []string{"- a\n-\n  b\n- - c\n  - d\n", "a:\n- b\n# c\n- d\n", "? a\n: b\n", "a: |+\n  b\n\n\nc: 1\n", "a: |\n   b\n  # c\nname: x\n", "--- a: 1\n", "%YAML 1.2\n---\na: 1\n", "{b: {run: 1}, name: x}", "run: {user: a,\n command: b}\nname: c\n"} {
		f.Add([]byte(s))
	}
	options := generate.OptionTypes()
	f.Fuzz(func(t *testing.T, data []byte) {
		once, list, err := layout.Format("x.yaml", data, options)
		if list.HasErrors() || errors.Is(err, layout.ErrShape) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		twice, list, err := layout.Format("x.yaml", once, options)
		if err != nil || list.HasErrors() {
			t.Fatalf("the second time: %v %v\n%q\n%q", err, list, data, once)
		}
		if !bytes.Equal(once, twice) {
			t.Fatalf("not the same a second time:\n%q\n%q\n%q", data, once, twice)
		}
	})
}
