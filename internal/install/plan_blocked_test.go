package install

import "testing"

// TestForeignFolder: whose a folder is that stands in the way is said where it matters.
func TestForeignFolder(t *testing.T) {
	t.Parallel()
	found := State{Kind: Dir, Mode: "0755", UID: 33, GID: 4}
	for _, test := range []struct {
		want State
		text string
	}{
		{State{Kind: Dir, Mode: "0750", Owner: "www:www", UID: 80, GID: 80}, "is there with mode 0755 of user 33 and group 4, and not of scgikit; it should have 0750 www:www"},
		{State{Kind: Dir, Mode: "0750", Owner: "www:adm", UID: 33, GID: 4}, "is there with mode 0755, and not of scgikit; it should have 0750 www:adm"},
		{State{Kind: Dir, Mode: "0750", Owner: "www:adm", UID: -1, GID: -1}, "is there with mode 0755, and not of scgikit; it should have 0750 www:adm"},
	} {
		if got := foreign(&found, &test.want); got != test.text {
			t.Errorf("got %q, want %q", got, test.text)
		}
	}
}
