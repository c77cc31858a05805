package multilogtest

import (
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// Model is multilog, in memory.
type Model struct {
	Deviations

	tree   Tree
	held   map[string]bool // folders whose locks others hold
	clock  uint64          // the last stamp in a name
	known  Tree
	out    transcript
	pipe   string // written and not read
	closed bool   // the pipe has no writer
	// unblocked says that reading from an empty pipe fails.
	unblocked bool
	records   map[*File]partial // by lock file
	process   *process
}

// Predict returns the transcript of a scenario.
func (m Model) Predict(s Scenario) string {
	m.tree, m.known = s.Tree.clone(), s.Tree.clone()
	m.held = map[string]bool{}
	m.records = map[*File]partial{}
	m.out = transcript{}
	for _, step := range s.Steps {
		m.step(step)
	}
	m.out.left(m.pipe)
	m.out.shown(m.tree, m.known)
	return m.out.String()
}

func (m *Model) step(s Step) {
	switch s.Kind {
	case Start:
		m.start(s.Words)
	case Write:
		m.pipe += s.Data
	case Signal:
		m.signal(s.Signal)
	case Close:
		m.closed = true
	case Hold:
		m.held[s.Path] = true
	case Show:
		m.out.shown(m.tree, m.known)
	case Unblock:
		m.unblocked = true
	case Make:
		for name, file := range s.Tree.clone() {
			m.tree[name], m.known[name] = file, file
		}
	}
	if m.process != nil {
		m.read()
	}
}

// process is a running multilog.
type process struct {
	partial
	stamp    bool
	actions  []action
	newline  bool // nothing was read, or a newline last
	exitASAP bool
	printed  strings.Builder
	record   *File // see KeepsPartial
}

// partial is a line that is being read.
type partial struct {
	line   []byte          // at most maxLine bytes of it
	begun  bool            // line has a stamp or a byte
	long   bool            // line is full and was acted on
	chosen map[string]bool // by the names of folders: the line goes there
}

// folders returns those of the script, in its order.
func (p *process) folders() []*folder {
	var list []*folder
	for _, a := range p.actions {
		if a.folder != nil {
			list = append(list, a.folder)
		}
	}
	return list
}

// action is one of multilog's; it is known by its word's first byte.
type action struct {
	word   string
	folder *folder
	status *File
}

const (
	maxLine  = 1000
	maxAlert = 200
	label0   = "@400000007000000000000000" // as Describe shows no digits, any will do
)

func (m *Model) start(words []string) {
	p := &process{newline: true}
	m.process = p
	p.stamp = len(words) > 0 && strings.HasPrefix(words[0], "t")
	for _, word := range words {
		p.actions = append(p.actions, action{word: word})
	}
	if refusal := m.refuse(words); refusal != "" {
		p.printed.WriteString("multilog: usage: " + refusal + "\n")
		m.ended(exited(100))
		return
	}
	if trouble := m.openAll(p); trouble != "" {
		p.printed.WriteString("multilog: fatal: " + trouble + "\n")
		m.ended(exited(111))
		return
	}
	m.adopt()
}

// openAll opens all status files, then all folders, as they come in the script.
func (m *Model) openAll(p *process) (trouble string) {
	for i := range p.actions {
		if a := &p.actions[i]; strings.HasPrefix(a.word, "=") {
			if a.status, trouble = m.openStatus(a.word[1:]); trouble != "" {
				return trouble
			}
		}
	}
	set := settings{size: 99999, keep: 10}
	locked := map[string]bool{}
	for i := range p.actions {
		a := &p.actions[i]
		if a.word == "" {
			continue
		}
		switch rest := a.word[1:]; a.word[0] {
		case 's':
			set.size = min(max(scanNumber(rest), 4096), 16777215)
		case 'n':
			set.keep = max(scanNumber(rest), 2)
		case '!':
			set.processor = &rest
		case '.', '/':
			if a.folder, trouble = m.openFolder(a.word, set, locked); trouble != "" {
				return trouble
			}
		}
	}
	return ""
}

// scanNumber reads the decimal digits at the start, modulo 2^64.
func scanNumber(s string) (n uint64) {
	for i := 0; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		n = n*10 + uint64(s[i]-'0')
	}
	return n
}

func (m *Model) openStatus(name string) (file *File, trouble string) {
	if m.OneName && m.tree.links(m.tree[inTree(name)]) > 1 {
		return nil, "unable to write to " + name + ": not a regular file with one name"
	}
	file, errText := m.tree.open(inTree(name), 0o600)
	if errText != "" {
		return nil, "unable to create " + name + ": " + errText
	}
	return file, ""
}

// inTree turns a name as it stands in a script into one of the tree.
func inTree(name string) string {
	if name == "" {
		return ""
	}
	return path.Clean(strings.TrimPrefix(strings.TrimPrefix(name, Root), "/"))
}

