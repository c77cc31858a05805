package multilogtest

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// settings are those of a folder.
type settings struct {
	size, keep uint64
	processor  *string
}

// folder is one that lines go to.
type folder struct {
	settings
	model   *Model
	word    string // as in the script, for messages
	name    string // in the tree
	current *File
}

// openFolder makes, locks and recovers a folder.
func (m *Model) openFolder(word string, settings settings, locked map[string]bool) (f *folder, trouble string) {
	name := inTree(word)
	if link := m.tree[name]; link != nil && link.Mode.Type() == fs.ModeSymlink {
		name = path.Join(path.Dir(name), link.Data)
	}
	f = &folder{settings: settings, model: m, word: word, name: name}
	if errText := m.makeFolder(name); errText != "" {
		return nil, "unable to open directory " + word + ": " + errText
	}
	if _, errText := m.tree.open(f.path("lock"), 0o600); errText != "" {
		return nil, "unable to lock directory " + word + ": " + errText
	}
	if m.held[name] || locked[name] {
		return nil, "unable to lock directory " + word + ": temporary failure"
	}
	locked[name] = true
	if trouble := f.recover(); trouble != "" {
		return nil, trouble
	}
	f.current.Mode = 0o644
	return f, ""
}

func (m *Model) makeFolder(name string) (errText string) {
	if name == "." {
		return ""
	}
	if m.tree[name] == nil {
		if errText := m.tree.enter(path.Dir(name)); errText != "" {
			return errText
		}
		m.tree[name] = &File{Mode: fs.ModeDir | 0o700}
	}
	if !m.tree[name].Mode.IsDir() {
		return "not a directory"
	}
	return ""
}

func (f *folder) path(name string) string { return path.Join(f.name, name) }

// file returns a file of the folder, nil if it is not there.
func (f *folder) file(name string) *File { return f.model.tree[f.path(name)] }

func (f *folder) remove(name string) { delete(f.model.tree, f.path(name)) }

// executable says of a file that it is complete and on disk.
func (f *folder) executable(name string) bool {
	file := f.file(name)
	return file != nil && file.Mode&0o100 != 0
}

// recover brings a folder that a logger left in any state to the one in which
// it is written to.
func (f *folder) recover() (trouble string) {
	var errText string
	foreign := f.model.OneName && f.model.tree.links(f.file("current")) > 1
	if f.executable("current") && !foreign {
		if f.current, errText = f.model.tree.open(f.path("current"), 0o600); errText != "" {
			return "unable to append to " + f.word + "/current: " + errText
		}
		return ""
	}
	f.remove("state")
	f.remove("newstate")
	if f.executable("processed") {
		f.remove("previous")
		f.finish("processed", "s")
	} else {
		f.remove("processed")
		f.finish("previous", "u")
	}
	f.finish("current", "u")
	f.model.tree[f.path("state")] = &File{Mode: 0o644}
	f.newCurrent()
	return ""
}

func (f *folder) newCurrent() {
	f.current = &File{Mode: 0o644}
	f.model.tree[f.path("current")] = f.current
}

// finish gives a file its last name, unless it has that already, and removes
// the oldest files.
func (f *folder) finish(name, suffix string) {
	file := f.file(name)
	if file == nil {
		return
	}
	if f.model.tree.links(file) == 1 {
		f.model.tree[f.path(f.nextName())+"."+suffix] = file
	}
	f.remove(name)
	f.prune()
}

// nextName returns the stamp of the present.
func (f *folder) nextName() string {
	f.model.clock++
	name := fmt.Sprintf("@4000000070000000%08x", f.model.clock)
	if newest := f.finished(); f.model.NewestStays && len(newest) > 0 {
		// In a folder that the clock is behind, one nanosecond after the newest.
		last := path.Base(newest[len(newest)-1])[:25]
		if n, err := strconv.ParseUint(last[1:17], 16, 64); err == nil && last >= name {
			ns, _ := strconv.ParseUint(last[17:], 16, 32)
			name = fmt.Sprintf("@%016x%08x", n, ns+1)
		}
	}
	return name
}

