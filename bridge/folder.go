package bridge

import (
	"os"
	"runtime"
	"strings"
	"sync"

	"scgikit/internal/nowait"
)

// folder is the form with a folder of programs.
type folder struct {
	path   string   // absolute, without a slash at the end
	root   *os.Root // confines every look-up to it
	dir    *os.File // root itself
	fd     int      // of dir
	status nowait.Status
	follow bool
	checks checks
}

// openFolders keeps the folder of scripts open, for those that ask for it again and
// again. nil keeps none.
type openFolders struct {
	mu   sync.Mutex
	last *folder
}

// folder opens the folder with that path. The caller is to say when it is done.
func (o *openFolders) folder(path string, opts *Options, log *logger) (*folder, error) {
	if o == nil {
		return openFolder(path, opts, log)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	// Another may stand in its place by now, or it may have another mode.
	now, err := nowait.Stat(nowait.Here, path, true)
	if err == nil && o.last != nil && now == o.last.status {
		return o.last, nil
	}
	f, err := openFolder(path, opts, log)
	if err != nil {
		return nil, err
	}
	o.last = f // the former one is closed when nobody has it any more, by the run-time
	return f, nil
}

// done says that the caller does not use a folder any more.
func (o *openFolders) done(f *folder) {
	if o == nil {
		f.root.Close()
		_ = f.dir.Close()
	}
	runtime.KeepAlive(f)
}

// drop closes what is kept.
func (o *openFolders) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = nil
}

func openFolder(path string, opts *Options, log *logger) (*folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, refuse(500, "", "folder of scripts: "+err.Error())
	}
	f := &folder{path: strings.TrimRight(path, "/"), root: root, follow: opts.FollowSymlinks, checks: checks{opts.Allow, log}}
	if f.dir, err = root.Open("."); err != nil {
		root.Close()
		return nil, cannotLook("", path, err)
	}
	f.fd = int(f.dir.Fd())
	info, err := f.dir.Stat()
	if err == nil {
		f.status = nowait.StatusOf(info)
		err = f.checks.folder("", path, f.status)
	}
	if err != nil {
		root.Close()
		_ = f.dir.Close()
		return nil, err
	}
	return f, nil
}

// lstat looks at a path below the folder.
func (f *folder) lstat(at string) (nowait.Status, error) {
	if strings.IndexByte(at, '/') < 0 {
		return nowait.Stat(f.fd, at, false) // as root does with a name
	}
	info, err := f.root.Lstat(at)
	if err != nil {
		return nowait.Status{}, err
	}
	return nowait.StatusOf(info), nil
}
