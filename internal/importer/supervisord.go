package importer

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/printable"
)

// supervisord reads supervisord.conf and what it includes.
//
// Source: http://supervisord.org/configuration.html, and supervisor 4.2.5.
func (r *reading) supervisord() error {
	if r.isDir {
		return fmt.Errorf("%s: is a folder; name the file supervisord.conf", printable.Text(r.shown))
	}
	text, err := r.text(r.base)
	if err != nil {
		return err
	}
	sections := make(map[string]*iniSection)
	var order []string
	here := path.Join("/", path.Dir(r.base))
	r.parseIni(r.base, text, here, sections, &order)
	s := &supervisordReader{r: r, sections: sections, env: make(map[string]string), groups: make(map[string]string)}
	for name, value := range r.options.Env {
		s.env["ENV_"+name] = value
	}
	if include := sections["include"]; include != nil {
		s.include(include, here, &order)
	}
	if global := sections["supervisord"]; global != nil {
		s.global(global)
	}
	s.readGroups(order)
	s.unusedVariables()
	for _, name := range order {
		section := sections[name]
		kind, program, _ := strings.Cut(name, ":")
		switch kind {
		case "program":
			s.program(section, strings.TrimSpace(program))
		case "fcgi-program":
			r.refuse(section.at, program, "", "supervisord gives the program a listening socket as descriptor 0, and no description does")
		case "eventlistener":
			r.skip(section.at, "an event listener is no web program")
		case "group":
			r.skip(section.at, "the group %s: its programs are apps of their own", program)
		case "supervisord", "include":
		default:
			r.skip(section.at, "the section [%s] is about supervisord itself", name)
		}
	}
	return nil
}

// unusedVariables tells of the variables that a flag names and no value has: a name
// that is written wrong changes nothing else.
func (s *supervisordReader) unusedVariables() {
	for _, name := range slices.Sorted(maps.Keys(s.r.options.Env)) {
		used := false
		for _, section := range s.sections {
			for _, v := range section.keys {
				used = used || strings.Contains(v.text, "%(ENV_"+name+")")
			}
		}
		if !used {
			s.r.skip(place{"--env", 0}, "no value has %%(ENV_%s)s", name)
		}
	}
}

// readGroups finds the group of each program that is in one, which is otherwise
// called as the program.
func (s *supervisordReader) readGroups(order []string) {
	for _, name := range order {
		group, ok := strings.CutPrefix(name, "group:")
		if v := s.sections[name].keys["programs"]; ok && v != nil {
			for program := range strings.SplitSeq(v.text, ",") {
				s.groups[strings.TrimSpace(program)] = strings.TrimSpace(group)
			}
		}
	}
}

type supervisordReader struct {
	r        *reading
	sections map[string]*iniSection
	env      map[string]string // ENV_NAME
	groups   map[string]string // of programs
	common   [][2]string       // variables of all programs
	commonAt place
	user     string // of supervisord
	umask    string
	folder   *iniValue // that supervisord changes to
	files    *iniValue // how many each process may open, at least
	read     int       // processes
}

// include reads the files of a pattern. Their own includes are not followed, as
// supervisord does not.
func (s *supervisordReader) include(section *iniSection, here string, order *[]string) {
	v := section.keys["files"]
	if v == nil {
		return
	}
	patterns, err := expandIni(v.text, s.expansions(map[string]string{"here": here}))
	if err != nil {
		s.r.note(Lost, v.at, "", "", "", "files=: %v", err)
		return
	}
	for pattern := range strings.FieldsSeq(patterns) {
		where := inside(strings.TrimPrefix(here, "/"), pattern)
		if here == "/" {
			where = inside(".", pattern)
		}
		files, err := fs.Glob(s.r.fsys, where)
		if err != nil || len(files) == 0 {
			s.r.skip(v.at, "no file matches %s", pattern)
		}
		for _, file := range files {
			text, err := s.r.text(file)
			if err != nil {
				s.r.note(Lost, s.r.at(file, 0), "", "", "", "%s", strings.TrimPrefix(err.Error(), printable.Text(s.r.name(file))+": "))
				continue
			}
			if file == s.r.base {
				continue
			}
			s.r.parseIni(file, text, path.Join("/", path.Dir(file)), s.sections, order)
		}
	}
}

