package main

// The tool's own settings keep four rules:
//
//   - the list is closed: a key or value that is not known is an error with its place;
//   - flags win over SCGIKIT_* variables, then the project's .scgikit.yaml, the
//     user's file, the system's file, the default;
//   - viper holds them in an instance of its own, each variable bound by name,
//     and never sees a description: it would lower-case keys and lose types;
//   - a file that comes with a repository may not name programs to run or
//     places outside it, because looking at a stranger's repository would run them,
//     or write there.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"scgikit/internal/diag"
)

// settings are the values in force.
type settings struct {
	Root         string
	OutDir       string
	AppsDir      string
	TemplatesDir string
	Targets      []string
	Color        string
	Output       string
	Pager        string
	LogLevel     string
	NoInput      bool
	Validators   map[string]string // program by target name

	values []settingValue
}

// settingKind is the type of a setting's value.
type settingKind uint8

const (
	textSetting settingKind = iota
	listSetting
	boolSetting
	durationSetting
)

// setting describes one setting. The flag of its name with "-" for "_" sets
// it, where a command has that flag.
type setting struct {
	Key     string
	Kind    settingKind
	Default any
	Words   []string // the values of a closed set
	Folder  bool     // names a folder; one inside the project, where the project's file names it
	Machine bool     // not taken from the project's file
	Doc     string
}

var (
	outputFormats = []string{"text", "json", "yaml"}
	colorWords    = []string{"auto", "always", "never"}
	logLevels     = []string{"error", "info", "debug"}
)

// settingsList returns every setting, sorted by key.
func settingsList() []setting {
	const later = " (for later versions)"
	return []setting{
		{Key: "apps_dir", Folder: true, Default: "apps", Doc: "folder of descriptions, used where there is no scgikit.yaml"},
		{Key: "color", Default: "auto", Words: colorWords, Doc: "escape sequences in the output"},
		{Key: "control_socket", Default: "", Machine: true, Doc: "socket of the supervisor" + later},
		{Key: "log_level", Default: "info", Words: logLevels, Doc: "how much is said on stderr: error is -q, debug is -v"},
		{Key: "no_input", Kind: boolSetting, Default: false, Doc: "never ask, also on a terminal"},
		{Key: "out_dir", Folder: true, Default: "deploy", Doc: "folder of the generated files"},
		{Key: "output", Default: "text", Words: outputFormats, Doc: "form of results: text, json or yaml"},
		{Key: "pager", Default: "", Machine: true, Doc: "program, with arguments, that shows a diff on a terminal"},
		{Key: "root", Default: "/", Machine: true, Doc: "root folder that logs and installs are below"},
		{Key: "scan_interval", Kind: durationSetting, Default: "5s", Doc: "pause between looks at the service folder" + later},
		{Key: "state_dir", Default: "", Machine: true, Doc: "folder of receipts" + later},
		{Key: "targets", Kind: listSetting, Default: []string{}, Doc: "targets of apps that name none themselves"},
		{Key: "templates_dir", Folder: true, Default: "templates", Doc: "folder of templates that replace built-in ones"},
		{Key: "validators.apache", Default: "", Machine: true, Doc: "the Apache program that check runs, if not the one in PATH"},
		{Key: "validators.caddy", Default: "", Machine: true, Doc: "the Caddy program that check runs, if not the one in PATH"},
		{Key: "validators.haproxy", Default: "", Machine: true, Doc: "the HAProxy program that check runs, if not the one in PATH"},
		{Key: "validators.lighttpd", Default: "", Machine: true, Doc: "the Lighttpd program that check runs, if not the one in PATH"},
		{Key: "validators.nginx", Default: "", Machine: true, Doc: "the nginx program that check runs, if not the one in PATH"},
		{Key: "validators.systemd_analyze", Default: "", Machine: true, Doc: "the systemd-analyze program" + later},
	}
}

// variable returns the environment variable that sets it.
func (s setting) variable() string {
	return "SCGIKIT_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// flag returns the flag that sets it, where a command has one.
func (s setting) flag() string {
	if s.Key == "templates_dir" {
		return "templates"
	}
	return strings.ReplaceAll(s.Key, "_", "-")
}

// settingValue is one row of "config view".
type settingValue struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin string `json:"origin"` // "default", a file's path, a variable, a flag
}

// settingsFile is a file that may hold settings.
type settingsFile struct {
	Path    string `json:"path"`
	Role    string `json:"role"`
	Exists  bool   `json:"exists"`
	project bool
	must    bool // it was named by --config
}

// settingsFiles returns the files of settings, from the weakest to the strongest.
func (e *env) settingsFiles() []settingsFile {
	files := []settingsFile{{Path: "/etc/scgikit/config.yaml", Role: "system"}}
	switch home := e.configHome(); {
	case e.flags.config != "":
		files = append(files, settingsFile{Path: e.path(e.flags.config), Role: "--config", must: true})
	case home != "":
		files = append(files, settingsFile{Path: filepath.Join(home, "config.yaml"), Role: "user"})
	}
	files = append(files, settingsFile{Path: e.path(".scgikit.yaml"), Role: "project", project: true})
	for i := range files {
		_, err := os.Stat(files[i].Path)
		files[i].Exists = err == nil
	}
	return files
}

