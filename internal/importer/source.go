package importer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"scgikit/internal/printable"
)

// Limits of what is read: a set-up that a person wrote is far below them, and a
// file that was named by mistake is not read for ever.
const (
	maxFile  = 1 << 20
	maxBytes = 64 << 20
	maxFiles = 5000
	maxDepth = 16 // of files that include others
	maxApps  = 1000

	maxVariables    = 1000    // of one list that every app gets
	maxAllVariables = 100_000 // of all apps
)

// name is how messages call a file of the file system.
func (r *reading) name(file string) string {
	if file == r.base {
		return r.shown
	}
	if rest, ok := strings.CutPrefix(file, r.base+"/"); ok && r.base != "." {
		return strings.TrimSuffix(r.shown, "/") + "/" + rest
	}
	// What stands beside a file that was named is named as that was.
	if rest, ok := strings.CutPrefix(file, path.Dir(r.base)+"/"); ok && !r.isDir && r.base != "." {
		return path.Join(path.Dir(r.shown), rest)
	}
	return "/" + file
}

func (r *reading) at(file string, line int) place { return place{r.name(file), line} }

// explain names the file as the person did, and not as the file system does.
func (r *reading) explain(file string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", printable.Text(r.name(file)), err)
}

// text reads a file of text. What is no regular file is not opened: a pipe
// would wait for a writer.
func (r *reading) text(file string) (string, error) {
	if err := r.done(); err != nil {
		return "", err
	}
	info, err := fs.Stat(r.fsys, file)
	if err != nil {
		return "", r.explain(file, err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: is no regular file", printable.Text(r.name(file)))
	}
	r.files++
	if r.files > maxFiles || r.bytes > maxBytes {
		return "", fmt.Errorf("%s: more than %d files or %d MiB to read", printable.Text(r.name(file)), maxFiles, maxBytes>>20)
	}
	f, err := r.fsys.Open(file)
	if err != nil {
		return "", r.explain(file, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", r.explain(file, err)
	}
	r.bytes += int64(len(data))
	switch {
	case len(data) > maxFile:
		return "", fmt.Errorf("%s: has more than %d bytes; is it the right file?", printable.Text(r.name(file)), maxFile)
	case strings.IndexByte(string(data), 0) >= 0:
		return "", fmt.Errorf("%s: has a NUL byte, so it is no text", printable.Text(r.name(file)))
	}
	return strings.TrimPrefix(string(data), "\ufeff"), nil
}

// exists reports whether a file is there, whatever it is.
func (r *reading) exists(file string) bool {
	_, err := fs.Stat(r.fsys, file)
	return err == nil
}

// optional reads a file that may be missing. Another error is a note.
func (r *reading) optional(file string) (text string, ok bool) {
	text, err := r.text(file)
	if err == nil {
		return text, true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		r.note(Lost, r.at(file, 0), "", "", "", "can not be read: %s", strings.TrimPrefix(err.Error(), printable.Text(r.name(file))+": "))
	}
	return "", false
}

// inside turns a path as the set-up writes it into one of the file system:
// absolute ones begin at its root, others in dir. One that leaves the root is "".
func inside(dir, name string) string {
	if path.IsAbs(name) {
		dir = "."
	}
	joined := path.Join(dir, "./"+name)
	joined = strings.TrimPrefix(joined, "/")
	if !fs.ValidPath(joined) {
		return ""
	}
	return joined
}

// entries lists a folder, sorted, without hidden names.
func (r *reading) entries(dir string) ([]string, error) {
	list, err := fs.ReadDir(r.fsys, dir)
	if err != nil {
		return nil, r.explain(dir, err)
	}
	var names []string
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("%s: more than %d entries", printable.Text(r.name(dir)), maxFiles)
	}
	return names, nil
}

// lines returns the lines of a text without their ends.
func lines(text string) []string {
	list := strings.Split(text, "\n")
	for i, line := range list {
		list[i] = strings.TrimSuffix(line, "\r")
	}
	if len(list) > 0 && list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	return list
}
