package logrotate

import "slices"

// Park gives back what an idle Logger can have again: the mapping of its record,
// and memory. The record stays in the lock file, so a kill loses and doubles
// nothing meanwhile. It returns false, and changes nothing, where the Logger is
// not idle: there is trouble, input that was read, or something asked of it.
//
// A parked Logger is used like any other. Step takes back what it needs once
// there is input or a rotation; where that can not be had, it pauses, and the
// input stays in the pipe.
func (l *Logger) Park() bool {
	if l.closed || l.stage != reading || l.pos < l.end || !l.until.IsZero() ||
		l.ended || l.stopping || l.rotating || l.line.ends {
		return false
	}
	l.line.head = slices.Clip(slices.Clone(l.line.head))
	for _, s := range l.statuses {
		s.text = nil
	}
	if l.record.mem != nil {
		l.record.close()
		l.parked = true
	}
	return true
}

// unpark maps the record again. It is the file that was mapped before, whatever
// its name is now. What it says is written anew: somebody may have changed it. It
// returns false after trouble.
func (l *Logger) unpark() bool {
	first := l.folders[0]
	r, err := mapRecord(first.lock)
	if err != nil {
		return l.pause(troubled(err, "map "+first.word+"/lock"))
	}
	r.start(l.source.identity(), len(l.folders), true)
	l.record, l.parked = r, false
	l.saveRestored()
	return true
}
