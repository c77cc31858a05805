package appfile_test

import (
	"slices"
	"testing"

	"scgikit/internal/appfile"
)

func TestNames(t *testing.T) {
	t.Parallel()
	text := "name: blog\nprofiles:\n  test: {name: blog-test}\n  prod: {run: {user: www}}\n---\nname: wiki\n"
	names, ok := appfile.Names([]appfile.Source{
		{Name: "blog.yaml", Data: []byte(text)},
		{Name: "blog.staging.yaml", Data: []byte("name: blog-staging\n")},
		{Name: "blog.empty.yaml"},
	})
	if want := []string{"blog", "blog-test", "wiki", "blog-staging"}; !ok || !slices.Equal(names, want) {
		t.Errorf("got %q, %v, want %q", names, ok, want)
	}
	if names, ok := appfile.Names([]appfile.Source{{Name: "a.yaml", Data: []byte("name: [\n")}}); ok {
		t.Errorf("got %q of a file that is broken", names)
	}
}
