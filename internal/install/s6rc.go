package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	s6rcTarget = "s6-rc"
	s6rcLive   = "/run/s6-rc" // where s6-rc keeps its state, unless it was built otherwise
	s6rcSource = "/etc/s6-rc/source"
)

// definitionOf returns the definition that a file of s6-rc belongs to, and the name
// of the program with its logger. ok is false for what is in no definition.
func definitionOf(a *Action) (definition, service string, ok bool) {
	rest, inside := strings.CutPrefix(a.Path, s6rcSource+"/")
	if a.Target != s6rcTarget || !inside {
		return "", "", false
	}
	definition, _, _ = strings.Cut(rest, "/")
	service = strings.TrimSuffix(strings.TrimSuffix(definition, ".srv"), ".log")
	return definition, service, true
}

// s6rc plans what s6-rc is told. It reads nothing by itself: all definitions are
// compiled once, and that replaces what it has. What changed is restarted then; what
// is gone it stops itself, and is stopped before, while its definition is there.
func s6rc(g *groups, add func(to *[]Action, s Step, apps []string), stop, start *[]Action) {
	var names, apps []string
	fresh := make(map[string]bool)
	var begin, again []Action
	for _, a := range slices.Concat(g.remove, g.put) {
		definition, service, ok := definitionOf(&a)
		if !ok || a.Op == Mkdir || a.Op == Chmod {
			continue
		}
		if !slices.Contains(names, service) {
			names = append(names, service)
		}
		for _, app := range a.Apps {
			if !slices.Contains(apps, app) {
				apps = append(apps, app)
			}
		}
		switch program := strings.HasSuffix(definition, ".srv") && path.Base(a.Path) == "type"; {
		case program && a.Op == Remove:
			add(stop, Step{Verb: Stop, Target: s6rcTarget, Name: service}, a.Apps)
		case program && a.Before.Kind == Absent:
			fresh[service] = true
			add(&begin, Step{Verb: Start, Target: s6rcTarget, Name: service}, a.Apps)
		}
	}
	for _, a := range g.put {
		definition, service, ok := definitionOf(&a)
		if ok && a.Op == Write && !fresh[service] && definition != service && !sameBody(a.Before.data, a.After.data) {
			add(&again, Step{Verb: Restart, Target: s6rcTarget, Name: definition}, a.Apps)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		slices.Sort(apps)
		add(start, Step{Verb: Reload, Target: s6rcTarget, Name: strings.Join(names, " ")}, apps)
	}
	*start = append(append(*start, begin...), again...)
}

// s6rc tells s6-rc. Where it does not run, a person is told what to do once it does.
//
// Source: https://skarnet.org/software/s6-rc/s6-rc.html, s6-rc-compile.html,
// s6-rc-update.html and s6-rc-db.html beside it; s6-svc.html of s6 (-r).
func (r *Runner) s6rc(ctx context.Context, s *Step) error {
	live := s6rcLive
	if r.live != "" {
		live = r.live
	}
	if why := s6rcMissing(live); why != "" {
		if s.Verb == Reload {
			r.Say("%s, so s6-rc is told nothing; where it runs: s6-rc-compile NEW %s, s6-rc-update NEW, s6-rc -u change %s", why, s6rcSource, s.Name)
		}
		return nil
	}
	switch s.Verb {
	case Start:
		return s6rcRun(ctx, "s6-rc", "-l", live, "-u", "change", s.Name)
	case Stop:
		return s6rcRun(ctx, "s6-rc", "-l", live, "-d", "change", s.Name)
	case Restart:
		return s6rcRun(ctx, "s6-svc", "-r", path.Join(live, "servicedirs", s.Name))
	case Reload:
		return r.s6rcUpdate(ctx, live, s)
	case Test, Prove, Forget:
	}
	return nil
}

// s6rcMissing returns why s6-rc can not be told anything, or "".
func s6rcMissing(live string) string {
	for _, name := range []string{"s6-rc", "s6-rc-compile", "s6-rc-update", "s6-rc-db", "s6-svc"} {
		if _, ok := find(name); !ok {
			return name + " is not on this machine"
		}
	}
	if _, err := os.Stat(filepath.Join(live, "compiled")); err != nil {
		return live + " is not there"
	}
	return ""
}

func s6rcRun(ctx context.Context, argv ...string) error {
	_, err := s6rcOutput(ctx, argv...)
	return err
}

func s6rcOutput(ctx context.Context, argv ...string) (string, error) {
	name := argv[0]
	argv[0], _ = find(name)
	text, err := output(ctx, argv)
	if err != nil {
		return "", fmt.Errorf("%s: %s", strings.Join(append([]string{name}, argv[1:]...), " "), strings.TrimSpace(text))
	}
	return text, nil
}

// s6rcUpdate compiles all definitions beside what s6-rc has now, which stays where it
// is: the next boot may read it. What would lose a service that is not of this change
// is not taken, for it was compiled from further folders.
func (r *Runner) s6rcUpdate(ctx context.Context, live string, s *Step) error {
	former, err := filepath.EvalSymlinks(filepath.Join(live, "compiled"))
	if err != nil {
		return err
	}
	fresh := ""
	for n := 1; fresh == ""; n++ {
		at := filepath.Join(filepath.Dir(former), fmt.Sprintf("scgikit-%d", n))
		if _, err := os.Lstat(at); errors.Is(err, fs.ErrNotExist) {
			fresh = at
		} else if err != nil {
			return err
		}
	}
	if err = s6rcRun(ctx, "s6-rc-compile", fresh, s6rcSource); err != nil {
		err = &Rejected{"s6-rc-compile", err.Error()}
	} else {
		err = s6rcKeeps(ctx, former, fresh, strings.Fields(s.Name))
	}
	if err == nil {
		err = s6rcRun(ctx, "s6-rc-update", "-l", live, fresh)
	}
	if _, ok := errors.AsType[*Rejected](err); ok && s.Undo {
		r.Say("s6-rc keeps what it has: %s", err) // what is undone was not taken, either
		err = nil
	}
	if now, look := filepath.EvalSymlinks(filepath.Join(live, "compiled")); look == nil && now != fresh {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err == nil {
		r.Say("s6-rc has %s now; for the next boot let the link that s6-rc-init reads lead there", fresh)
	}
	return err
}

// s6rcKeeps returns which services a compiled database lacks that the former one
// has, but for those of a change.
func s6rcKeeps(ctx context.Context, former, fresh string, names []string) error {
	was, err := s6rcOutput(ctx, "s6-rc-db", "-c", former, "list", "all")
	if err != nil {
		return err
	}
	now, err := s6rcOutput(ctx, "s6-rc-db", "-c", fresh, "list", "all")
	if err != nil {
		return err
	}
	has := strings.Split(now, "\n")
	var lost []string
	for name := range strings.Lines(was) {
		name = strings.TrimSuffix(name, "\n")
		service := strings.TrimSuffix(strings.TrimSuffix(name, ".srv"), ".log")
		own := strings.HasPrefix(name, "s6rc-") // of s6-rc itself, as needed
		if !own && !slices.Contains(has, name) && !slices.Contains(names, service) {
			lost = append(lost, name)
		}
	}
	if len(lost) > 0 {
		return &Rejected{"s6-rc-compile", fmt.Sprintf("%s alone does not define %s; compile it together with the other folders, after --no-activate", s6rcSource, strings.Join(lost, ", "))}
	}
	return nil
}
