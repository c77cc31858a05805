package logrotate

import (
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// step is an action of a script, ready to be carried out.
type step struct {
	kind    ActionKind
	pattern string
	status  *statusFile
	folder  *folder
	bit     uint64 // of the folder, in line.selected
}

// Logger carries out a script on one input. Its methods are for one goroutine.
type Logger struct {
	cfg      Config
	steps    []step
	folders  []*folder
	statuses []*statusFile
	newline  [1]byte

	source  source
	adopted adoption // what a killed logger left
	record  record
	peeks   bool   // input stays in the pipe until it is written; the record says how far
	parked  bool   // the record is not mapped
	marker  []byte // part of the record that the end of the input is to be read into

	buffers  *Buffers
	work     *workspace // nil while the buffers are given back; in, alerts and the folders' out are in it
	in       []byte     // input; in[pos:end] is not worked on
	pos, end int
	from     int // in[from:pos] is what the commit takes out of the pipe
	// aside: the buffers were given back within a commit, which takes asideInput
	// bytes out of the pipe.
	aside      bool
	asideInput int
	line       line
	stampSize  int
	stamp      *[64]byte // of lines that begin in the input at hand; a cache line, so that it is read as one
	bulk       func() bool
	full       bool // what is pending has to be written first
	alerts     []byte

	stage    stage
	wait     Wait
	until    time.Time // a pause after trouble goes on to this time
	filled   bool      // this Step has read
	ended    bool      // the input is at its end
	stopping bool
	hurried  bool // it has tried once more since it is to stop
	rotating bool
	closing  chan struct{} // closed by Close
	closed   bool
	zstd     string        // program that compresses
	leaving  chan struct{} // closed by Stop: nobody may wait for better times any more
	// unfinished: a finisher had trouble until the end.
	unfinished atomic.Bool
	err        error
}

// Open starts a script in multilog's order: status files, then each folder with
// its lock and its recovery. Errors are *StartError; what was opened is closed
// again.
func Open(cfg Config) (*Logger, error) {
	l := &Logger{cfg: cfg, leaving: make(chan struct{}), closing: make(chan struct{}), newline: [1]byte{'\n'}}
	compresses := func(a Action) bool { return a.Settings.Compression != Uncompressed }
	if l.cfg.Compressors == nil && slices.ContainsFunc(cfg.Script.Actions, compresses) {
		l.cfg.Compressors = make(chan struct{}, 1)
	}
	l.stampSize = cfg.Script.Stamp.size()
	l.stamp = new([64]byte)
	if l.buffers = cfg.Buffers; l.buffers == nil {
		l.buffers = NewBuffers()
		l.line.head = make([]byte, 0, maxLine)
	}
	var err error
	if l.guards() {
		if err = guarded(l.open); err != nil && !isStartError(err) {
			err = &StartError{"unable to go on with the record", err}
		}
	} else {
		err = l.open()
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Logger) open() error {
	if err := l.findCompressor(); err != nil {
		return err
	}
	if err := l.openStatuses(); err != nil {
		return err
	}
	if !l.cfg.Plain {
		l.openPeek()
	}
	if l.source != nil {
		l.adopt()
	}
	status := 0
	for _, action := range l.cfg.Script.Actions {
		s := step{kind: action.Kind, pattern: action.Word}
		switch action.Kind {
		case Select, Deselect, Alert:
		case Status:
			s.status = l.statuses[status]
			status++
		case Folder:
			f, err := openFolder(l, action.Word, action.Settings)
			if err != nil {
				return err
			}
			s.folder, s.bit = f, 1<<(len(l.folders)&63)
			l.folders = append(l.folders, f)
		}
		l.steps = append(l.steps, s)
	}
	if !l.shares() {
		l.attach()
	}
	l.chooseBulk()
	l.startRecord()
	return l.tidy()
}

// findCompressor looks for what zzstd needs before anything is touched.
func (l *Logger) findCompressor() (err error) {
	for _, a := range l.cfg.Script.Actions {
		if a.Kind == Folder && a.Settings.Compression == Zstd && l.zstd == "" {
			if l.zstd, err = findZstd(); err != nil {
				return &StartError{"unable to compress with zstd", err}
			}
		}
	}
	return nil
}

// tidy does with the files that are there what the script says of finished
// ones, where multilog does not: by age, by total size, compressed.
func (l *Logger) tidy() error {
	for _, f := range l.folders {
		if f.MaxAge > 0 || f.MaxTotal > 0 {
			f.names.Lock()
			err := f.prune("")
			f.names.Unlock()
			if err != nil {
				return &StartError{"unable to read " + f.word, err}
			}
		}
		f.compress()
	}
	return nil
}

// openPeek prepares the kill-safe reader where the input is a pipe and the
// script has folders, as many as a record can tell of.
func (l *Logger) openPeek() {
	n := len(l.cfg.Script.folderWords())
	if n == 0 || n > min(maxRecorded, 64) {
		return
	}
	if p, ok := openPeeker(l.cfg.Input, l.buffers); ok {
		l.source = p
	}
}

func (s Script) folderWords() []string {
	var words []string
	for _, a := range s.Actions {
		if a.Kind == Folder {
			words = append(words, a.Word)
		}
	}
	return words
}

// now returns the time by the clock of stamps and names.
func (l *Logger) now() time.Time {
	if l.cfg.Now != nil {
		return l.cfg.Now()
	}
	return time.Now()
}

func (l *Logger) wake() {
	if l.cfg.Wake != nil {
		l.cfg.Wake()
	}
}

// Stop asks for the end: at once where a line has ended, else when it does.
// Input that was not worked on is left where it is.
func (l *Logger) Stop() {
	if !l.stopping {
		l.stopping = true
		close(l.leaving)
	}
}

// Rotate asks that every current that is not empty is finished.
func (l *Logger) Rotate() { l.rotating = true }

// KillSafe returns whether a kill -9 loses and doubles nothing as long as the
// pipe that is the input stays open.
func (l *Logger) KillSafe() bool { return l.peeks }

// Err returns what ended the log, or nil if it was the end of the input or Stop.
func (l *Logger) Err() error { return l.err }

// Close gives all descriptors back, and with them the locks. What is to be
// written is written when Step says Done; before that, Close leaves the log as a
// kill does. It waits for a processor that runs and stops what is compressed.
func (l *Logger) Close() {
	if l.closed {
		return
	}
	l.closed = true
	close(l.closing)
	for _, f := range l.folders {
		f.finisher.running.Wait()
		f.stopCompression()
	}
	l.record.close()
	if l.shares() {
		l.aside = false
		if l.work != nil {
			l.detach()
		}
	} else {
		l.buffers.Close()
	}
	l.adopted.close()
	for _, s := range l.statuses {
		unix.Close(s.fd)
	}
	for _, f := range l.folders {
		f.close()
	}
	l.folders, l.statuses = nil, nil
}
