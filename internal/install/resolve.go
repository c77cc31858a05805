package install

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"scgikit/internal/fileset"
)

// NoPlace says that a family of hosts has no place for a file.
type NoPlace struct{ File, Place, Family string }

// Error names the file and the family.
func (e *NoPlace) Error() string {
	return fmt.Sprintf("%s: scgikit knows no place for %q on %s", e.File, e.Place, e.Family)
}

// Clash says that two files go to one path: those of two init systems, of which a
// machine has one.
type Clash struct{ One, Other, Path string }

// Error names all three.
func (e *Clash) Error() string { return fmt.Sprintf("%s and %s both go to %s", e.One, e.Other, e.Path) }

// Resolved is what a set becomes on a family of hosts.
type Resolved struct {
	Items  []Item
	Manual []string // what an administrator has to write once, sorted
}

// Resolve returns what is to stand where. It touches nothing.
func Resolve(set *fileset.Set, places Places, owners Owners) (*Resolved, error) {
	r := new(Resolved)
	taken := make(map[string]string)
	folders := make(map[string]int) // of r.Items
	for _, f := range set.Files() {
		items, manual, err := resolve(&f, &places, owners)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		for i := range items {
			it := &items[i]
			it.Target, it.Apps = f.Target, f.Apps
			key := it.key()
			if other, ok := taken[key]; ok {
				if n, ok := folders[key]; ok && it.Want.Kind == Dir {
					// The folder of a socket that several apps share.
					r.Items[n].Apps = union(r.Items[n].Apps, it.Apps)
					continue
				}
				return nil, &Clash{other, f.Path, it.Path}
			}
			taken[key] = f.Path
			if it.Want.Kind == Dir && it.Block == "" {
				folders[key] = len(r.Items)
			}
			r.Items = append(r.Items, *it)
		}
		if manual != "" && !slices.Contains(r.Manual, manual) {
			r.Manual = append(r.Manual, manual)
		}
	}
	slices.SortStableFunc(r.Items, inOrder)
	slices.Sort(r.Manual)
	return r, nil
}

// union returns the apps of both, sorted.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func (it *Item) key() string { return it.Path + "\x00" + it.Block }

// exact reports whether the place of a file is its whole path, and not the folder
// that it goes to.
func exact(f *fileset.File) bool {
	switch f.Target {
	case "apache", "haproxy":
		return true
	case "runit", "s6":
		return path.Base(f.Path) == "config"
	}
	return false
}

func resolve(f *fileset.File, places *Places, owners Owners) (items []Item, manual string, err error) {
	want, err := wanted(f, owners)
	if err != nil {
		return nil, "", err
	}
	_, name, _ := strings.Cut(f.Path, "/")
	if strings.HasPrefix(f.Place, "/") {
		p := path.Clean(f.Place)
		if f.Kind != fileset.Dir && !exact(f) {
			p = path.Join(p, path.Base(f.Path))
		}
		return []Item{{Path: p, Want: want, File: f.Path}}, "", nil
	}
	place, ok := places.Table[f.Target+"/"+f.Place]
	switch {
	case !ok:
		return nil, "", &NoPlace{f.Path, f.Target + "/" + f.Place, places.Family}
	case place.Shared != "":
		if len(f.Apps) != 1 {
			return nil, "", fmt.Errorf("a block of %s is of one app", place.Shared)
		}
		// The file is the machine's, and keeps its owner and mode.
		return []Item{{Path: place.Shared, Block: f.Apps[0], Want: want, File: f.Path}}, "", nil
	}
	folders := isServices(f.Target)
	if !folders {
		name = path.Base(f.Path)
	}
	p := path.Join(place.Dir, place.Prefix+name)
	items = []Item{{Path: p, Want: want, File: f.Path}}
	if place.Link == "" || folders && strings.Contains(name, "/") {
		return items, place.Manual, nil
	}
	to := p // a scan folder is often a link itself, from which no relative path leads back
	if !folders {
		to = linkText(place, p)
	}
	link := Item{Path: path.Join(place.Link, path.Base(p)), Last: folders, Want: State{
		Kind: Symlink, Link: to, Owner: "root:root", UID: want.UID, GID: want.GID,
	}}
	if owners.Apply {
		link.Want.UID, link.Want.GID = 0, 0
	}
	return append(items, link), place.Manual, nil
}

// linkText is relative where both folders have one parent, as a2enconf and
// lighty-enable-mod write it.
func linkText(place Place, p string) string {
	if path.Dir(place.Dir) == path.Dir(place.Link) && path.Dir(place.Dir) != "/" {
		return path.Join("..", path.Base(place.Dir), path.Base(p))
	}
	return p
}

// isServices reports whether a target's files are folders, one for each service.
func isServices(target string) bool {
	return slices.Contains([]string{"daemontools", "runit", "s6", "s6-rc"}, target)
}

// inOrder puts what is started before what it needs last: files, then the lines
// of shared files, then links; in a service folder its logger first, and run
// behind all that run reads.
func inOrder(a, b Item) int {
	if d := rank(&a) - rank(&b); d != 0 {
		return d
	}
	return strings.Compare(a.Path, b.Path)
}

func rank(it *Item) int {
	switch {
	case it.Last:
		return 5
	case it.Block != "":
		return 4
	case it.Want.Kind == Dir:
		return 0
	case isServices(it.Target) && path.Base(it.Path) == "run" && path.Base(path.Dir(it.Path)) == "log":
		return 2
	case isServices(it.Target) && path.Base(it.Path) == "run":
		return 3
	}
	return 1
}
