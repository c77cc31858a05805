package devserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"scgikit/internal/appfile"
)

const (
	// lookInterval is the time between two looks at the files. There is no
	// notice of a change that every system and every file system gives.
	lookInterval = 100 * time.Millisecond

	// lookShare is how many times longer than a look the pause after it is at
	// least, so that a large tree does not cost a whole processor.
	lookShare = 20

	// maxLooked is how many files and folders of an app are looked at.
	maxLooked = 20000

	// maxUnrest is how long a change waits for a look that finds no further one:
	// a file may be half written.
	maxUnrest = 2 * time.Second
)

// placeKind is what a place is looked at for.
type placeKind uint8

const (
	oneFile      placeKind = iota // itself
	descriptions                  // the *.yaml in the folder
	sources                       // the source files in the folder and below
	butPython                     // those that are no modules of Python
)

// place is a file or folder whose change means something.
type place struct {
	kind placeKind
	path string
}

// stamp is what tells one state of a file from another.
type stamp struct {
	modified int64 // nanoseconds
	size     int64
	inode    uint64
	mode     fs.FileMode
}

// snapshot is the files of some places.
type snapshot map[string]stamp

// placesOf returns what a running app is made of. Of scripts, and of what is started
// for each request, it is only what the environment is made of: the next request
// starts the changed program anyway. A zygote looks after its modules itself.
func placesOf(desc *appfile.App, perRequest bool) []place {
	var list []place
	add := func(kind placeKind, path string) {
		if p := (place{kind, path}); path != "" && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	for _, inst := range append([]*appfile.App{desc}, desc.Instances...) {
		add(oneFile, inst.Run.EnvFile)
		for _, name := range slices.Sorted(maps.Keys(inst.Run.Secrets)) {
			add(oneFile, inst.Run.Secrets[name].File)
		}
		if perRequest || desc.Type == appfile.TypeCGI {
			continue
		}
		kind := sources
		if !listensItself(desc) && desc.WSGI.Style == appfile.WSGIZygote {
			kind = butPython
		}
		for i, word := range inst.Run.Command {
			add(oneFile, commandFile(i, word, inst.Run.Directory))
		}
		folders := []string{inst.Run.Directory}
		if desc.Type == appfile.TypeWSGI {
			folders = append(folders, inst.WSGI.Path...)
		}
		for _, dir := range folders {
			// The default of run.directory is nobody's source.
			if filepath.Clean(dir) != "/" {
				add(kind, dir)
			}
		}
	}
	return list
}

// commandFile returns the path of a file that a word of run.command names, or "".
func commandFile(i int, word, dir string) string {
	path := word
	switch {
	case i == 0:
		found, err := lookProgram(word, dir)
		if err != nil {
			return ""
		}
		path = found
	case !filepath.IsAbs(word):
		path = filepath.Join(dir, word)
	}
	// A socket, or a device, is nothing that is made of source.
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

// errTooMany ends a walk that has seen enough.
var errTooMany = errors.New("too many files")

// look returns the present state of places, and whether that is all of it.
func look(places []place) (found snapshot, complete bool) {
	found, complete = make(snapshot), true
	left := maxLooked
	for _, p := range places {
		switch p.kind {
		case oneFile:
			found.add(p.path)
		case descriptions:
			// A folder that cannot be read is Load's to complain about.
			entries, _ := os.ReadDir(p.path)
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), ".yaml") && !e.IsDir() {
					found.add(filepath.Join(p.path, e.Name()))
				}
			}
		case sources, butPython:
			err := filepath.WalkDir(p.path, func(path string, d fs.DirEntry, err error) error {
				if left--; left < 0 {
					return errTooMany
				}
				return found.visit(p, path, d, err != nil)
			})
			complete = complete && err == nil
		}
	}
	return found, complete
}

// lookAt returns the present state of an app's places. Descriptions that stand
// among its source are none of it: what they change for it is for replace to see.
func (s *Server) lookAt(places []place) (found snapshot, complete bool) {
	found, complete = look(places)
	for _, described := range s.config.Descriptions {
		delete(found, described)
		for path := range found {
			if filepath.Dir(path) == described && strings.HasSuffix(path, ".yaml") {
				delete(found, path)
			}
		}
	}
	return found, complete
}

// visit takes one entry of a folder of sources. What cannot be read holds no
// source of a program that runs as the same user.
func (s snapshot) visit(p place, path string, d fs.DirEntry, unread bool) error {
	isDir := d != nil && d.IsDir()
	switch {
	case isDir && (unread || (path != p.path && skipped(path))):
		return fs.SkipDir
	case p.kind == butPython && strings.HasSuffix(path, ".py"):
	case !isDir && !unread && isSource(d.Name(), modeOf(path, d)):
		s.add(path)
	}
	return nil
}

// modeOf returns the mode of a file, or of what a link leads to; 0 for one that is
// gone is that of a file which nobody may read.
func modeOf(path string, d fs.DirEntry) fs.FileMode {
	info, err := d.Info()
	if err == nil && info.Mode().Type() == fs.ModeSymlink {
		info, err = os.Stat(path)
	}
	if err != nil {
		return 0
	}
	return info.Mode()
}

// skipped reports whether a folder holds what others have made: hidden folders,
// compiled and installed modules.
func skipped(dir string) bool {
	name := filepath.Base(dir)
	if strings.HasPrefix(name, ".") || name == "__pycache__" || name == "node_modules" {
		return true
	}
	_, err := os.Lstat(filepath.Join(dir, "pyvenv.cfg"))
	return err == nil
}

