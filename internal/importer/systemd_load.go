package importer

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// unitFolders are where systemd looks for units and their drop-ins. The first
// folder that has a name counts.
//
// Source: systemd.unit(5), UNIT FILE LOAD PATH.
var unitFolders = [...]string{
	"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
}

// lookedThrough returns the folders in which systemd looks for what a unit of dir
// names. A folder that is none of systemd's stands for itself. Where /lib is a link
// to /usr/lib, the folder goes by the name that dir has.
func (r *reading) lookedThrough(dir string) []string {
	const lib, usrLib = "lib/systemd/system", "usr/lib/systemd/system"
	if !slices.Contains(unitFolders[:], dir) {
		return []string{dir}
	}
	folders := slices.Clone(unitFolders[:])
	if target, err := fs.ReadLink(r.fsys, "lib"); err == nil && strings.TrimPrefix(target, "/") == "usr/lib" {
		other := lib
		if dir == lib {
			other = usrLib
		}
		folders = slices.DeleteFunc(folders, func(folder string) bool { return folder == other })
	}
	return folders
}

// isTemplate reports whether a name is that of a template, NAME@.service.
func isTemplate(name string) bool { return strings.HasSuffix(name, "@"+path.Ext(name)) }

// templateOf returns the template of an instance, or "".
func templateOf(name string) string {
	ext := path.Ext(name)
	prefix, instance, ok := strings.Cut(strings.TrimSuffix(name, ext), "@")
	if !ok || instance == "" {
		return ""
	}
	return prefix + "@" + ext
}

