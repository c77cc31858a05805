package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scgikit/internal/logread"
)

// logsFlags are the flags of logs.
type logsFlags struct {
	follow bool
	since  string
	until  string
	lines  string
	grep   string
	utc    bool
	raw    bool
	rotate bool
	dirs   []string
}

func newLogsCmd(e *env) *cobra.Command {
	var flags logsFlags
	cmd := &cobra.Command{
		Use:   "logs [APP…]",
		Short: "show the log of an app",
		Long: `Shows the logs of apps, or of all apps of the project: finished files, also
compressed ones, and then what is written now, as one log. Several logs are
merged by the time of their lines. APP may also be one instance, such as shop-2.

A log is looked for where log.dir says, and without log.dir in log/main of the
service folder, below ` + strings.Join(serviceFolders(), ", ") + ` or --out-dir.
--dir reads a folder without any description.

TIME is how long ago (90s, 2h, 7d, 1h30m), today, yesterday, 2026-11-22,
'2026-11-22 10:37', '2026-11-22 10:37:10.5', 2026-11-22T10:37:10Z, a TAI64N
label, or what is shown of a line. Without a zone it is local time, or UTC with
--utc; svlogd's 2026-11-22_10:37:10.5 is UTC. --until takes the whole microsecond
of a time. Lines without a stamp go with the stamped line before them, and in a
log without stamps with their file. --grep sees the first 1 MiB of a line.

The stamp of a line is shown as local time, and on a terminal control characters
of the text are written as \xNN. --raw prints what is stored. With -o json each
line is a JSON object with time, app, file and line.

--follow shows the last 10 lines and then what comes, across rotations, until
Control-C, which is its ordinary end and so exit code 0.`,
		Example: `  scgikit logs blog --since 2h --grep 'error|warning'
  scgikit logs -f
  scgikit logs -n 100 --raw --dir /service/blog/log/main`,
		GroupID: groupRun,
		PreRunE: func(cmd *cobra.Command, args []string) error {
			for _, pair := range [][]string{{"follow", "until"}, {"follow", "rotate"}, {"utc", "raw"}, {"rotate", "raw"}, {"rotate", "lines"}, {"rotate", "since"}, {"rotate", "until"}, {"rotate", "grep"}} {
				if err := exclusive(pair...)(cmd, args); err != nil {
					return err
				}
			}
			return noEmptyValue(cmd, &flags)
		},
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return e.logNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.logs(cmd.Context(), &flags, args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&flags.follow, "follow", "f", false, "show what comes")
	f.StringVar(&flags.since, "since", "", "only lines of that `TIME` or later")
	f.StringVar(&flags.until, "until", "", "only lines of that `TIME` or earlier")
	f.StringVarP(&flags.lines, "lines", "n", "", "only the last `N` of the lines; all with --follow shows the whole log first")
	f.StringVar(&flags.grep, "grep", "", "only lines whose text, without the stamp, matches `REGEXP` (RE2)")
	f.BoolVar(&flags.utc, "utc", false, "show and read times as UTC")
	f.BoolVar(&flags.raw, "raw", false, "print lines as they are stored")
	f.BoolVar(&flags.rotate, "rotate", false, "show nothing, but ask the running logger to begin a new file")
	f.StringArrayVar(&flags.dirs, "dir", nil, "read the log in `DIR`; repeatable")
	// Here -f follows, as everywhere where logs are shown: --file has no letter.
	f.StringArrayVar(&e.flags.files, "file", nil, "description `PATH` to read; -f is --follow here; repeatable")
	return cmd
}

// logs shows logs, or rotates them.
func (e *env) logs(ctx context.Context, flags *logsFlags, apps []string) error {
	if e.settings.Output == "yaml" {
		return usagef("use -o json", "logs has no YAML form")
	}
	if flags.raw && e.settings.Output != "text" {
		return usagef("leave one of them out", "--raw and -o %s contradict each other", e.settings.Output)
	}
	opt, err := flags.options(time.Now())
	if err != nil {
		return err
	}
	places, skipped, err := e.logPlaces(ctx, flags.dirs, apps)
	if err != nil {
		return err
	}
	if flags.rotate {
		return e.rotateLogs(places, skipped)
	}
	r := &logReader{env: e, opt: opt, skipped: skipped}
	defer r.close()
	if err := r.open(places); err != nil {
		return err
	}
	e.emitted = true // with -o json, no line at all is a result, too
	return r.show(ctx, flags)
}

// noEmptyValue refuses an empty value, which is that of an unset variable in a
// script rather than no wish at all.
func noEmptyValue(cmd *cobra.Command, flags *logsFlags) error {
	for _, name := range []string{"since", "until", "lines", "grep"} {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return usagef("leave it out, or give it a value", "--%s: the value is empty", name)
		}
	}
	if slices.Contains(flags.dirs, "") {
		return usagef("the working directory is .", "--dir: the value is empty")
	}
	return nil
}

