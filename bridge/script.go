package bridge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"scgikit/internal/nowait"
)

// script is the program that answers a request.
type script struct {
	path       string   // absolute
	argv       []string // what it is started with, its path first
	name       string   // for the log
	scriptName string   // SCRIPT_NAME: the part of the URL path that leads to it
	pathInfo   string   // PATH_INFO: the rest
}

// dir is the folder that a script runs in: its own.
func (s *script) dir() string { return filepath.Dir(s.path) }

// findScript says which program answers, or refuses: 403 for what must not run,
// 404 for what is not there.
func findScript(p *params, opts *Options, log *logger, kept *openFolders) (*script, error) {
	path, err := filepath.Abs(opts.Path)
	if err != nil {
		return nil, unable("", "working directory", err)
	}
	if !strings.HasSuffix(opts.Path, "/") {
		return single(path, p, opts, log)
	}
	folder, err := kept.folder(path, opts, log)
	if err != nil {
		return nil, err
	}
	defer kept.done(folder)
	if opts.Mount == "" {
		return folder.unmounted(p)
	}
	rest, ok := cutMount(urlPath(p), opts.Mount)
	if !ok {
		return nil, refuse(404, "", "path "+quote(urlPath(p))+" is not under the mount "+quote(opts.Mount))
	}
	return folder.walk(rest, strings.TrimRight(opts.Mount, "/"))
}

// single is the form with one program, for all requests.
func single(path string, p *params, opts *Options, log *logger) (*script, error) {
	s := &script{
		path: path, argv: append([]string{path}, opts.Arguments...), name: filepath.Base(path),
		scriptName: p.get("SCRIPT_NAME"), pathInfo: p.get("PATH_INFO"),
	}
	if opts.Mount != "" {
		rest, ok := cutMount(urlPath(p), opts.Mount)
		if !ok {
			return nil, refuse(404, s.name, "path "+quote(urlPath(p))+" is not under the mount "+quote(opts.Mount))
		}
		s.scriptName, s.pathInfo = strings.TrimRight(opts.Mount, "/"), rest
	} else if s.scriptName == "" && s.pathInfo == "" {
		s.pathInfo = urlPath(p)
	}
	// The program is named by who configured this: it may be a link, and the
	// folder it stands in may be anybody's choice, but not anybody's to write.
	info, err := nowait.Stat(nowait.Here, path, true)
	if err != nil {
		return nil, cannotLook(s.name, path, err)
	}
	if !info.Is(syscall.S_IFREG) {
		return nil, refuse(403, s.name, path+" is not a file")
	}
	c := checks{opts.Allow, log}
	if dir, err := nowait.Stat(nowait.Here, filepath.Dir(path), true); err == nil {
		if err := c.folder(s.name, filepath.Dir(path), dir); err != nil {
			return nil, err
		}
	}
	if err := c.file(s.name, info); err != nil {
		return nil, err
	}
	return s, nil
}

// unmounted finds a script where no mount is set: by SCRIPT_FILENAME if that is
// a path in this folder, else by the last part of SCRIPT_NAME, as scgi_run
// does.
func (f *folder) unmounted(p *params) (*script, error) {
	scriptName, pathInfo := p.get("SCRIPT_NAME"), p.get("PATH_INFO")
	if rest, ok := strings.CutPrefix(p.get("SCRIPT_FILENAME"), f.path+"/"); ok {
		s, err := f.walk("/"+rest, "")
		if err != nil {
			return nil, err
		}
		// nginx with "SCRIPT_FILENAME $request_filename" leaves PATH_INFO empty
		// and has it at the end of both other names.
		extra := s.pathInfo
		s.scriptName, s.pathInfo = scriptName, pathInfo
		if pathInfo == "" {
			s.scriptName, s.pathInfo = strings.TrimSuffix(scriptName, extra), extra
		}
		return s, nil
	}
	last := scriptName[strings.LastIndexByte(scriptName, '/')+1:]
	if last == "" {
		return nil, refuse(404, "", "SCRIPT_FILENAME and SCRIPT_NAME name no script of "+f.path+"/; --mount PREFIX finds it in the path")
	}
	s, err := f.walk("/"+last, "")
	if err != nil {
		return nil, err
	}
	s.scriptName, s.pathInfo = scriptName, pathInfo
	return s, nil
}