// open returns the file with a name, for writing; it is made if it is not there.
func (t Tree) open(name string, mode fs.FileMode) (file *File, errText string) {
	if name == "" {
		return nil, "file does not exist"
	}
	if errText := t.enter(path.Dir(name)); errText != "" {
		return nil, errText
	}
	if t[name] == nil && name != "." {
		t[name] = &File{Mode: mode}
	}
	if name == "." || t[name].Mode.IsDir() {
		return nil, "is a directory"
	}
	return t[name], ""
}

// enter says why a name cannot be that of a folder that something is in.
func (t Tree) enter(folder string) (errText string) {
	switch {
	case folder == ".":
		return ""
	case t[folder] == nil:
		return "file does not exist"
	case !t[folder].Mode.IsDir():
		return "not a directory"
	default:
		return ""
	}
}

// read takes what is in the pipe, and ends where multilog does.
func (m *Model) read() {
	p := m.process
	for !p.exitASAP || !p.newline {
		if m.pipe == "" {
			if m.closed || m.unblocked && !m.WaitsForInput {
				break
			}
			return
		}
		m.takeUp(m.pipe[:1])
		m.pipe = m.pipe[1:]
	}
	m.endLine()
	for _, f := range p.folders() {
		f.current.Mode = 0o744
	}
	m.dropRecord()
	m.ended(exited(0))
}

// takeUp deals with bytes that were read.
func (m *Model) takeUp(data string) {
	p := m.process
	for i := range len(data) {
		p.newline = data[i] == '\n'
		switch {
		case p.long && p.newline:
			m.finishLine()
		case p.long:
			p.put(data[i : i+1])
		default:
			if !p.begun && p.stamp {
				p.line = append(p.line, label0+" "...)
			}
			p.begun = true
			if p.newline {
				m.act()
				m.finishLine()
				continue
			}
			if p.line = append(p.line, data[i]); len(p.line) == maxLine {
				m.act()
				p.long = true
			}
		}
	}
}

// endLine deals with a last line without a newline.
func (m *Model) endLine() {
	if m.process.begun && !m.process.long {
		m.act()
	}
	if m.process.begun {
		m.finishLine()
	}
}

// act carries out the script on what there is of a line.
func (m *Model) act() {
	p := m.process
	p.chosen = map[string]bool{}
	selected := true
	for _, a := range p.actions {
		if a.word == "" {
			continue
		}
		switch a.word[0] {
		case '-':
			selected = selected && !Match(a.word[1:], string(p.line))
		case '+':
			selected = selected || Match(a.word[1:], string(p.line))
		case 'e':
			if selected {
				p.alert()
			}
		case '=':
			if selected {
				a.writeStatus(string(p.line))
			}
		case '.', '/':
			if selected {
				p.chosen[a.folder.name] = true
			}
		}
	}
	p.put(string(p.line))
}

// put adds to the folders that the line goes to.
func (p *process) put(data string) {
	for _, f := range p.folders() {
		if p.chosen[f.name] {
			f.put(data, &p.printed)
		}
	}
}

func (m *Model) finishLine() {
	p := m.process
	p.put("\n")
	p.partial = partial{}
}

func (p *process) alert() {
	if len(p.line) > maxAlert {
		p.printed.WriteString(string(p.line[:maxAlert]) + "...\n")
		return
	}
	p.printed.WriteString(string(p.line) + "\n")
}

// writeStatus writes 1001 bytes over the start of the file.
func (a action) writeStatus(line string) {
	padded := line + strings.Repeat("\n", maxLine+1-len(line))
	if len(a.status.Data) > len(padded) {
		padded += a.status.Data[len(padded):]
	}
	a.status.Data = padded
}

func (m *Model) signal(signal syscall.Signal) {
	p := m.process
	if p == nil {
		return
	}
	switch signal {
	case syscall.SIGTERM:
		p.exitASAP = true
	case syscall.SIGALRM:
		for _, f := range p.folders() {
			if len(f.current.Data) > 0 {
				f.finishCurrent(&p.printed)
			}
		}
	case syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE:
		if !m.OutlivesSignals {
			m.die(killed(signal))
		}
	case syscall.SIGQUIT:
		if m.OutlivesSignals {
			m.die(exited(111))
			return
		}
		m.die(killed(signal))
	default:
		m.die(killed(signal))
	}
}

// die ends the process as it is.
func (m *Model) die(how string) {
	if p := m.process; p.record != nil {
		m.records[p.record] = p.partial
	}
	m.ended(how)
}

func (m *Model) ended(how string) {
	m.out.ended(how, m.process.printed.String())
	m.process = nil
}

// Match is multilog's matching of patterns: as the man page has it, a byte at
// a time.
func Match(pattern, line string) bool {
	switch {
	case pattern == "":
		return line == ""
	case pattern == "*":
		return true
	case pattern[0] == '*':
		for line != "" && line[0] != pattern[1] {
			line = line[1:]
		}
		return line != "" && Match(pattern[1:], line)
	default:
		return line != "" && line[0] == pattern[0] && Match(pattern[1:], line[1:])
	}
}
