package generate

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// What the programs that start apps have in common.

// Codes of problems that targets find in descriptions.
const (
	codeCannotCarry = "cannot-carry"
	codeNotCarried  = "not-carried"
	codeRounded     = "rounded"
	codeMissing     = "missing"
)

// starterFields says what becomes of the fields that are the same for every
// program that starts apps; own holds those that are not.
func starterFields(own Fields) Fields {
	fields := Fields{
		"apiVersion":                   {Support: Elsewhere},
		"name":                         {Support: Carried, Note: "the names of the files"},
		"description":                  {Support: Elsewhere},
		"type":                         {Support: Carried},
		"protocol":                     {Support: Elsewhere},
		"labels":                       {Support: Elsewhere},
		"run.mode":                     {Support: Carried},
		"run.user":                     {Support: Carried, Note: "a name; a number is refused"},
		"run.group":                    {Support: Carried},
		"run.umask":                    {Support: Carried},
		"run.env":                      {Support: Carried},
		"run.env_file":                 {Support: Carried},
		"run.secrets.*.file":           {Support: Carried, Note: "read when the program starts: the first line of the file"},
		"run.limits.*":                 {Support: Carried},
		"run.nice":                     {Support: Carried},
		"http.*":                       {Support: Elsewhere},
		"health.*":                     {Support: Elsewhere},
		"security.allow_root":          {Support: Carried},
		"security.allow_public_listen": {Support: Carried},
		"security.hardening":           {Support: Carried, Note: "none; standard gives a warning, strict is refused"},
		"security.writable":            {Support: Warned, Note: "the program may write wherever its user may; systemd can restrict it"},
		"security.chroot":              {Support: Refused, Note: "use a target that can, such as systemd"},
		"targets":                      {Support: Elsewhere},
		"options":                      {Support: Carried},
		"container.*":                  {Support: Elsewhere},
		"hosts[].*":                    {Support: Elsewhere},
		"vars":                         {Support: Elsewhere},
		"vars_from_env":                {Support: Elsewhere},
	}
	maps.Copy(fields, own)
	return fields
}

// acceptStarter returns the problems that every starter has with an app.
func acceptStarter(s *Scope, a *appfile.App) diag.List {
	var list diag.List
	for _, field := range []struct{ path, value string }{
		{"run.user", a.Run.User}, {"run.group", a.Run.Group}, {"log.user", a.Log.User},
	} {
		if isNumber(field.value) && (field.path != "log.user" || a.IsSet("log.user")) {
			list = append(list, a.Problem(field.path, codeCannotCarry,
				s.Target.Name+" looks a user or group up by name, and "+field.value+" is a number", "write the name"))
		}
	}
	for _, secret := range secretFiles(a) {
		if reservedVariable(secret.Name) {
			list = append(list, a.Problem("run.secrets."+secret.Name, codeCannotCarry,
				"the shell or the loader takes "+secret.Name+" for its own before the program starts", "give the variable another name"))
		}
	}
	if a.IsSet("security.hardening") {
		switch a.Security.Hardening {
		case appfile.HardenNone:
		case appfile.HardenStandard:
			list = append(list, a.Warning("security.hardening", codeNotCarried,
				s.Target.Name+" does not carry it: the program sees the whole machine", "a target such as systemd can restrict it"))
		case appfile.HardenStrict:
			list = append(list, a.Problem("security.hardening", codeCannotCarry,
				s.Target.Name+" cannot hide any part of the machine from the program", "use a target that can, such as systemd, or set it to none"))
		}
	}
	return list
}

// reservedVariable reports whether a variable changes what the shell, or the
// loader of the programs it starts, does on the way to the app: some are
// read-only in a shell, and LD_PRELOAD would take effect while still root.
func reservedVariable(name string) bool {
	switch name {
	case "PATH", "IFS", "ENV", "BASH_ENV", "PS4", "CDPATH", "PPID", "UID", "EUID", "SHELLOPTS", "BASHOPTS", "GLIBC_TUNABLES":
		return true
	}
	return strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "DYLD_")
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// secretFile is a variable whose value stands in a file.
type secretFile struct{ Name, File string }

// secretFiles returns run.secrets, sorted by name.
func secretFiles(a *appfile.App) []secretFile {
	var out []secretFile
	for _, name := range slices.Sorted(maps.Keys(a.Run.Secrets)) {
		out = append(out, secretFile{Name: name, File: a.Run.Secrets[name].File})
	}
	return out
}

// envWords returns run.env as NAME=VALUE, sorted.
func envWords(env map[string]string) []string {
	words := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		words = append(words, name+"="+env[name])
	}
	return words
}

// scgiRun is a command line of scgi-run, cut where a script may put further
// flags: behind Flags.
type scgiRun struct {
	Flags []string // the sub-command and its flags
	Rest  []string // what runs: a folder, a program with arguments, or a callable
}

// words returns the command line with argv[0].
func (c scgiRun) words() []string {
	return slices.Concat([]string{"scgi-run"}, c.Flags, c.Rest)
}

