package verify

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"scgikit/internal/fileset"
)

// The target with source definitions, the place of their files, and that of a
// file named after a service that another source folder defines.
const (
	s6rcTarget      = "s6-rc"
	definitionPlace = "definition"
	elsewherePlace  = "definition elsewhere"
)

func isDefinition(f *fileset.File) bool {
	return f.Target == s6rcTarget && (f.Place == definitionPlace || f.Place == elsewherePlace)
}

// inSource returns the path of a file in the source folder.
func inSource(f *fileset.File) string { return strings.TrimPrefix(f.Path, s6rcTarget+"/") }

// elsewhere returns the names of services that other source folders define.
func elsewhere(files []fileset.File) []string {
	var names []string
	for i := range files {
		if files[i].Place == elsewherePlace {
			names = append(names, path.Base(files[i].Path))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// definitions are source definitions of s6-rc, as s6-rc-compile reads them, and
// what is wrong with them.
//
// Source: https://skarnet.org/software/s6-rc/s6-rc-compile.html
type definitions struct {
	all        map[string]map[string]*fileset.File
	pipelines  map[string]string   // by its name, the last consumer of a pipeline
	others     []string            // defined elsewhere
	edges      map[string][]string // what a service comes after, or a bundle has in it
	complaints []Complaint
}

// checkDefinitions reads the definitions of s6-rc.
func checkDefinitions(files []fileset.File) []Result {
	d := &definitions{
		all: make(map[string]map[string]*fileset.File), pipelines: make(map[string]string),
		others: elsewhere(files), edges: make(map[string][]string),
	}
	for i := range files {
		f := &files[i]
		name, below, _ := strings.Cut(inSource(f), "/")
		if !isDefinition(f) || below == "" {
			continue
		}
		if d.all[name] == nil {
			d.all[name] = make(map[string]*fileset.File)
		}
		d.all[name][below] = f
	}
	if len(d.all) == 0 {
		return nil
	}
	for _, name := range d.names() {
		d.checkName(name)
		d.checkFiles(files, name)
		d.checkPipeline(name)
	}
	for _, name := range d.names() {
		d.checkReferences(name)
	}
	d.checkCycles()
	r := Result{Target: s6rcTarget, Checker: "definitions", Files: len(d.all), Complaints: d.complaints}
	if len(d.complaints) > 0 {
		r.Outcome = Rejected
	}
	return []Result{r}
}

func (d *definitions) names() []string { return slices.Sorted(maps.Keys(d.all)) }

func (d *definitions) complain(name, below, format string, args ...any) {
	d.complaints = append(d.complaints, Complaint{Path: path.Join(s6rcTarget, name, below), Message: fmt.Sprintf(format, args...)})
}

func (d *definitions) checkName(name string) {
	switch {
	case strings.HasPrefix(name, "."):
		d.complain(name, "", "begins with a dot, so s6-rc-compile does not read it")
	case strings.HasPrefix(name, "s6rc-"), strings.HasPrefix(name, "s6-rc-"):
		d.complain(name, "", "begins with what s6-rc keeps for itself")
	}
}

// typeOf returns longrun, oneshot or bundle, or "" for what is none.
func (d *definitions) typeOf(name string) string {
	f := d.all[name]["type"]
	if f == nil || f.Kind != fileset.Regular {
		return ""
	}
	if text, ok := oneLine(f.Data); ok && slices.Contains([]string{"longrun", "oneshot", "bundle"}, text) {
		return text
	}
	return ""
}

// checkFiles looks at the files of one definition, each for itself.
func (d *definitions) checkFiles(files []fileset.File, name string) {
	kind := d.typeOf(name)
	if kind == "" {
		d.complain(name, "type", "is not one line with longrun, oneshot or bundle")
		return
	}
	own := d.all[name]
	need := map[string]string{"longrun": "run", "oneshot": "up", "bundle": "contents.d"}[kind]
	switch f := own[need]; {
	case f == nil:
		d.complain(name, "", "is a %s without %s", kind, need)
	case (f.Kind == fileset.Dir) != (need == "contents.d"):
		d.complain(name, need, "is a %s", f.Kind)
	case need == "run":
		d.complaints = append(d.complaints, serviceComplaints(files, f)...)
	}
	for _, below := range slices.Sorted(maps.Keys(own)) {
		if !knownFile(kind, below) {
			d.complain(name, below, "is nothing that s6-rc-compile reads of a %s", kind)
			continue
		}
		if message := smallFileComplaint(below, own[below].Data); message != "" {
			d.complain(name, below, "%s", message)
		}
	}
}

// knownFile reports whether s6-rc-compile reads a file of a definition.
func knownFile(kind, below string) bool {
	folder, _, inside := strings.Cut(below, "/")
	switch folder {
	case "type", "flag-essential":
		return !inside
	case "contents.d":
		return kind == "bundle"
	case "dependencies.d":
		return kind != "bundle"
	case "timeout-up", "timeout-down":
		return kind != "bundle" && !inside
	case "up", "down":
		return kind == "oneshot" && !inside
	case "env", "data":
		return kind == "longrun"
	case "run", "finish", "notification-fd", "lock-fd", "timeout-kill", "timeout-finish", "max-death-tally", "down-signal",
		"producer-for", "consumer-for", "pipeline-name":
		return kind == "longrun" && !inside
	}
	return false
}

// list returns the names that a file of a definition lists.
func (d *definitions) list(name, below string) []string {
	f := d.all[name][below]
	if f == nil {
		return nil
	}
	var list []string
	for line := range strings.Lines(string(f.Data)) {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\n"), " \t")
		if line != "" && line[0] != '#' {
			list = append(list, line)
		}
	}
	return list
}

// folderList returns the names that a folder of a definition lists.
func (d *definitions) folderList(name, folder string) []string {
	var list []string
	for _, below := range slices.Sorted(maps.Keys(d.all[name])) {
		if entry, ok := strings.CutPrefix(below, folder+"/"); ok && !strings.HasPrefix(entry, ".") {
			list = append(list, entry)
		}
	}
	return list
}

// checkPipeline looks at what a definition says of its neighbours in a pipeline,
// and at what they say.
func (d *definitions) checkPipeline(name string) {
	consumers, producers := d.list(name, "producer-for"), d.list(name, "consumer-for")
	if d.all[name]["producer-for"] != nil && len(consumers) != 1 {
		d.complain(name, "producer-for", "names %d services, not one", len(consumers))
	}
	for _, consumer := range consumers {
		if d.typeOf(consumer) != "longrun" || !slices.Contains(d.list(consumer, "consumer-for"), name) {
			d.complain(name, "producer-for", "%s is no longrun that is a consumer for %s", consumer, name)
		}
	}
	for _, producer := range producers {
		if d.typeOf(producer) != "longrun" || !slices.Contains(d.list(producer, "producer-for"), name) {
			d.complain(name, "consumer-for", "%s is no longrun that is a producer for %s", producer, name)
		}
	}
	if d.all[name]["pipeline-name"] == nil {
		return
	}
	pipeline := d.list(name, "pipeline-name")
	switch {
	case len(pipeline) != 1:
		d.complain(name, "pipeline-name", "has %d names, not one", len(pipeline))
	case len(consumers) > 0 || len(producers) == 0:
		d.complain(name, "pipeline-name", "is ignored: %s is not the last of a pipeline", name)
	case d.all[pipeline[0]] != nil || d.pipelines[pipeline[0]] != "" || slices.Contains(d.others, pipeline[0]):
		d.complain(name, "pipeline-name", "%s is defined already", pipeline[0])
	default:
		d.pipelines[pipeline[0]] = name
	}
}

// checkReferences looks for what a definition names, and notes what comes after
// what.
func (d *definitions) checkReferences(name string) {
	d.edges[name] = append(d.edges[name], d.list(name, "producer-for")...)
	for _, folder := range []string{"dependencies.d", "contents.d"} {
		for _, other := range d.folderList(name, folder) {
			if d.all[other] == nil && d.pipelines[other] == "" && !slices.Contains(d.others, other) {
				d.complain(name, path.Join(folder, other), "%s is defined nowhere", other)
			}
			d.edges[name] = append(d.edges[name], other)
		}
	}
	if pipeline := d.list(name, "pipeline-name"); len(pipeline) == 1 && d.pipelines[pipeline[0]] == name {
		for member := range d.members(name, nil) {
			d.edges[pipeline[0]] = append(d.edges[pipeline[0]], member)
		}
		slices.Sort(d.edges[pipeline[0]])
	}
}

// members returns the services of the pipeline that ends at one.
func (d *definitions) members(last string, found map[string]bool) map[string]bool {
	if found == nil {
		found = make(map[string]bool)
	}
	if found[last] {
		return found
	}
	found[last] = true
	for _, producer := range d.list(last, "consumer-for") {
		d.members(producer, found)
	}
	return found
}

// checkCycles looks for a service that would have to be up before itself.
func (d *definitions) checkCycles() {
	const looking, done = 1, 2
	state := make(map[string]int)
	// look returns a service that comes after itself, of those that one comes
	// after, or "".
	var look func(name string) string
	look = func(name string) string {
		switch state[name] {
		case looking:
			return name
		case done:
			return ""
		}
		state[name] = looking
		defer func() { state[name] = done }()
		for _, before := range d.edges[name] {
			if found := look(before); found != "" {
				return found
			}
		}
		return ""
	}
	for _, name := range d.names() {
		if found := look(name); found != "" {
			d.complain(cmp.Or(d.pipelines[found], found), "", "would have to be up before itself")
		}
	}
}
