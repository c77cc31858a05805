package generate_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/servertest"
)

// TestXinetdAwkwardFiles has the env file and the file of a secret at paths that
// a shell, and xinetd, could take for more than paths.
func TestXinetdAwkwardFiles(t *testing.T) {
	t.Parallel()
	need.Program(t, "xinetd")
	scgiRun := buildSCGIRun(t, publicDir(t))
	for i, name := range []string{
		`a b'c"d`, "$(id)`id`$HOME", `\n\\;{}`, "#x*?[a-z]", "~&|<>!%s%%", "-e", "é日本", " x ",
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r := &realInetd{dir: publicDir(t), network: "tcp", addr: fmt.Sprintf("127.0.0.1:%d", servertest.Ports(t, 1))}
			key, env := filepath.Join(r.dir, "k"+name, name), filepath.Join(r.dir, "e"+name, name)
			writeFile(t, key, "s 3\n")
			writeFile(t, env, "FROM_FILE=f 4\n")
			more := fmt.Sprintf("  env_file: %s\n  secrets: {KEY: {file: %s}}\n", yamlText(env), yamlText(key))
			set := mustRender(t, "xinetd", load(t, r.describeXinetd(t, moreSetting+more, scgiRun)))
			set = moveLogs(t, set, filepath.Join(r.dir, "log"))
			r.install(t, set)
			realXinetd(t, r.dir, set, r.addr)
			r.check(t, "value=v1 key=s 3 file=f 4", fullSetting(t))
		})
	}
}
