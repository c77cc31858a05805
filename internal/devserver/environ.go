package devserver

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"scgikit/internal/appfile"
)

// environment is what the programs of an app start with.
type environment struct {
	list []string // "NAME=value", sorted
	// named holds the variables of run.env_file, which a bridge has to be told
	// to pass on.
	named []string
}

// newEnvironment takes the outer environment, then run.secrets, run.env_file
// and run.env; the later ones win. GATEWAY_INTERFACE is not taken: a program
// that finds it thinks it serves a request.
func newEnvironment(run *appfile.Run, outer []string) (*environment, error) {
	values := make(map[string]string)
	for _, pair := range outer {
		if name, value, ok := strings.Cut(pair, "="); ok && name != "GATEWAY_INTERFACE" {
			values[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(run.Secrets)) {
		text, err := os.ReadFile(run.Secrets[name].File)
		if err != nil {
			return nil, fmt.Errorf("run.secrets.%s: %w", name, err)
		}
		// The first line, as the generated configuration takes it.
		values[name], _, _ = strings.Cut(string(text), "\n")
	}
	env := new(environment)
	if run.EnvFile != "" {
		file, err := readEnvFile(run.EnvFile)
		if err != nil {
			return nil, fmt.Errorf("run.env_file: %w", err)
		}
		maps.Copy(values, file)
		env.named = slices.Sorted(maps.Keys(file))
	}
	maps.Copy(values, run.Env)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.IndexByte(values[name], 0) >= 0 {
			return nil, fmt.Errorf("the variable %s holds a NUL byte, which no environment can", name)
		}
		env.list = append(env.list, name+"="+values[name])
	}
	return env, nil
}

// readEnvFile reads lines of NAME=value. Empty ones and those that begin with
// "#" are skipped; a value stands as it is, without quotes or escapes.
func readEnvFile(path string) (map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	const others fs.FileMode = 0o007
	if info.Mode()&others != 0 {
		return nil, fmt.Errorf("%s may be used by everyone (mode %04o); chmod o-rwx it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !isName(name) {
			return nil, fmt.Errorf("%s:%d: not NAME=value", path, number)
		}
		values[name] = value
	}
	return values, nil
}

// isName reports whether s can name a variable: letters, digits and "_", no
// digit first.
func isName(s string) bool {
	for i, c := range s {
		letter := c == '_' || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z')
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