func (s *supervisordReader) expansions(more map[string]string) map[string]string {
	all := maps.Clone(s.env)
	maps.Copy(all, more)
	return all
}

// global reads what supervisord gives to all programs.
func (s *supervisordReader) global(section *iniSection) {
	if v := section.keys["environment"]; v != nil {
		text, err := expandIni(v.text, s.expansions(map[string]string{"here": section.here}))
		if err == nil {
			s.common, err = splitPairs(text)
		}
		if err != nil {
			s.r.note(Lost, v.at, "", "", "", "environment=: %v", err)
		}
		s.commonAt = v.at
		for _, pair := range s.common {
			s.env["ENV_"+pair[0]] = pair[1]
		}
	}
	if v := section.keys["user"]; v != nil {
		s.user = v.text
	}
	if v := section.keys["umask"]; v != nil {
		s.umask = v.text
	}
	s.folder, s.files = section.keys["directory"], section.keys["minfds"]
	for _, key := range slices.Sorted(maps.Keys(section.keys)) {
		v := section.keys[key]
		switch key {
		case "environment", "user", "umask", "directory", "minfds":
		case "minprocs":
			if v.text != "200" {
				s.r.note(Lost, v.at, "", "", "", "minprocs=%s: the number of processes that each program may have, at least", v.text)
			}
		case "strip_ansi":
			if slices.Contains([]string{"true", "yes", "on", "1"}, strings.ToLower(v.text)) {
				s.r.note(Lost, v.at, "", "", "", "strip_ansi=%s: a log has what the program writes", v.text)
			}
		default:
			s.r.skip(v.at, "%s= is about supervisord itself", key)
		}
	}
}

// program reads one program: an app, which has an instance for each of its
// processes.
func (s *supervisordReader) program(section *iniSection, name string) {
	r := s.r
	group := name
	if g, ok := s.groups[name]; ok {
		group = g
	}
	process := func(number, count int) *programReader {
		return &programReader{s: s, section: section, name: name, values: s.expansions(map[string]string{
			"here": section.here, "program_name": name, "group_name": group,
			"process_num": strconv.Itoa(number), "numprocs": strconv.Itoa(count),
		})}
	}
	number := func(key string, usual int) int {
		if text, at, ok := process(0, 1).get(key); ok {
			if n, err := strconv.Atoi(text); err == nil && n >= 0 {
				return n
			}
			r.note(Lost, at, name, "", "", "%s=%s", key, text)
		}
		return usual
	}
	count, first := number("numprocs", 1), number("numprocs_start", 0)
	processName := section.keys["process_name"]
	switch {
	case count > maxInstances:
		r.refuse(section.at, name, "", "numprocs=%d: a description has at most %d instances", count, maxInstances)
	case count == 0:
		r.skip(section.at, "numprocs=0: supervisord starts no process of %s", name)
	case count > 1 && (processName == nil || !strings.Contains(processName.text, "%(process_num)")):
		r.refuse(section.at, name, "", "numprocs=%d without %%(process_num) in process_name=, and supervisord starts nothing then", count)
	case s.read+count > maxApps:
		r.refuse(section.at, name, "import a part", "more than %d processes; the rest is not read", maxApps)
	case count == 1:
		s.read++
		if d := process(first, 1).read(""); d != nil {
			d.add()
		}
	default:
		s.read += count
		s.processes(section, name, count, func(i int) *programReader { return process(first+i, count) })
	}
}

// processes makes one app of the processes of a program.
func (s *supervisordReader) processes(section *iniSection, name string, count int, process func(i int) *programReader) {
	r := s.r
	whole := r.newDraft(name, section.at)
	var group []*draft
	for i := range count {
		notes := len(r.notes)
		d := process(i).read(fmt.Sprintf("%s-%d", whole.name, i+1))
		if d == nil {
			return
		}
		group = append(group, d)
		if i > 0 {
			r.notes = r.notes[:notes] // they are those of the first
			continue
		}
		for j := notes; j < len(r.notes); j++ {
			r.notes[j].App = whole.name
		}
	}
	app, why := oneOf(whole.name, group)
	if why != "" {
		r.refuse(section.at, name, "numprocs_start=1 counts as ${instance} does; else write a program for each process",
			"numprocs=%d: its processes are no instances of one app: %s", count, why)
		return
	}
	app.assume(section.at, "run.instances", "", "numprocs=%d: the processes are instances of one app", count)
	app.add()
}
