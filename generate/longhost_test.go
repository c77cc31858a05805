package generate_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestLongHosts: the longest hosts have files whose names a file system takes, and two
// that differ at their end have two.
func TestLongHosts(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63) + "."
	first, second := label+label+label+strings.Repeat("b", 61), label+label+label+strings.Repeat("b", 60)+"c"
	text := ""
	for name, host := range map[string]string{"one": first, "two": second, "pattern": `"*.` + first[:251] + `"`} {
		text += strings.Replace(gatewayApp("fastcgi", name, "unix: /run/"+name+"/socket, group: www", "/m/", "  host: "+host+"\n"), "OPTIONS\n",
			"options: {nginx: {as: server}, apache: {as: vhost}, caddy: {as: site}}\n", 1)
	}
	project := load(t, strings.ReplaceAll(text, "REDIRECTS", "pass"))
	for _, target := range []string{"nginx", "apache", "caddy"} {
		long := make(map[string]bool)
		for _, f := range mustRender(t, target, project).Files() {
			if name := filepath.Base(f.Path); len(name) > 240 {
				t.Errorf("%s: %s has %d bytes", target, name, len(name))
			} else if strings.Contains(name, "aaa") {
				long[name] = true
			}
		}
		if len(long) != 3 {
			t.Errorf("%s: %d files for three hosts", target, len(long))
		}
	}
}
