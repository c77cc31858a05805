package generate

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
)

// What the programs that start apps have in common.

// Where scgi-run and start scripts are, where an option does not say so.
const (
	plainSCGIRun    = "/usr/local/bin/scgi-run"
	plainWrapperDir = "/usr/local/libexec/scgikit"
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
	list = append(list, acceptSecretNames(a)...)
	if dir := a.Log.Dir; a.IsSet("log.dir") && (dir == "/var/log" || slices.Contains(sharedFolders[:], dir)) {
		list = append(list, a.Problem("log.dir", codeCannotCarry,
			dir+" belongs to others too, and the folder of a log has to belong to who writes that", "use a folder of its own, such as /var/log/"+a.Name))
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

// acceptServices refuses an app whose service another app has as well: app-1 and the
// first of several instances of app. fits says of both whether the target has
// services of them, and name how it calls these.
func acceptServices(project *appfile.Project, a *appfile.App, fits func(*appfile.App) string, name func(service string) string) diag.List {
	var list diag.List
	for _, other := range project.Apps {
		if other.Name >= a.Name || fits(other) != "" {
			continue
		}
		for _, theirs := range other.Instances {
			for _, inst := range a.Instances {
				if name(theirs.Service()) == name(inst.Service()) {
					list = append(list, a.Problem("name", codeCannotCarry, "the service "+name(inst.Service())+" is one of "+other.Name+" already", "use another name"))
				}
			}
		}
	}
	return list
}

// fitsAny is Fits of a starter that every app fits.
func fitsAny(*appfile.App) string { return "" }

// sameName is the name of a service for a target that changes none.
func sameName(service string) string { return service }

// scriptVariable is what generated scripts read the lines of an env file into, while
// they have the secrets already.
const scriptVariable = "scgikit_line"

// acceptSecretNames refuses variables that would change the shell that sets them.
func acceptSecretNames(a *appfile.App) diag.List {
	var list diag.List
	for _, secret := range secretFiles(a) {
		if reservedVariable(secret.Name) {
			list = append(list, a.Problem("run.secrets."+secret.Name, codeCannotCarry,
				"the shell or the loader takes "+secret.Name+" for its own before the program starts", "give the variable another name"))
		}
		if secret.Name == scriptVariable && a.Run.EnvFile != "" {
			list = append(list, a.Problem("run.secrets."+secret.Name, codeCannotCarry,
				"scripts that read run.env_file have a variable of that name", "give the variable another name"))
		}
	}
	return list
}

// reservedVariable reports whether a variable changes what the shell, or the
// loader of the programs it starts, does on the way to the app: some are
// read-only in a shell, and LD_PRELOAD would take effect while still root.
func reservedVariable(name string) bool {
	switch name {
	case "PATH", "IFS", "ENV", "BASH_ENV", "PS4", "CDPATH", "PPID", "UID", "EUID", "SHELLOPTS", "BASHOPTS", "OPTIND", "GLIBC_TUNABLES":
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
	c := scgiRun{Flags: []string{"bridge"}}
	if a.Type == appfile.TypeWSGI {
		c.Flags[0] = "wsgi"
		c.flag("style", string(appfile.WSGIOnce))
	}
	c.program(a, logFile)
	return c
}

// program adds what runs, and the flags that are the same for a process a request
// and for one that keeps running.
func (c *scgiRun) program(a *appfile.App, logFile string) {
	c.Rest = cgiWords(a)
	if a.Type == appfile.TypeWSGI {
		for _, dir := range a.WSGI.Path {
			c.flag("path", dir)
		}
		c.flag("python", a.WSGI.Python)
		c.flag("directory", a.Run.Directory)
		c.Rest = []string{a.WSGI.Module}
	}
	c.flag("mount", mountPrefix(a))
	c.flag("timeout", seconds(a.Run.RequestTimeout))
	c.flag("max-body", strconv.FormatInt(int64(a.HTTP.MaxBody), 10))
	c.settingFlags(&a.Run)
	if logFile != "" {
		c.flag("log", logFile)
	}
	for _, word := range envWords(a.Run.Env) {
		c.flag("env", word)
	}
	if a.Type == appfile.TypeCGI {
		c.cgiFlags(a)
	}
	if len(a.CGI.EnvPass) == 0 {
		c.flag("env-pass", "") // none, and not the default
	}
	c.passEnv(a.CGI.EnvPass)
	for _, secret := range secretFiles(a) {
		c.passEnv([]string{secret.Name})
	}
}

// flag adds a flag with its value in one word, because some inetd take no more
// than 20.
func (c *scgiRun) flag(name, value string) {
	c.Flags = append(c.Flags, "--"+name+"="+value)
}

// settingFlags adds what the program finds itself in. Umask and limits stand
// there whether the description sets them or not: nothing but these flags sets
// them, and inetd's own are not the defaults of a description.
func (c *scgiRun) settingFlags(run *appfile.Run) {
	c.flag("umask", run.Umask.String())
	var limits []string
	for _, limit := range []struct {
		name  string
		value *int64
	}{
		{"core", (*int64)(run.Limits.Core)},
		{"cpu", run.Limits.CPUSeconds},
		{"nofile", run.Limits.NoFile},
		{"nproc", run.Limits.NProc},
		{"memory", (*int64)(run.Limits.Memory)},
	} {
		if limit.value != nil {
			limits = append(limits, limit.name+"="+strconv.FormatInt(*limit.value, 10))
		}
	}
	if len(limits) > 0 {
		c.flag("limit", strings.Join(limits, ","))
	}
	if run.Nice != 0 {
		c.flag("nice", strconv.Itoa(run.Nice))
	}
}

// passEnv adds outer variables that the program sees.
func (c *scgiRun) passEnv(names []string) {
	if len(names) > 0 {
		c.flag("env-pass", strings.Join(names, ","))
	}
}

func cgiWords(a *appfile.App) []string {
	if a.CGI.Directory != "" {
		return []string{a.CGI.Directory}
	}
	return append([]string{a.CGI.Script}, a.CGI.Arguments...)
}

// cgiFlags adds the flags of the bridge that only scripts have.
func (c *scgiRun) cgiFlags(a *appfile.App) {
	if len(a.CGI.PassParams) > 0 {
		c.flag("pass", strings.Join(a.CGI.PassParams, ","))
	}
	if len(a.CGI.Allow) > 0 {
		var words []string
		for _, what := range a.CGI.Allow {
			words = append(words, string(what))
		}
		c.flag("allow", strings.Join(words, ","))
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
			c.Flags = append(c.Flags, option.flag)
		}
	}
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

// logFolder is the folder of a log that run.user writes.
func logFolder(a, inst *appfile.App) Spec {
	return Spec{
		Path: inst.Service() + ".log", Kind: fileset.Dir, Mode: 0o750, User: inst.Run.User, Group: inst.Run.Group, Place: inst.LogDir(),
		Apps: []*appfile.App{a},
	}
}

// starterScript is what the template of a script is given that starts a program
// with variables that stand in files.
type starterScript struct {
	Name        string
	Starter     string   // the super-server whose lines can not carry it
	Literal     bool     // see looksMistaken
	Reasons     []string // fields that only a script can carry
	Log         string   // file; "" is the system's log
	NoLog       string   // what the system's log gets where that file can not be written
	EnvFile     string
	Credentials bool // the files are those that systemd gives, by their names
	Secrets     []secretFile
	Program     string
	Flags       []string
	Rest        []string
	MoreArgs    bool // "$@" holds flags for the variables of the env file
}

// onlyByScript returns the fields that only a script can carry to a program that
// a super-server starts.
func onlyByScript(a *appfile.App) []string {
	var fields []string
	if a.Run.EnvFile != "" {
		fields = append(fields, "run.env_file")
	}
	if len(a.Run.Secrets) > 0 {
		fields = append(fields, "run.secrets")
	}
	return fields
}

// onceScript returns the script that a super-server starts for each request.
func onceScript(a *appfile.App, starter, program string, command scgiRun, log string, reasons []string) starterScript {
	return starterScript{
		Name: a.Name, Starter: starter, Reasons: reasons, Log: log, EnvFile: a.Run.EnvFile, Secrets: secretFiles(a),
		NoLog:   "can not write " + log,
		Literal: looksMistaken(command.Flags, command.Rest, []string{log, a.Run.EnvFile}),
		Program: program, Flags: command.Flags, Rest: command.Rest, MoreArgs: a.Run.EnvFile != "",
	}
}
