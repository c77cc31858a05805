package importer

import (
	"io/fs"
	"path"
	"strings"
)

// envFolder reads a folder of variables as envdir does: the first line of each
// file, without blanks at its end, and with NUL bytes for line ends; an empty
// file takes the variable away. A link, and a file that only its owner may read,
// is a secret. It returns why that is not possible, or "".
//
// Source: https://cr.yp.to/daemontools/envdir.html
func (d *draft) envFolder(dir string) string {
	names, err := d.r.entries(dir)
	if err != nil {
		return err.Error()
	}
	info, err := fs.Stat(d.r.fsys, dir)
	if err != nil {
		return d.r.explain(dir, err).Error()
	}
	private := info.Mode().Perm()&0o077 == 0
	for _, name := range names {
		file := path.Join(dir, name)
		here := d.r.at(file, 0)
		stat, err := fs.Lstat(d.r.fsys, file)
		switch {
		case err != nil:
			d.lost(here, "can not be read: %v", d.r.explain(file, err))
		case stat.Mode()&fs.ModeSymlink != 0:
			d.linkedSecret(name, file, here)
		case stat.IsDir():
			d.lost(here, "a folder is no variable")
		case stat.Mode().Perm()&0o077 == 0 && stat.Mode().IsRegular() && stat.Size() > 0 && (!private || secretName.MatchString(name)):
			d.secret(name, "/"+file, here)
			d.note(Secret, here, "run.secrets."+name, "move the file to another folder, and name that: a generated env folder has a link to it",
				"only its owner may read it, so it is named, and not copied")
		default:
			d.envFile(name, file, here)
		}
	}
	return ""
}

// linkedSecret takes a link to another file for a secret that stands there.
func (d *draft) linkedSecret(name, file string, at place) {
	target, err := fs.ReadLink(d.r.fsys, file)
	if err != nil {
		d.lost(at, "can not be read: %v", d.r.explain(file, err))
		return
	}
	if !path.IsAbs(target) {
		target = path.Join("/", path.Dir(file), target)
	}
	d.secret(name, target, at)
}

func (d *draft) envFile(name, file string, at place) {
	info, err := fs.Stat(d.r.fsys, file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		d.lost(at, "is no small regular file")
		return
	}
	d.r.files++
	data, err := fs.ReadFile(d.r.fsys, file)
	if err != nil || d.r.files > maxFiles {
		d.lost(at, "can not be read")
		return
	}
	d.r.bytes += int64(len(data))
	if len(data) == 0 {
		d.lost(at, "an empty file takes the variable %s away, and a description can only set one", name)
		return
	}
	line, _, _ := strings.Cut(string(data), "\n")
	d.env(name, strings.ReplaceAll(strings.TrimRight(line, " \t"), "\x00", "\n"), at)
}
