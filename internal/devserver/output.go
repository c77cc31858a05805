package devserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	keptLines   = 20      // of each app, for error pages
	maxLogLine  = 8 << 10 // a longer line is shown in pieces
	nameColumns = 12      // width of the column with the app's name
)

// terminal writes whole lines for several writers.
type terminal struct {
	mu sync.Mutex
	w  io.Writer
}

// line writes one line under a name. A terminal that is gone is no reason to
// stop serving, so the error is dropped.
func (t *terminal) line(name, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%-*s | %s\n", nameColumns, name, printable(text))
}

// printable escapes what a terminal would obey (control characters, also the
// ones that reorder text) and bytes that are not UTF-8. Tabs stay.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case isControl(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

func isControl(r rune) bool {
	return r != '\t' && r != ' ' && !unicode.IsPrint(r)
}

// appLog takes what an app writes and what dev says about it: to the terminal,
// to a file, and, the last lines, to error pages.
type appLog struct {
	name     string
	terminal *terminal
	now      func() time.Time

	mu   sync.Mutex
	last []string
	file *logFile // nil for none
}

// open starts the log file in a folder, unless there is one already.
func (l *appLog) open(dir string, maxSize int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.max = maxSize
		return nil
	}
	var err error
	l.file, err = openLog(dir, l.name, maxSize)
	return err
}

// add takes one line of the app's output.
func (l *appLog) add(text string) {
	l.terminal.line(l.name, text)
	l.keep(text)
}

// say takes a message of dev about the app.
func (l *appLog) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.terminal.line(l.name, "* "+text)
	l.keep("* " + text)
}

func (l *appLog) keep(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) == keptLines {
		l.last = l.last[1:]
	}
	l.last = append(l.last, text)
	if l.file == nil {
		return
	}
	stamp := l.now().UTC().Format("2006-01-02T15:04:05.000000Z ")
	if err := l.file.write(stamp + text + "\n"); err != nil {
		// Once: a full disk must not fill the terminal too.
		l.terminal.line(l.name, "* the log file gets no more lines: "+err.Error())
		l.file.close()
		l.file = nil
	}
}

// lines returns the last lines.
func (l *appLog) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.last)
}

func (l *appLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.close()
		l.file = nil
	}
}

// copy reads lines until the end of the program's output. A NUL-free line is
// not promised; printable sees to what is shown.
func (l *appLog) copy(r io.Reader) {
	lines := bufio.NewReaderSize(r, maxLogLine)
	for {
		text, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		l.add(string(text))
	}
}

// logFile is one app's log: NAME.log of this run, and NAME.log.old of what it
// held before it reached its size or before this run.
type logFile struct {
	path string
	max  int64
	file *os.File
	size int64
}

// openLog starts the log of an app in a folder.
func openLog(dir, name string, maxSize int64) (*logFile, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l := &logFile{path: filepath.Join(dir, name+".log"), max: maxSize}
	return l, l.rotate()
}

// rotate puts the file aside and starts a new one.
func (l *logFile) rotate() error {
	l.close()
	if err := os.Rename(l.path, l.path+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var err error
	l.file, err = os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	l.size = 0
	return err
}

func (l *logFile) write(text string) error {
	if l.size > 0 && l.size+int64(len(text)) > l.max {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	n, err := l.file.WriteString(text)
	l.size += int64(n)
	return err
}

func (l *logFile) close() {
	if l.file != nil {
		l.file.Close() //nolint:errcheck // a log that cannot be closed has nowhere to say so
		l.file = nil
	}
}