// isMasked reports whether a unit is a link to /dev/null, or has nothing in it.
//
// Source: systemctl(1), mask; systemd.unit(5).
func (r *reading) isMasked(file string) bool {
	if target, err := fs.ReadLink(r.fsys, file); err == nil && path.Clean(target) == "/dev/null" {
		return true
	}
	info, err := fs.Stat(r.fsys, file)
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// aliasOf returns the unit of the same folder that a link is another name of, or "".
func (r *reading) aliasOf(file string) string {
	target, err := fs.ReadLink(r.fsys, file)
	if err != nil {
		return ""
	}
	dir, name := path.Split(file)
	other := path.Base(target)
	if whole := inside(path.Clean(dir), target); whole != path.Join(dir, other) || other == name || other == templateOf(name) {
		return ""
	}
	return other
}

// inPlaceOf returns the unit of the same name that systemd reads instead, or "".
func (r *reading) inPlaceOf(file string) string {
	dir, name := path.Split(file)
	for _, folder := range r.lookedThrough(path.Clean(dir)) {
		other := path.Join(folder, name)
		if other == file {
			return ""
		}
		info, err := fs.Stat(r.fsys, other) // a link to the unit is no other one
		own, ownErr := fs.Stat(r.fsys, file)
		if err == nil && ownErr == nil && !os.SameFile(info, own) {
			return other
		}
	}
	return ""
}

// findUnit returns the file of a unit that one of dir names; that of an instance
// may be its template. It is "" where there is none.
func (r *reading) findUnit(dir, name string) string {
	for _, folder := range r.lookedThrough(dir) {
		file := path.Join(folder, name)
		if r.exists(file) {
			return file
		}
	}
	if t := templateOf(name); t != "" && r.findUnit(dir, t) != "" {
		return path.Join(dir, name)
	}
	return ""
}

// unitText reads the text of a unit, which for an instance may be its template.
func (r *reading) unitText(file string) (text, from string, err error) {
	from = file
	if t := templateOf(path.Base(file)); t != "" && !r.exists(file) {
		if found := r.findUnit(path.Dir(file), t); found != "" {
			from = found
		}
	}
	text, err = r.text(from)
	return text, from, err
}

// instancesOf returns the names of the instances of a template: links in folders
// of what wants or requires them, and its DefaultInstance=. Files of an instance's
// own are in the folder anyway.
func (r *reading) instancesOf(file string) []string {
	dir, name := path.Split(file)
	dir = path.Clean(dir)
	found := slices.Clone(r.wantedIn(dir)[name])
	if text, err := r.text(file); err == nil {
		u := &unit{r: r, name: name, file: file}
		notes := len(r.notes)
		u.parse(file, text)
		r.notes = r.notes[:notes]
		if l, ok := u.last("Install", "DefaultInstance"); ok {
			found = append(found, strings.Replace(name, "@.", "@"+l.value+".", 1))
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return slices.DeleteFunc(found, func(instance string) bool { return r.exists(path.Join(dir, instance)) })
}

// wantedIn returns the instances of each template that links in the folders of what
// wants or requires units name.
func (r *reading) wantedIn(dir string) map[string][]string {
	if known, ok := r.instances[dir]; ok {
		return known
	}
	found := make(map[string][]string)
	for _, folder := range r.lookedThrough(dir) {
		names, err := r.entries(folder)
		if err != nil {
			continue
		}
		for _, wants := range names {
			if ext := path.Ext(wants); ext != ".wants" && ext != ".requires" {
				continue
			}
			links, err := r.entries(path.Join(folder, wants))
			if err != nil {
				continue
			}
			for _, link := range links {
				if t := templateOf(link); t != "" {
					found[t] = append(found[t], link)
				}
			}
		}
	}
	if r.instances == nil {
		r.instances = make(map[string]map[string][]string)
	}
	r.instances[dir] = found
	return found
}

// socketsOf returns the sockets that start each service of a folder.
func (r *reading) socketsOf(dir string) map[string][]string {
	if known, ok := r.sockets[dir]; ok {
		return known
	}
	found := make(map[string][]string)
	seen := make(map[string]bool)
	for _, folder := range r.lookedThrough(dir) {
		names, err := r.entries(folder)
		if err != nil {
			continue
		}
		for _, name := range names {
			if path.Ext(name) != ".socket" || isTemplate(name) || seen[name] {
				continue
			}
			seen[name] = true
			file := r.findUnit(dir, name)
			notes := len(r.notes)
			u, err := r.readUnit(file)
			r.notes = r.notes[:notes] // they come again when the unit is read for itself
			if err == nil && !r.isMasked(file) && r.aliasOf(file) == "" {
				found[u.starts()] = append(found[u.starts()], file)
			}
		}
	}
	if r.sockets == nil {
		r.sockets = make(map[string]map[string][]string)
	}
	r.sockets[dir] = found
	return found
}

// dropIns returns the drop-ins of a unit, in the order in which systemd reads
// them: by the names of the files, whatever folder they stand in. Of two with one
// name the first counts, and one that is masked hides the other.
//
// Source: systemd.unit(5), and shared/dropin.c of systemd 252.
func (r *reading) dropIns(file string) []string {
	ext := path.Ext(file)
	dirs := dropInNames(path.Base(file))
	first := make(map[string]string)
	look := func(folder string) {
		names, err := r.entries(folder)
		if err != nil {
			return
		}
		for _, name := range names {
			if _, taken := first[name]; !taken && strings.HasSuffix(name, ".conf") {
				first[name] = path.Join(folder, name)
			}
		}
	}
	folders := r.lookedThrough(path.Dir(file))
	for _, folder := range folders {
		for _, dir := range dirs {
			look(path.Join(folder, dir))
		}
	}
	for _, folder := range folders {
		look(path.Join(folder, strings.TrimPrefix(ext, ".")+".d"))
	}
	var names []string
	for name := range first {
		names = append(names, name)
	}
	slices.Sort(names)
	var files []string
	for _, name := range names {
		if !r.isMasked(first[name]) {
			files = append(files, first[name])
		}
	}
	return files
}

// dropInNames returns the folders of drop-ins for a unit: its own, that of its
// template, and those for all units whose names begin alike up to a dash.
func dropInNames(name string) []string {
	ext := path.Ext(name)
	prefix, instance, at := strings.Cut(strings.TrimSuffix(name, ext), "@")
	var dirs []string
	for prefix != "" {
		if at {
			if instance != "" {
				dirs = append(dirs, prefix+"@"+instance+ext+".d")
			}
			dirs = append(dirs, prefix+"@"+ext+".d")
		} else {
			dirs = append(dirs, prefix+ext+".d")
		}
		dash := strings.LastIndexByte(strings.TrimSuffix(prefix, "-"), '-')
		if dash < 0 {
			break
		}
		prefix = prefix[:dash+1]
	}
	return dirs
}