// isSource reports whether a file is one that programs read when they start. A
// database or an upload, which may stand beside it, is none: a program that is
// started anew for each file that it writes would never run.
func isSource(name string, mode fs.FileMode) bool {
	if !mode.IsRegular() || strings.HasPrefix(name, ".") {
		return false
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case "":
		return mode&0o111 != 0 // a program, or a script that says what runs it
	case ".py", ".pyi", ".so", ".pl", ".pm", ".rb", ".lua", ".tcl", ".php", ".sh", ".scm", ".lisp", ".clj", ".ex", ".exs", ".erl",
		".js", ".mjs", ".cjs", ".ts", ".jar", ".wasm", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".env", ".po", ".mo",
		".tmpl", ".tpl", ".html", ".htm", ".xhtml", ".j2", ".jinja", ".jinja2", ".mako", ".mustache", ".hbs", ".erb", ".ejs":
		return true
	}
	return false
}

// add takes the state of one file; one that is not there is left out.
func (s snapshot) add(path string) {
	// Where it leads is what a program reads.
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	st := stamp{modified: info.ModTime().UnixNano(), size: info.Size(), mode: info.Mode()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.inode = sys.Ino
	}
	s[path] = st
}

// keep leaves what stands at these places alone.
func (s snapshot) keep(places []place) {
	maps.DeleteFunc(s, func(path string, _ stamp) bool { return !slices.Contains(places, place{oneFile, path}) })
}

// difference returns the first file, by name, that one of the two snapshots has
// otherwise, or "".
func (s snapshot) difference(other snapshot) string {
	first := ""
	note := func(path string, a, b snapshot) {
		if was, ok := b[path]; (!ok || was != a[path]) && (first == "" || path < first) {
			first = path
		}
	}
	for path := range s {
		note(path, s, other)
	}
	for path := range other {
		note(path, other, s)
	}
	return first
}

// watcher is the one look at everything, from time to time.
type watcher struct {
	server *Server
	places []place  // of the descriptions
	seen   snapshot // of them, when they were read
	told   map[string]bool
	unrest time.Time // since when there is a change that is not taken over yet
	last   []snapshot
}

// watch takes changes over until the context ends.
func (s *Server) watch(ctx context.Context) {
	w := &watcher{server: s, told: make(map[string]bool)}
	for _, path := range s.config.Descriptions {
		kind := oneFile
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			kind = descriptions
		}
		w.places = append(w.places, place{kind, path})
	}
	w.seen, _ = look(w.places)
	pause := s.config.interval
	for {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		cost := w.once(ctx, time.Now())
		pause = s.config.interval
		if !w.unrest.IsZero() {
			pause /= 4 // only to see whether it goes on
		}
		pause = max(pause, lookShare*cost)
	}
}

// once looks, and takes over what has changed and does not change any more. It
// returns how long looking took.
func (w *watcher) once(ctx context.Context, now time.Time) (cost time.Duration) {
	project, _ := look(w.places)
	all := []snapshot{project}
	described := w.seen.difference(project)
	dirty, changed := make(map[string]bool), make(map[string]string)
	for _, a := range w.server.current.Load().apps {
		found, complete := w.server.lookAt(a.places)
		if !complete && !w.told[a.desc.Name] {
			w.told[a.desc.Name] = true
			a.log.say("has more than %d files and folders; changes of the others are not seen", maxLooked)
		}
		all = append(all, found)
		if path := a.seen.difference(found); path != "" {
			dirty[a.desc.Name], changed[a.desc.Name] = true, path
		}
	}
	cost = time.Since(now)
	if described == "" && len(dirty) == 0 {
		w.unrest, w.last = time.Time{}, nil
		return cost
	}
	if w.unrest.IsZero() {
		w.unrest = now
	}
	still := slices.EqualFunc(all, w.last, maps.Equal)
	w.last = all
	if !still && now.Sub(w.unrest) < maxUnrest {
		return cost
	}
	w.unrest, w.last = time.Time{}, nil
	w.take(ctx, project, described, dirty, changed)
	return cost
}

// take serves what has changed.
func (w *watcher) take(ctx context.Context, project snapshot, described string, dirty map[string]bool, changed map[string]string) {
	s := w.server
	var descs []*appfile.App
	for _, a := range s.current.Load().apps {
		descs = append(descs, a.desc)
	}
	if described != "" {
		w.seen = project
		if next, err := w.load(ctx, described); err == nil {
			descs = next
		}
	}
	for _, a := range s.current.Load().apps {
		if path := changed[a.desc.Name]; path != "" {
			a.log.say("%s has changed", path)
		}
	}
	if err := s.replace(ctx, descs, dirty); err != nil {
		s.say("nothing is changed: %v", err)
		w.forget(dirty)
	}
}

// forget takes a change that could not be taken over as seen: it would be tried
// again at each look.
func (w *watcher) forget(dirty map[string]bool) {
	for _, a := range w.server.current.Load().apps {
		if dirty[a.desc.Name] {
			a.seen, _ = w.server.lookAt(a.places)
		}
	}
}

// load reads the descriptions again. What is wrong with them is told, and the
// last good ones stay.
func (w *watcher) load(ctx context.Context, changed string) ([]*appfile.App, error) {
	s := w.server
	s.say("%s has changed", changed)
	if s.config.Load == nil {
		return nil, errors.New("no descriptions")
	}
	apps, err := s.config.Load(ctx)
	if err == nil && len(apps) == 0 {
		err = errors.New("there is no app any more")
	}
	if err == nil {
		return apps, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	for line := range strings.Lines(fmt.Sprintf("%v", err)) {
		s.say("%s", strings.TrimRight(line, "\n"))
	}
	s.say("the descriptions stay as they were")
	return nil, err
}
