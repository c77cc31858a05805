package logrotate

// maxLine is how many bytes of a line, its stamp among them, patterns, alerts
// and status files see. What is longer is passed on as it comes.
//
// Source: daemontools 0.76, multilog.c.
const maxLine = 1000

// line is a line that is not complete.
type line struct {
	started  bool
	long     bool   // the head was passed on, the rest follows
	ends     bool   // nothing follows: the pipe that it came from is gone
	head     []byte // stamp and text so far, at most maxLine bytes; empty once it is long
	selected uint64 // folders that a long line goes to, the first is bit 0; for the record
}

// take works on the input that is at hand until it is used up or something has
// to be written first.
func (l *Logger) take() {
	for l.pos < l.end && !l.full {
		switch {
		case l.line.long:
			l.takeRest()
		case !l.line.started && l.bulk != nil && l.bulk():
		default:
			l.takeLine()
		}
	}
}

// takeLine works on one line, or on what is there of it.
func (l *Logger) takeLine() {
	n := &l.line
	if !n.started && !l.roomForLine() {
		l.full = true
		return
	}
	text := l.in[l.pos:l.end]
	if !n.started {
		n.started = true
		n.head = append(n.head[:0], l.stamp[:l.stampSize]...)
	}
	room := maxLine - len(n.head)
	ends := indexNewline(text[:min(len(text), room)])
	if ends < 0 {
		taken := min(len(text), room)
		n.head = append(n.head, text[:taken]...)
		l.pos += taken
		if len(n.head) == maxLine {
			l.passOn(n.head, false)
			n.long, n.head = true, n.head[:0]
		}
		return
	}
	l.pos += ends + 1
	n.head = append(n.head, text[:ends]...)
	l.passOn(n.head, true)
	n.started, n.head = false, n.head[:0]
}

// roomForLine returns whether every folder has room for the head of a line.
// Where one has not although nothing is pending, current was taken over nearly
// full; then the head is cut where the file ends, as multilog does.
func (l *Logger) roomForLine() bool {
	pending := false
	for _, f := range l.folders {
		pending = pending || f.pending() > 0
	}
	if !pending {
		return true
	}
	for _, f := range l.folders {
		if f.length()+maxLine+1 > f.Size || len(f.out)+maxLine+1 > cap(f.out) {
			return false
		}
	}
	return true
}

// takeRest passes the rest of a long line on, as far as there is room.
func (l *Logger) takeRest() {
	text := l.in[l.pos:l.end]
	room := int64(len(text))
	for _, f := range l.folders {
		if f.takes {
			room = min(room, f.Size-f.length(), int64(cap(f.out)-len(f.out)))
		}
	}
	if room <= 0 {
		l.full = true
		return
	}
	text = text[:room]
	ends := indexNewline(text)
	if ends >= 0 {
		text = text[:ends+1]
		l.line.started, l.line.long = false, false
	}
	l.pos += len(text)
	for _, f := range l.folders {
		if f.takes {
			l.put(f, text, nil, ends >= 0)
		}
	}
}

// passOn carries the script out on a line, or on the head of a long one.
func (l *Logger) passOn(text []byte, complete bool) {
	newline := []byte(nil)
	if complete {
		newline = l.newline[:]
	}
	selected := true
	l.line.selected = 0
	for i := range l.steps {
		s := &l.steps[i]
		switch s.kind {
		case Select:
			selected = selected || match(s.pattern, text)
		case Deselect:
			selected = selected && !match(s.pattern, text)
		case Alert:
			if selected {
				l.alert(text)
			}
		case Status:
			if selected {
				s.status.note(text)
			}
		case Folder:
			s.folder.takes = selected
			if selected {
				l.line.selected |= s.bit
				l.put(s.folder, text, newline, complete)
			}
		}
	}
}

// put adds to what is pending for a folder.
func (l *Logger) put(f *folder, text, newline []byte, complete bool) {
	f.out = append(append(f.out, text...), newline...)
	if complete && f.full(f.length()) {
		f.due, l.full = true, true
	}
}

// finishLine ends a line that has no newline because the input has ended.
func (l *Logger) finishLine() {
	n := &l.line
	if !n.started {
		return
	}
	if n.long {
		for _, f := range l.folders {
			if f.takes {
				l.put(f, l.newline[:], nil, true)
			}
		}
	} else {
		l.passOn(n.head, true)
	}
	n.started, n.long, n.ends, n.head = false, false, false, n.head[:0]
}

// alertSize is how much of a line an alert shows.
//
// Source: daemontools 0.76, multilog.c.
const alertSize = 200

// alert adds a line to what is to be printed.
func (l *Logger) alert(text []byte) {
	if len(text) > alertSize {
		l.alerts = append(append(l.alerts, text[:alertSize]...), "...\n"...)
	} else {
		l.alerts = append(append(l.alerts, text...), '\n')
	}
	if len(l.alerts) > maxAlerts {
		l.full = true
	}
}

// maxAlerts is how many bytes of alerts are kept until they are printed.
const maxAlerts = 16 << 10