// loadSettings fills e.settings for a command about to run.
func (e *env) loadSettings(cmd *cobra.Command) error {
	v := viper.New()
	origins := make(map[string]string)
	list := settingsList()
	for _, s := range list {
		v.SetDefault(s.Key, s.Default)
		origins[s.Key] = "default"
	}
	var problems diag.List
	for _, f := range e.settingsFiles() {
		if !f.Exists && !f.must {
			continue
		}
		values, bad, err := readSettings(f)
		if err != nil {
			return failf(exitUsage, "", "settings: %w", err)
		}
		problems = append(problems, bad...)
		for key := range values {
			origins[key] = f.Path
		}
		if err := v.MergeConfigMap(nested(values)); err != nil {
			return failf(exitUsage, "", "settings: %s: %w", f.Path, err)
		}
	}
	if len(problems) > 0 {
		return &failure{code: exitUsage, err: problems}
	}
	for _, s := range list {
		if err := v.BindEnv(s.Key, s.variable()); err != nil {
			return err
		}
		if value, ok := e.lookup(s.variable()); ok && value != "" {
			origins[s.Key] = s.variable()
		}
		f := cmd.Flags().Lookup(s.flag())
		if f == nil {
			continue
		}
		if err := v.BindPFlag(s.Key, f); err != nil {
			return err
		}
		if f.Changed {
			origins[s.Key] = "--" + f.Name
		}
	}
	return e.takeSettings(v, list, origins)
}

// takeSettings checks what viper holds and copies it out.
func (e *env) takeSettings(v *viper.Viper, list []setting, origins map[string]string) error {
	values := make([]settingValue, 0, len(list))
	for _, s := range list {
		value, err := s.check(v.Get(s.Key))
		if err != nil {
			return usagef("", "%s: %w", s.where(origins[s.Key]), err)
		}
		values = append(values, settingValue{Key: s.Key, Value: value, Origin: origins[s.Key]})
	}
	get := func(key string) any {
		i := slices.IndexFunc(values, func(v settingValue) bool { return v.Key == key })
		return values[i].Value
	}
	text := func(key string) string { s, _ := get(key).(string); return s }
	e.settings = settings{
		Root:         text("root"),
		OutDir:       text("out_dir"),
		AppsDir:      text("apps_dir"),
		TemplatesDir: text("templates_dir"),
		Color:        text("color"),
		Output:       text("output"),
		Pager:        text("pager"),
		LogLevel:     text("log_level"),
		Validators: map[string]string{
			"apache":   text("validators.apache"),
			"caddy":    text("validators.caddy"),
			"haproxy":  text("validators.haproxy"),
			"lighttpd": text("validators.lighttpd"),
			"nginx":    text("validators.nginx"),
		},
		values: values,
	}
	e.settings.Targets, _ = get("targets").([]string)
	e.settings.NoInput, _ = get("no_input").(bool)
	if e.flags.quiet {
		e.settings.LogLevel = "error"
	} else if e.flags.verbose {
		e.settings.LogLevel = "debug"
	}
	return nil
}

// where names the setting as the person wrote it.
func (s setting) where(origin string) string {
	if strings.HasPrefix(origin, "--") || strings.HasPrefix(origin, "SCGIKIT_") {
		return origin
	}
	return "setting " + s.Key
}

// check returns the value in its own type, or says what is wrong with it.
// Values from the environment come as text.
func (s setting) check(value any) (any, error) {
	switch s.Kind {
	case listSetting:
		switch value := value.(type) {
		case []string:
			return value, nil
		case string:
			return splitWords(value), nil
		}
	case boolSetting:
		switch value := value.(type) {
		case bool:
			return value, nil
		case string:
			switch value {
			case "1", "true":
				return true, nil
			case "0", "false":
				return false, nil
			}
			return nil, fmt.Errorf("%q is neither true nor false", value)
		}
	case durationSetting:
		if text, ok := value.(string); ok {
			d, err := time.ParseDuration(text)
			if err != nil || d <= 0 {
				return nil, fmt.Errorf("%q is no duration such as 5s", text)
			}
			return d.String(), nil
		}
	case textSetting:
		if text, ok := value.(string); ok {
			if s.Words != nil && !slices.Contains(s.Words, text) {
				return nil, fmt.Errorf("%q is not one of %s", text, strings.Join(s.Words, ", "))
			}
			if s.Folder && text == "" {
				return nil, errors.New("names no folder")
			}
			return text, nil
		}
	}
	return nil, fmt.Errorf("%v has the wrong type", value)
}

func splitWords(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// nested turns "validators.nginx" into a map in a map, which is what viper merges.
func nested(values map[string]any) map[string]any {
	out := make(map[string]any)
	for key, value := range values {
		group, name, ok := strings.Cut(key, ".")
		if !ok {
			out[key] = value
			continue
		}
		inner, _ := out[group].(map[string]any)
		if inner == nil {
			inner = make(map[string]any)
			out[group] = inner
		}
		inner[name] = value
	}
	return out
}