// options turns the flags into what logread takes.
func (flags *logsFlags) options(now time.Time) (opt logread.Options, err error) {
	opt.Follow = flags.follow
	zone := time.Local
	if flags.utc {
		zone = time.UTC
	}
	for _, f := range []struct {
		flag, text string
		to         *time.Time
	}{{"--since", flags.since, &opt.Since}, {"--until", flags.until, &opt.Until}} {
		if f.text == "" {
			continue
		}
		if *f.to, err = parseLogTime(f.text, now.In(zone)); err != nil {
			return opt, usagef("for example 2h, 7d, today, '2026-11-22 10:37', or 2026-11-22T10:37:10Z", "%s: %w", f.flag, err)
		}
	}
	if !opt.Until.IsZero() {
		opt.Until = lastMoment(flags.until, opt.Until)
	}
	if flags.grep != "" {
		if opt.Match, err = regexp.Compile(flags.grep); err != nil {
			return opt, usagef("the syntax is that of RE2; a \\ before a character takes its meaning away", "--grep: %w", err)
		}
	}
	opt.Last, err = flags.last()
	return opt, err
}

// last returns the number of lines wanted; below 0 is all.
func (flags *logsFlags) last() (int, error) {
	switch {
	case flags.lines == "all":
		return -1, nil
	case flags.lines != "":
		n, err := strconv.ParseUint(flags.lines, 10, 31)
		if err != nil {
			return 0, usagef("", "--lines: %q is no number of lines", flags.lines)
		}
		return int(n), nil
	case flags.follow && flags.since == "":
		return 10, nil
	}
	return -1, nil
}

// logReader reads the logs of one command.
type logReader struct {
	env     *env
	opt     logread.Options
	sources []*logread.Source
	damaged []error
	skipped []error // why there is no log of some instances
	denied  error   // the first of these that says that it may not be read
}

func (r *logReader) close() {
	for _, s := range r.sources {
		s.Close()
	}
}

// open opens the logs. One that was named must be there, and at least one of
// the others.
func (r *logReader) open(places []logPlace) error {
	r.opt.Warn = func(err error) {
		r.damaged = append(r.damaged, err)
		r.env.talk("%v", err)
	}
	for _, p := range places {
		s, err := logread.Open(p.name, p.dir, r.opt)
		if err != nil {
			if err = openFailure(err); p.named {
				return err
			}
			r.skipped = append(r.skipped, err)
			continue
		}
		r.env.detail("%s: %s", p.name, p.dir)
		r.sources = append(r.sources, s)
	}
	var err error
	r.denied, err = r.env.tellSkipped(len(r.sources), r.skipped)
	return err
}

func openFailure(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return failf(exitPermission, "read it as root, or as the user of the logger", "%w", err)
	}
	return failf(exitNoApp, "", "%w", err)
}

// show prints the lines that there are, and those that come.
func (r *logReader) show(ctx context.Context, flags *logsFlags) error {
	p := newLogPrinter(r.env, flags, r.sources)
	merger := logread.NewMerger(r.sources)
	skip := r.surplus()
	var watcher *logread.Watcher
	if flags.follow {
		// Before the first look, so that nothing comes unnoticed behind it.
		watcher = logread.NewWatcher(r.sources)
		defer watcher.Close()
	}
	for {
		if err := r.drain(ctx, merger, p, &skip); err != nil {
			return followEnd(flags, err)
		}
		if err := p.flush(); err != nil {
			return err
		}
		if !flags.follow {
			return r.outcome()
		}
		if err := watcher.Wait(ctx); err != nil {
			return followEnd(flags, err)
		}
	}
}

// followEnd takes an interruption for the end of following.
func followEnd(flags *logsFlags, err error) error {
	if flags.follow && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// surplus returns how many lines of the merged logs are before the last ones
// that are wanted: each log brings as many as all together may.
func (r *logReader) surplus() int {
	if r.opt.Last < 0 {
		return 0
	}
	all := 0
	for _, s := range r.sources {
		all += s.Pending()
	}
	return max(0, all-r.opt.Last)
}

// drain prints the lines that there are.
func (r *logReader) drain(ctx context.Context, merger *logread.Merger, p *logPrinter, skip *int) error {
	for n := 0; ; n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		source, line, err := merger.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case *skip > 0:
			*skip--
			continue
		}
		if err := p.print(source, line); err != nil {
			return err
		}
	}
}

// outcome is an error where a file could not be read to its end, or a log not at
// all.
func (r *logReader) outcome() error {
	if len(r.damaged) == 0 {
		return r.denied
	}
	code := exitFailed
	if r.denied != nil {
		r.env.talk("%v", r.denied)
		code = exitPermission
	}
	if slices.ContainsFunc(r.damaged, func(err error) bool { return errors.Is(err, fs.ErrPermission) }) {
		code = exitPermission
	}
	return failf(code, "", "%s not read to the end; the rest of the log is above", plural(len(r.damaged), "file"))
}