// scgiRunOnce returns the command that answers one request on its standard
// input, for an app of type cgi or wsgi. logFile is where its messages go; ""
// is the system's log.
func scgiRunOnce(a *appfile.App, logFile string) scgiRun {
	var c scgiRun
	flag := func(words ...string) { c.Flags = append(c.Flags, words...) }
	if a.Type == appfile.TypeWSGI {
		flag("wsgi", "--style", "once")
		for _, dir := range a.WSGI.Path {
			flag("--path", dir)
		}
		flag("--python", a.WSGI.Python)
		c.Rest = []string{a.WSGI.Module}
	} else {
		flag("bridge")
		c.Rest = cgiWords(a)
	}
	flag("--mount", mountPrefix(a), "--timeout", seconds(a.Run.RequestTimeout), "--max-body", strconv.FormatInt(int64(a.HTTP.MaxBody), 10))
	if logFile != "" {
		flag("--log", logFile)
	}
	for _, word := range envWords(a.Run.Env) {
		flag("--env", word)
	}
	if a.Type == appfile.TypeCGI {
		c.Flags = append(c.Flags, cgiFlags(a)...)
	}
	if len(a.CGI.EnvPass) == 0 {
		flag("--env-pass=") // none, and not the default
	}
	c.passEnv(a.CGI.EnvPass)
	for _, secret := range secretFiles(a) {
		c.passEnv([]string{secret.Name})
	}
	return c
}

// passEnv adds outer variables that the program sees.
func (c *scgiRun) passEnv(names []string) {
	if len(names) > 0 {
		c.Flags = append(c.Flags, "--env-pass", strings.Join(names, ","))
	}
}

func cgiWords(a *appfile.App) []string {
	if a.CGI.Directory != "" {
		return []string{a.CGI.Directory}
	}
	return append([]string{a.CGI.Script}, a.CGI.Arguments...)
}

// cgiFlags returns the flags of the bridge that only scripts have.
func cgiFlags(a *appfile.App) []string {
	var flags []string
	if len(a.CGI.PassParams) > 0 {
		flags = append(flags, "--pass", strings.Join(a.CGI.PassParams, ","))
	}
	for _, option := range []struct {
		set  bool
		flag string
	}{
		{!a.CGI.AddStatus, "--no-add-status"},
		{a.CGI.FollowSymlinks, "--follow-symlinks"},
		{a.CGI.Handoff, "--handoff"},
		{a.CGI.StreamBody, "--stream-body"},
	} {
		if option.set {
			flags = append(flags, option.flag)
		}
	}
	return flags
}

// mountPrefix is the mount as --mount takes it: without its final slash, and
// "/" for the whole site, which no inetd could write as an empty word.
func mountPrefix(a *appfile.App) string {
	if a.Prefix() == "" {
		return "/"
	}
	return a.Prefix()
}

// seconds writes a duration as people do: 60s, 1.5s.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// looksMistaken reports whether a word holds what shellcheck takes for a mistake in
// single quotes, where it is meant as it stands.
func looksMistaken(words ...[]string) bool {
	return slices.ContainsFunc(slices.Concat(words...), func(word string) bool { return strings.ContainsAny(word, "$`'\\~\"") })
}

// logPath is the file that a per-request starter appends messages to, or ""
// where the description leaves log.dir alone: then they go to the system's log.
func logPath(a *appfile.App) string {
	if !a.IsSet("log.dir") {
		return ""
	}
	return path.Join(a.Log.Dir, a.Name+".log")
}

// shellUlimits returns the limits as flags and numbers of ulimit in sh. Its
// units are kibibytes for memory and blocks of 512 bytes for core files.
//
// Source: POSIX.1-2024, ulimit; the -p of dash and ash is the -u of the others.
func shellUlimits(l appfile.Limits) []ulimit {
	var out []ulimit
	add := func(flag string, value *int64, unit int64) {
		if value != nil {
			out = append(out, ulimit{Flag: flag, Value: *value / unit})
		}
	}
	size := func(s *appfile.Size, unit appfile.Size) *int64 {
		if s == nil {
			return nil
		}
		n := int64(roundUp(*s, unit))
		return &n
	}
	add("-c", size(l.Core, blockSize), blockSize)
	add("-n", l.NoFile, 1)
	add("-t", l.CPUSeconds, 1)
	add("-v", size(l.Memory, kibibyte), kibibyte)
	return out
}

// The units of ulimit.
const (
	blockSize = 512
	kibibyte  = 1024
)

func roundUp(size, unit appfile.Size) appfile.Size {
	return (size + unit - 1) / unit * unit
}

// ulimit is one command of sh.
type ulimit struct {
	Flag  string
	Value int64
}

// roundedLimit warns where a size is no multiple of the unit that it is
// written in; the limit is then the next higher multiple.
func roundedLimit(a *appfile.App, field string, size *appfile.Size, unit appfile.Size) diag.List {
	if size == nil || *size%unit == 0 {
		return nil
	}
	return diag.List{a.Warning(field, codeRounded,
		fmt.Sprintf("ulimit counts it in units of %d bytes: it becomes %d", int64(unit), int64(roundUp(*size, unit))), "")}
}
