package devserver

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"scgikit/internal/appfile"
)

// staticDir is a folder served from disk.
type staticDir struct {
	url     string // ends in "/"
	dir     string // as the description has it
	index   string
	expires time.Duration
}

// defaultIndex answers for a folder where http.static names no index, as in the
// generated configuration.
const defaultIndex = "index.html"

// newStatics returns the static folders of an app. One that is not there is an
// error only when it is asked for: it may be made by a build step.
func newStatics(desc *appfile.App) []*staticDir {
	var list []*staticDir
	for _, s := range desc.HTTP.Static {
		index := s.Index
		if index == "" {
			index = defaultIndex
		}
		list = append(list, &staticDir{url: s.URL, dir: s.Dir, index: index, expires: s.Expires})
	}
	return list
}

// serve answers with a file. The name is relative and clean, or "" or ends in
// "/" for a folder. os.Root keeps links from leading out of the folder, which
// the web servers would follow; the page says so.
func (d *staticDir) serve(w http.ResponseWriter, r *http.Request, t Target, name string) *failure {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return failed(http.StatusMethodNotAllowed, "%s is served from disk, which takes GET and HEAD only", d.url)
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return d.failure(name, err)
	}
	defer root.Close()
	if name == "" || strings.HasSuffix(name, "/") {
		name += d.index
	}
	// O_NONBLOCK: opening a FIFO must not wait for its writer.
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return d.failure(name, err)
	}
	defer file.Close() //nolint:errcheck // only read from
	info, err := file.Stat()
	if err != nil {
		return d.failure(name, err)
	}
	switch {
	case info.IsDir():
		redirect(w, http.StatusMovedPermanently, escapePath(t.Path)+"/", t.Query)
		return nil
	case !info.Mode().IsRegular():
		return failed(http.StatusForbidden, "%s is not a regular file", t.Path)
	}
	if d.expires > 0 {
		w.Header().Set("Expires", time.Now().Add(d.expires).UTC().Format(http.TimeFormat))
		w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d", int64(d.expires/time.Second)))
	}
	http.ServeContent(w, r, info.Name(), info.ModTime(), file)
	return nil
}

// failure turns an error of the file system into an answer.
func (d *staticDir) failure(name string, err error) *failure {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return failed(http.StatusNotFound, "%s has no file %q", d.dir, name)
	case errors.Is(err, fs.ErrPermission):
		return failed(http.StatusForbidden, "%s: %v", d.dir, err)
	}
	return failed(http.StatusForbidden, "%s: %v; dev serves no file outside the folder, also where a link leads there", d.dir, err)
}

// redirect answers with a relative Location, which keeps host and port as the
// browser knows them, and with the query.
func redirect(w http.ResponseWriter, status int, location, query string) {
	if query != "" {
		location += "?" + query
	}
	// net/http writes a body of its own where a type is missing.
	w.Header()["Content-Type"] = nil
	w.Header().Set("Location", location)
	w.WriteHeader(status)
}

// escapePath encodes a decoded path for a Location field.
func escapePath(path string) string {
	const keep = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/"
	var b strings.Builder
	for i := range len(path) {
		if strings.IndexByte(keep, path[i]) >= 0 {
			b.WriteByte(path[i])
			continue
		}
		fmt.Fprintf(&b, "%%%02X", path[i])
	}
	return b.String()
}