// finished lists the names of finished files in their order.
func (f *folder) finished() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(f.model.tree)) {
		folder, base := path.Split(name)
		if path.Clean(folder) == f.name && len(base) >= 25 && base[0] == '@' {
			names = append(names, name)
		}
	}
	return names
}

// prune removes the oldest finished files until fewer than keep are left.
func (f *folder) prune() {
	names := f.finished()
	for uint64(len(names)) >= f.keep {
		delete(f.model.tree, names[0])
		names = names[1:]
	}
}

// put appends to current. A file ends at the first newline within 2000 bytes of
// its size, else at its size; then at the next byte.
func (f *folder) put(data string, printed *strings.Builder) {
	for data != "" {
		have := uint64(len(f.current.Data))
		if have >= f.size {
			f.finishCurrent(printed)
			continue
		}
		n := min(uint64(len(data)), f.size-have)
		full := false
		for i := range n {
			if data[i] == '\n' && have+i+1 >= f.size-tolerance {
				n, full = i+1, true
				break
			}
		}
		f.current.Data += data[:n]
		data = data[n:]
		if full {
			f.finishCurrent(printed)
		}
	}
}

// tolerance is how much smaller than its size a file may be.
const tolerance = 2000

// finishCurrent begins a new current.
func (f *folder) finishCurrent(printed *strings.Builder) {
	if f.model.KeepsPrevious {
		f.finish("previous", "u")
	}
	f.current.Mode = 0o744
	f.model.tree[f.path("previous")] = f.current
	f.newCurrent()
	if f.processor == nil {
		f.finish("previous", "s")
		return
	}
	for {
		processed, newstate, ok := f.process(f.file("previous").Data, f.file("state").Data)
		f.scratch("processed", processed)
		f.scratch("newstate", newstate)
		if ok {
			break
		}
		if *f.processor == Crashes {
			printed.WriteString("multilog: warning: processor crashed in " + f.word + ", pausing\n")
		}
		if *f.processor != Crashes || !f.model.OnePause {
			printed.WriteString("multilog: warning: processor failed in " + f.word + ", pausing\n")
		}
	}
	f.file("processed").Mode = 0o744
	f.remove("previous")
	f.model.tree[f.path("state")] = f.file("newstate")
	f.remove("newstate")
	f.finish("processed", "s")
}

// scratch writes a file of a processor. What a start with a clean current left
// of that name is overwritten, mode and links stay.
func (f *folder) scratch(name, data string) {
	if f.file(name) == nil || f.model.FreshScratch {
		f.model.tree[f.path(name)] = &File{Mode: 0o644}
	}
	f.file(name).Data = data
}

// Processors that the model knows: the commands of FailsOnce and Crashes end
// badly the first time, and leave the file "once" beside the folder.
const (
	Counts    = "cat; { cat <&4; echo again; } >&5" // the state grows by a line with each file
	FailsOnce = "test -e ../once || { >../once; exit 1; }; cat"
	Crashes   = "test -e ../once || { >../once; kill -9 $$; }; cat"
)

// process does what the folder's processor does.
func (f *folder) process(previous, state string) (processed, newstate string, ok bool) {
	switch command := *f.processor; command {
	case "":
		return "", "", true
	case "cat":
		return previous, "", true
	case "tr w W":
		return strings.ReplaceAll(previous, "w", "W"), "", true
	case Counts:
		return previous, state + "again\n", true
	case FailsOnce, Crashes:
		once := path.Join(path.Dir(f.name), "once")
		if f.model.tree[once] != nil {
			return previous, "", true
		}
		f.model.tree[once] = &File{Mode: 0o644}
		return "", "", false
	default:
		panic("no model of the processor " + command)
	}
}
