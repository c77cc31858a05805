package bridge

import (
	"os"
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
	users  int // how many use one that is kept; under the lock of openFolders
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
	if o.last != nil && (err != nil || now != o.last.status) {
		o.forget()
	}
	if o.last == nil {
		if o.last, err = openFolder(path, opts, log); err != nil {
			return nil, err
		}
	}
	o.last.users++
	return o.last, nil
}

// done says that the caller does not use a folder any more.
func (o *openFolders) done(f *folder) {
	if o == nil {
		f.close()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	f.users--
	if f.users == 0 && f != o.last {
		f.close()
	}
}

// drop closes what is kept, now or when its users have done.
func (o *openFolders) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last != nil {
		o.forget()
	}
}

// forget is drop with the lock held.
func (o *openFolders) forget() {
	if o.last.users == 0 {
		o.last.close()
	}
	o.last = nil
}

func (f *folder) close() {
	f.root.Close()
	_ = f.dir.Close()
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
		f.close()
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
