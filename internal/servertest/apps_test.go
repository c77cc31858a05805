package servertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// awstats makes the statistics that the page shows, as cron does.
func awstats(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "awstats.www.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^(LogFile|DirData)=.*$`).ReplaceAllFunc(text, func(line []byte) []byte {
		if strings.HasPrefix(string(line), "LogFile") {
			return []byte(`LogFile="` + filepath.Join(dir, "access.log") + `"`)
		}
		return []byte(`DirData="` + filepath.Join(dir, "data") + `"`)
	})
	if err := os.WriteFile(conf, text, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/lib/cgi-bin/awstats.pl", "-config=www", "-update", "-configdir="+dir)
	cmd.Env = append(os.Environ(), "AWSTATS_ENABLE_CONFIG_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("awstats: %v\n%s", err, out)
	}
	if out, err := exec.Command("chmod", "-R", "go+rX", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// repository makes the repository that is cloned, owned by the app's user, as
// git asks for.
func repository(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command(filepath.Join(dir, "make-sample")).CombinedOutput(); err != nil {
		t.Fatalf("make-sample: %v\n%s", err, out)
	}
	if out, err := exec.Command("chown", "-R", "www-data:www-data", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// cgit writes the description of cgit over the repositories of the git example.
func cgit(t *testing.T, dir, git string) {
	t.Helper()
	src := filepath.Join(dir, "src", "cgit")
	if err := os.MkdirAll(src, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cgitrc": "virtual-root=/cgit/\nscan-path=" + git + "/repositories\nsnapshots=tar.gz\n",
		"scgikit.yaml": `apiVersion: scgikit/v1
name: cgit
type: cgi
run:
  user: www-data
  env: {CGIT_CONFIG: ` + src + `/cgitrc}
cgi: {script: /usr/lib/cgit/cgit.cgi}
listen: {unix: /run/cgit/sock}
http:
  mount: /cgit/
  static: [{url: /cgit-css/, dir: /usr/share/cgit/}]
`,
	} {
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