// walk follows a path below the folder to the first plain file. What is left of
// the path is PATH_INFO. Base is the SCRIPT_NAME of the folder.
func (f *folder) walk(path, base string) (*script, error) {
	if hasDots(path) {
		return nil, refuse(403, "", "path "+quote(path)+" has a part . or ..")
	}
	at := "" // relative path of what has been looked at
	for rest := strings.TrimLeft(path, "/"); rest != ""; {
		part, after, more := strings.Cut(rest, "/")
		if err := f.checks.name(part); err != nil {
			return nil, err
		}
		if at != "" {
			at += "/"
		}
		at += part
		info, err := f.look(at)
		if err != nil {
			return nil, err
		}
		if info.Is(syscall.S_IFREG) {
			if err := f.checkOwner(at, info); err != nil {
				return nil, err
			}
			if err := f.checks.file(at, info); err != nil {
				return nil, err
			}
			below := "/" + at
			s := &script{path: f.path + below, name: at, scriptName: base + below}
			if more {
				s.pathInfo = "/" + after
			}
			s.argv = []string{s.path}
			return s, nil
		}
		rest = strings.TrimLeft(after, "/")
	}
	return nil, refuse(403, at, "the path names the folder and no script in it")
}

// look returns what stands at a path below the folder, which is a plain file or
// a folder, with links resolved if that is allowed.
func (f *folder) look(at string) (nowait.Status, error) {
	if f.follow {
		return f.resolve(at)
	}
	info, err := f.lstat(at)
	if err != nil {
		return info, cannotLook(at, f.path+"/"+at, err)
	}
	switch {
	case info.Is(syscall.S_IFLNK):
		return info, refuse(403, at, "a symbolic link; --follow-symlinks allows those that stay in the folder")
	case info.Is(syscall.S_IFDIR):
		return info, f.checks.folder(at, f.path+"/"+at, info)
	case !info.Is(syscall.S_IFREG):
		return info, refuse(403, at, "not a file")
	}
	return info, nil
}

// resolve is look with links followed. What they lead to must lie in the folder.
func (f *folder) resolve(at string) (info nowait.Status, err error) {
	target, err := filepath.EvalSymlinks(f.path + "/" + at)
	if err != nil {
		return info, cannotLook(at, f.path+"/"+at, err)
	}
	base, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return info, cannotLook(at, f.path, err)
	}
	real, ok := strings.CutPrefix(target, base+"/")
	if !ok {
		return info, refuse(403, at, "a symbolic link that leaves the folder")
	}
	// Look again along the real path, where nothing may be a link any more.
	strict := *f
	strict.follow = false
	for i := range len(real) + 1 {
		if i < len(real) && real[i] != '/' {
			continue
		}
		if info, err = strict.look(real[:i]); err != nil {
			return info, err
		}
		if err := f.checks.name(filepath.Base(real[:i])); err != nil {
			return info, err
		}
	}
	return info, nil
}

// folder refuses a folder in which everybody can put scripts.
func (c *checks) folder(name, path string, info nowait.Status) error {
	if info.Mode&0o002 != 0 {
		return c.refuse(AllowWritable, name, "folder "+path+" can be written by everybody")
	}
	return nil
}

// checkOwner refuses a script that belongs to a user who has no say here: not
// root, not the user it would run as, not the owner of the folder.
func (f *folder) checkOwner(at string, info nowait.Status) error {
	owner := info.UID
	if owner != 0 && owner != f.status.UID && owner != uint32(os.Geteuid()) { //nolint:gosec // a user's number fits
		return f.checks.refuse(AllowOwner, at, "belongs to user "+itoa(int64(owner))+", who owns neither the folder nor this process")
	}
	return nil
}

