package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/devserver"
	"scgikit/internal/webserver"
)

// devFlags are the flags of dev.
type devFlags struct {
	addr      string
	lan       bool
	open      bool
	allowRoot bool
	scgiRun   string
	logDir    string
	noReload  bool
	server    string
}

// devResult is what dev prints once it listens.
type devResult struct {
	Address string            `json:"address"`
	Apps    []devserver.Place `json:"apps"`
	Logs    string            `json:"logs,omitempty"`
}

func newDevCmd(e *env) *cobra.Command {
	var flags devFlags
	cmd := &cobra.Command{
		Use:   "dev [PATH…]",
		Short: "run the apps behind a built-in web server",
		Long: `Runs the apps of the project behind a built-in web server, at their real
mounts, with their static folders, redirects, limits and headers: what an app
sees is what nginx, Lighttpd and Apache send it with the generated files.

What runs is what the generated files start: scgi-run bridge for scripts and
scgi-run wsgi for callables keep running, or are started for each request where
run.mode or wsgi.style says so; an app of type server is started itself, and asked
by SCGI, FastCGI, uwsgi or HTTP. All are started again as run.restart says. While an app
is down, a page shows its state, how its program ended and the last lines of its
log.

A change of a description, or of the source of what keeps running (in
run.directory, wsgi.path, or a file that run.command names), is taken over within a
second: what has begun is answered to its end, and requests wait for the new program
instead of failing. Scripts are started for each request, and so changed ones are
seen at once. Descriptions with mistakes change nothing; they are told of.
--no-reload leaves all of that, for an app that looks after its source itself.

--server runs a real web server in place of the built-in one, as the current
user, with the configuration that scgikit generate writes, in a private folder.
It passes requests to the apps by way of dev, so that they wait here too.

Everything runs as the current user, and ends with Control-C, which is the
ordinary end and so exit code 0; a second Control-C kills what is left. The
lines of apps and requests go to stderr, and those of apps to a file each, new
with every run; the one before is kept as .old.

Nothing but this machine can connect, unless --lan is given, and requests for
other host names than localhost and those in http.host are refused.`,
		Example: `  scgikit dev
  scgikit dev --addr 127.0.0.1:0 --open
  scgikit dev --set vars.blog=$PWD apps/blog.yaml
  scgikit dev --server nginx`,
		GroupID: groupRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.lan && !cmd.Flags().Changed("addr") {
				flags.addr = ":8000"
			}
			return e.dev(cmd.Context(), &flags, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.addr, "addr", "127.0.0.1:8000", "`ADDRESS` to listen on, host:port; port 0 takes a free one")
	f.BoolVar(&flags.lan, "lan", false, "let other machines connect: listen on all addresses, or on the one of --addr")
	f.BoolVar(&flags.open, "open", false, "open the first app in the browser")
	f.StringVar(&flags.server, "server", "", "real web `SERVER` in place of the built-in one: nginx, lighttpd or apache")
	f.BoolVar(&flags.allowRoot, "allow-root", false, "run although the user is root, as in a container")
	f.BoolVar(&flags.noReload, "no-reload", false, "leave changes of descriptions and sources alone")
	f.StringVar(&flags.scgiRun, "scgi-run", "", "`PROGRAM` in place of the scgi-run next to scgikit or in PATH")
	f.StringVar(&flags.logDir, "log-dir", "", "`DIR` for the logs; default is the user's state folder")
	return cmd
}

// dev runs the apps until the context ends, or until nothing can be served any
// more.
func (e *env) dev(ctx context.Context, flags *devFlags, paths []string) error {
	if os.Geteuid() == 0 && !flags.allowRoot {
		return failf(exitRefused, "run it as yourself; where root is all there is, as in a container, add --allow-root",
			"dev does not run apps as root")
	}
	project, _, err := e.load(ctx, paths)
	if err != nil {
		return err
	}
	descriptions, err := e.descriptionPaths(paths)
	if err != nil {
		return err
	}
	config := devserver.Config{
		NoReload: flags.noReload, Descriptions: descriptions,
		Load: func(ctx context.Context) ([]*appfile.App, error) { return e.loadAgain(ctx, paths) },
		Apps: project.Apps, Addr: flags.addr, LAN: flags.lan, ScgiRun: flags.scgiRun,
		LogDir: e.devLogs(flags.logDir), Output: e.stderr, Environ: os.Environ(), Bridge: bridgeFor,
		ServerFields: slices.Concat(generate.OnlyFromServer()),
	}
	if e.flags.quiet {
		config.Output = io.Discard
	}
	if config.ScgiRun == "" {
		// Whether it is needed depends on the apps; devserver says so.
		config.ScgiRun, _ = findSmallProgram()
	}
	folder, err := e.devFolder()
	if err != nil {
		return err
	}
	defer folder.Remove()
	// Not the folder itself, which the web server may have to pass through.
	config.Folder = filepath.Join(folder.Path, "a")
	if err := os.Mkdir(config.Folder, 0o700); err != nil {
		return err
	}
	if flags.server != "" {
		if config.Front, err = newFront(flags.server, folder.Path); err != nil {
			return err
		}
	}
	var result devResult
	config.Ready = func() {
		if flags.open {
			if err := devserver.OpenBrowser(result.Apps[0].URL); err != nil {
				e.say("--open: %v", err)
			}
		}
	}
	server, err := devserver.New(config)
	if err != nil {
		return devFailure(err)
	}
	// Nothing is started yet: from here on, only Run gives the address back.
	result = devResult{Address: server.Addr(), Apps: server.Places(), Logs: config.LogDir}
	for _, note := range devserver.Notes(project.Apps) {
		e.say("note: %s", note)
	}
	if err := e.result(result, result.text); err != nil {
		return err
	}
	e.say("apps run as %s; Control-C ends them", userName())
	if config.LogDir != "" {
		e.say("logs: %s", config.LogDir)
	}
	return e.runDev(ctx, server)
}

// descriptionPaths returns the files and folders that load reads for these
// paths, and those that it would read if they came to be; none for standard input,
// which can be read once.
func (e *env) descriptionPaths(paths []string) ([]string, error) {
	paths = append(slices.Clone(paths), e.flags.files...)
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var list []string
	for _, name := range paths {
		if name == "-" {
			return nil, nil
		}
		// A relative one begins where --chdir says.
		whole, err := filepath.Abs(e.path(name))
		if err != nil {
			return nil, err
		}
		file := whole
		if info, err := os.Stat(whole); err == nil && info.IsDir() {
			file = filepath.Join(whole, "scgikit.yaml")
			list = append(list, filepath.Join(whole, e.settings.AppsDir))
			if name != "." {
				list = append(list, whole)
			}
		}
		list = append(list, file)
		if base, ok := strings.CutSuffix(file, ".yaml"); ok && e.flags.profile != "" {
			list = append(list, base+"."+e.flags.profile+".yaml")
		}
	}
	return list, nil
}

// loadAgain reads the descriptions again. Its error is all that is wrong, with
// the excerpts.
func (e *env) loadAgain(ctx context.Context, paths []string) ([]*appfile.App, error) {
	sources, err := e.sources(ctx, paths)
	if err != nil {
		return nil, err
	}
	project, list := e.loader().Load(sources)
	if !list.HasErrors() {
		return project.Apps, nil
	}
	var text strings.Builder
	if err := list.Show(&text); err != nil {
		return nil, err
	}
	return nil, errors.New(text.String())
}

// runDev serves until a signal, and hurries at the second one.
func (e *env) runDev(ctx context.Context, server *devserver.Server) error {
	// A terminal that is closed takes dev along, which then stops the apps.
	ctx, release := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer release()
	hurry, finished := make(chan struct{}), make(chan struct{})
	again := make(chan os.Signal, 1)
	stopping := make(chan struct{})
	go func() {
		defer close(stopping)
		select {
		case <-ctx.Done():
		case <-finished:
			return
		}
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(again)
		e.say("stopping; Control-C again kills what is left")
		select {
		case <-again:
			close(hurry)
		case <-finished:
		}
	}()
	err := server.Run(ctx, hurry)
	close(finished)
	<-stopping
	return err
}

// text writes where each app is.
func (r *devResult) text(w io.Writer) error {
	width := 0
	for _, p := range r.Apps {
		width = max(width, len(p.App))
	}
	for _, p := range r.Apps {
		note := ""
		if p.Host != "" {
			note = "  (the name must lead to this machine: /etc/hosts, or curl --resolve)"
		}
		if _, err := fmt.Fprintf(w, "%-*s  %s%s\n", width, p.App, p.URL, note); err != nil {
			return err
		}
	}
	return nil
}

// devFailure gives an error of the server its exit code and hint.
func devFailure(err error) error {
	p, ok := errors.AsType[*devserver.Problem](err)
	switch {
	case !ok:
		return err
	case p.Usage:
		return usagef(p.Hint, "%w", err)
	}
	return failf(exitFailed, p.Hint, "%w", err)
}

// devLogs returns the folder for the logs: the flag's, or one for this project
// in the user's state folder, or "" for a user who can have none.
//
// Source: XDG Base Directory Specification, XDG_STATE_HOME.
func (e *env) devLogs(flag string) string {
	if flag != "" {
		return e.path(flag)
	}
	base, ok := e.lookup("XDG_STATE_HOME")
	if !ok || !filepath.IsAbs(base) {
		home, ok := e.lookup("HOME")
		if !ok || !filepath.IsAbs(home) {
			return ""
		}
		base = filepath.Join(home, ".local", "state")
	}
	project, err := filepath.Abs(e.folder())
	if err != nil {
		return ""
	}
	// Two projects may have folders of one name.
	dir := filepath.Join(base, "scgikit", "dev", filepath.Base(project)+"-"+shortSum(project))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		e.say("no logs are kept: %v", err)
		return ""
	}
	return dir
}

// shortSum tells one project's folder from another's.
func shortSum(project string) string {
	sum := sha256.Sum256([]byte(project))
	return hex.EncodeToString(sum[:4])
}

// devFolder makes the private folder of this run, and removes those that runs of
// this project have left behind which were killed.
func (e *env) devFolder() (*devserver.Folder, error) {
	project, err := filepath.Abs(e.folder())
	if err != nil {
		return nil, err
	}
	// Short, because sockets are in it.
	return devserver.NewFolder(webserver.TempDir(), "scgikit-dev-"+shortSum(project)+"-")
}

// bridgeFor returns the words after scgi-run that answer for an app, as the generated
// configuration has them, or all that starters refuse of it.
func bridgeFor(a *appfile.App, pass []string) (words []string, resident bool, err error) {
	words, resident, problems := generate.BridgeArgs(a, "scgikit dev", pass)
	if !problems.HasErrors() {
		return words, resident, nil
	}
	var text strings.Builder
	if err := problems.Show(&text); err != nil {
		return nil, false, err
	}
	return nil, false, errors.New(strings.TrimSpace(text.String()))
}

// userName returns the current user's name, or number.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}
