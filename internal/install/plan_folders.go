package install

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// runtimeFolders are what supervisors make in the folder of a service.
//
// Source: daemontools 0.76 supervise.c, runit 2.1.2 runsv.c, s6 2.11 s6-supervise.c.
func runtimeFolders() []string { return []string{"supervise", "event"} }

// folders plans the removal of recorded folders that nothing is in any more.
func (p *planner) folders() {
	keep := make(map[string]bool)
	for i := range p.Want {
		for at := p.Want[i].Path; at != "/"; at = path.Dir(at) {
			keep[at] = true
		}
	}
	var dirs []*Entry
	for _, e := range p.recorded {
		if e.Kind == Dir && p.leftToOthers(e) {
			continue
		}
		if e.Kind == Dir && !keep[e.Path] && e.Path != p.state() && (e.Target == "" || p.Scope.holds(e)) {
			dirs = append(dirs, e)
		}
	}
	slices.SortFunc(dirs, func(a, b *Entry) int { return strings.Compare(b.Path, a.Path) })
	for _, e := range dirs {
		p.folder(e)
	}
}

// leftToOthers reports whether a folder stays for apps that are not looked at; what
// goes with this run is not recorded for it any more.
func (p *planner) leftToOthers(e *Entry) bool {
	all := p.Scope
	if all.Apps = nil; p.Scope.Apps == nil || !all.holds(e) {
		return false
	}
	rest := slices.DeleteFunc(slices.Clone(e.Apps), func(app string) bool { return slices.Contains(p.Scope.Apps, app) })
	if len(rest) == 0 || len(rest) == len(e.Apps) {
		return false
	}
	if !slices.ContainsFunc(p.Want, func(it Item) bool { return it.key() == e.key() }) {
		theirs := *e
		theirs.Apps = rest
		p.entries[e.key()] = theirs
	}
	return true
}

func (p *planner) folder(e *Entry) {
	found := p.snap[e.Path]
	// One that others needed may be on the way of another target alone.
	if found.unsafe != nil && e.Target == "" || p.notSafe(&found, e.Target) {
		return
	}
	if found.Kind != Dir {
		delete(p.entries, e.key())
		return
	}
	var clear []Action
	left, kept := "", false
	for _, name := range found.names {
		at := path.Join(e.Path, name)
		switch {
		case p.gone[at]:
		case isServices(e.Target) && slices.Contains(runtimeFolders(), name) && p.snap[at].Kind == Dir:
			clear = append(clear, Action{Op: Clear, Path: at, Target: e.Target, Apps: e.Apps, Why: "what the supervisor left", Before: p.snap[at], After: State{Kind: Absent}})
		case e.holdsLogs() && isLogFile(e.Target, e.Apps, name) && (p.KeepLogs || p.Want != nil), p.kept[at]:
			kept = true
		case e.holdsLogs() && isLogFile(e.Target, e.Apps, name):
		default:
			left = name
		}
	}
	switch {
	case kept && e.Target != "":
		p.keepLog(e, clear)
		return
	case (left != "" || kept) && e.Target == "":
		return // another's by now as well; it stays in the receipt
	case left != "":
		p.plan.Left = append(p.plan.Left, fmt.Sprintf("%s: holds %s", e.Path, left))
		delete(p.entries, e.key())
		return
	}
	if e.holdsLogs() && len(found.names) > 0 {
		clear = append(clear, Action{Op: Clear, Path: e.Path, Target: e.Target, Apps: e.Apps, Why: "the log", Before: found, After: found})
	}
	p.finish = append(p.finish, clear...)
	p.finish = append(p.finish, Action{Op: Rmdir, Path: e.Path, Before: found, After: State{Kind: Absent}, Target: e.Target, Apps: e.Apps})
	p.gone[e.Path] = true
	delete(p.entries, e.key())
}

// keepLog leaves a folder of a log, or one on the way to it, in the receipt: the next
// install has it, or an uninstall that is not to keep it takes it away.
func (p *planner) keepLog(e *Entry, clear []Action) {
	p.kept[e.Path] = true
	p.finish = append(p.finish, clear...)
	if e.holdsLogs() && !e.Kept {
		p.plan.Left = append(p.plan.Left, e.Path+": holds the log of "+strings.Join(e.Apps, ", "))
	}
	kept := *e
	kept.Kept = true
	p.entries[e.key()] = kept
}

// keptFolders returns the entries of folders that could not be removed because a log
// is in them, with those on the way to them.
func (r *Receipt) keptFolders(left []string) []Entry {
	var out []Entry
	for i := range slices.Backward(r.Entries) { // sorted by path: what is in a folder comes first
		e := r.Entries[i]
		below := slices.ContainsFunc(out, func(k Entry) bool { return path.Dir(k.Path) == e.Path })
		if e.Kind == Dir && slices.Contains(left, e.Path) && (e.holdsLogs() || below) {
			e.Kept = e.Target != ""
			out = append(out, e)
		}
	}
	return out
}

// holdsLogs reports whether a folder of ours is one that a log is written to: it has an
// owner other than root, and is no folder of a socket; or it is for systemd, which opens
// logs as root.
func (e *Entry) holdsLogs() bool {
	if e.Kind != Dir || e.Target == "" {
		return false
	}
	return e.Target == "systemd" || !strings.HasPrefix(e.Owner, "root:")
}

// isLogFile reports whether a logger made a file: multilog, svlogd or s6-log; or, where
// no supervisor has a logger, scgi-run or systemd itself, with what logrotate makes of
// it. A config is a person's, or ours and removed by itself.
//
// Source: multilog.c of daemontools 0.76, svlogd.c of runit 2.1.2, s6-log.c of s6 2.11;
// logrotate(8): extension, dateext, compress.
func isLogFile(target string, apps []string, name string) bool {
	switch name {
	case "current", "lock", "state", "newstate", "previous", "processed":
		return true
	}
	if strings.HasPrefix(name, "@") && len(name) > 25 && !strings.ContainsAny(name, "/\x00") {
		return true
	}
	return !isServices(target) && slices.ContainsFunc(apps, func(app string) bool {
		rest, ok := strings.CutPrefix(name, app+".log")
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '-')
	})
}

// isLog reports whether a file in the folder of an action is of a log.
func (a *Action) isLog(name string) bool { return isLogFile(a.Target, a.Apps, name) }