// file refuses a program that everybody can change, one that would run as
// somebody else, and one that can not run.
func (c *checks) file(name string, info nowait.Status) error {
	mode := info.Mode
	if mode&0o002 != 0 {
		if err := c.refuse(AllowWritable, name, "can be written by everybody"); err != nil {
			return err
		}
	}
	if mode&(syscall.S_ISUID|syscall.S_ISGID) != 0 {
		if err := c.refuse(AllowSetuid, name, "is set-uid or set-gid"); err != nil {
			return err
		}
	}
	if mode&0o111 == 0 {
		return refuse(403, name, "not executable: chmod +x it")
	}
	if mode&0o022 == 0o020 && c.log.first("group "+name) {
		c.log.line(warning, name, "can be written by its group")
	}
	return nil
}

// name refuses names that are no scripts: hidden files, and the copies that
// editors, patch and package managers leave beside a script.
func (c *checks) name(name string) error {
	if name == "" || name == "." || name == ".." {
		return refuse(403, name, "no name of a file")
	}
	if name[0] == '.' {
		if err := c.refuse(AllowHidden, name, "a hidden file"); err != nil {
			return err
		}
	}
	if isBackup(name) {
		return c.refuse(AllowBackup, name, "named like a backup copy")
	}
	return nil
}

func isBackup(name string) bool {
	is := strings.HasSuffix(name, "~") || (name[0] == '#' && strings.HasSuffix(name, "#"))
	for _, suffix := range [...]string{".bak", ".orig", ".rej", ".swp"} {
		is = is || strings.HasSuffix(name, suffix)
	}
	for _, part := range [...]string{".dpkg-", ".rpm"} { // .dpkg-old, .rpmnew …
		i := strings.LastIndex(name, part)
		is = is || (i >= 0 && strings.IndexByte(name[i+1:], '.') < 0)
	}
	return is
}

// cannotLook is the refusal for a file that could not be looked at.
func cannotLook(name, path string, err error) error {
	cause := err
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		cause = pathError.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return refuse(404, name, path+": "+cause.Error())
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return unable(name, path, cause)
	}
	return refuse(403, name, path+": "+cause.Error())
}

// urlPath returns the decoded URL path of a request: SCRIPT_NAME and PATH_INFO
// together, which holds for every web server, however it cuts the two. nginx's
// usual list has neither; then it is DOCUMENT_URI, or REQUEST_URI decoded.
func urlPath(p *params) string {
	if path := p.get("SCRIPT_NAME") + p.get("PATH_INFO"); path != "" {
		return path
	}
	if path := p.get("DOCUMENT_URI"); path != "" {
		return path
	}
	path, _, _ := strings.Cut(p.get("REQUEST_URI"), "?")
	if _, rest, ok := strings.Cut(path, "://"); ok && !strings.HasPrefix(path, "/") { // absolute form
		_, after, _ := strings.Cut(rest, "/")
		path = "/" + after
	}
	return unescape(path)
}

// cutMount takes a mount from the front of a path, at a "/": /blog is not the
// front of /blog2.
func cutMount(path, mount string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, strings.TrimRight(mount, "/"))
	return rest, ok && (rest == "" || rest[0] == '/')
}

// hasDots reports whether a path has a part "." or "..".
func hasDots(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// unescape decodes %XX; what is not that stays as it is. A decoded NUL, which no
// variable can hold, stays encoded.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := hexValue(s[i+1]), hexValue(s[i+2])
			if c := high<<4 | low; high < 16 && low < 16 && c != 0 {
				out = append(out, c)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// hexValue returns the value of a hexadecimal digit, or 16.
func hexValue(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// quote shows a value from the request in a message; the log escapes it.
func quote(s string) string {
	const limit = 200
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return `"` + s + `"`
}
