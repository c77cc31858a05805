package accounts

import "testing"

func TestFindAccount(t *testing.T) {
	const text = `# comment:x:1:1
root:x:0:0:root:/root:/bin/sh
broken:x:one:1::/:
broken:x:7
broken:x:8:9
+nis:x:1:1::/:
:x:5:5::/:
large:x:4294967294:65536::/:/bin/sh
larger:x:4294967296:1::/:/bin/sh
last:x:3:4`
	for name, want := range map[string]Account{
		"root": {0, 0}, "broken": {8, 9}, "large": {4294967294, 65536}, "last": {3, 4},
	} {
		if got, ok := find(text, name); !ok || got != want {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "none", "roo", "root:x", "# comment", "+nis", "larger", "ROOT"} {
		if got, ok := find(text, name); ok {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestFindGroup(t *testing.T) {
	const text = `# comment:x:1:
root:x:0:
broken:x:one:
broken:x
broken:x:8:root,www
+nis:x:1:
:x:5:
large:x:4294967296:
last:x:3`
	for name, want := range map[string]uint32{"root": 0, "broken": 8, "last": 3} {
		if got, ok := findGroup(text, name); !ok || got != want {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "none", "roo", "root:x", "# comment", "+nis", "large", "www"} {
		if got, ok := findGroup(text, name); ok {
			t.Errorf("%q: %v", name, got)
		}
	}
}
