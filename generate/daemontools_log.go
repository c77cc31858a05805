package generate

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// loggerName is the program that log/run starts.
type loggerName string

// The loggers; the empty one is chosen by what the description asks for.
const (
	loggerAuto     loggerName = ""
	loggerMultilog loggerName = "multilog"
	loggerOurs     loggerName = "scgi-run"
)

// Values lists every logger that can be written.
func (loggerName) Values() []string { return []string{string(loggerMultilog), string(loggerOurs)} }

// Sizes that multilog takes, and scgi-run as well; either uses the nearest
// where it is given another.
//
// Source: https://cr.yp.to/daemontools/multilog.html
const (
	minMultilog = 4096
	maxMultilog = 16777215
)

// beyondMultilog returns what a log asks for and multilog does not know: the
// field, and why.
func beyondMultilog(l *appfile.Log) (list []beyond) {
	add := func(field, reason string) { list = append(list, beyond{field, reason}) }
	if l.Timestamp == appfile.StampISO {
		add("log.timestamp", "multilog writes TAI64N stamps or none")
	}
	if reason := exceedsTotal(l); reason != "" {
		add("log.max_total", "multilog knows no total, and "+reason)
	}
	if l.MaxAge > 0 {
		add("log.max_age", "multilog removes no file for its age")
	}
	if l.RotateAfter > 0 {
		add("log.rotate_after", "multilog rotates by size, not by age")
	}
	if l.Compress != appfile.CompressNone {
		add("log.compress", "multilog does not compress")
	}
	return list
}

// beyond is a field that multilog can not express.
type beyond struct{ field, reason string }

// exceedsTotal says why the number and size of the files do not keep them
// below log.max_total, or "".
func exceedsTotal(l *appfile.Log) string {
	switch {
	case l.MaxTotal == nil:
		return ""
	case l.MaxSize*appfile.Size(l.Keep+1) > *l.MaxTotal:
		return fmt.Sprintf("%d files of %s can be more than %s", l.Keep+1, l.MaxSize, l.MaxTotal)
	case len(l.Processor) > 0:
		return "what log.processor writes has any size"
	}
	return ""
}

// loggerOf returns the program that writes the log.
func loggerOf(a *appfile.App, options daemontoolsOptions) loggerName {
	switch {
	case options.Logger != loggerAuto:
		return options.Logger
	case len(beyondMultilog(&a.Log)) > 0:
		return loggerOurs
	}
	return loggerMultilog
}

// acceptLog returns the problems of the log.
func acceptLog(a *appfile.App) diag.List {
	var list diag.List
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	l := &a.Log
	if l.MaxSize < minMultilog || l.MaxSize > maxMultilog {
		refuse("log.max_size", fmt.Sprintf("the loggers take %d to %d bytes", minMultilog, maxMultilog), "use a size in between, such as 1MiB")
	}
	options := daemontoolsOptionsOf(a)
	if loggerOf(a, options) == loggerMultilog {
		for _, b := range beyondMultilog(l) {
			refuse(b.field, b.reason, "leave options.daemontools.logger out, or set it to "+string(loggerOurs))
		}
		return list
	}
	for _, age := range []struct {
		field string
		value time.Duration
	}{{"log.max_age", l.MaxAge}, {"log.rotate_after", l.RotateAfter}} {
		if age.value%time.Second != 0 {
			refuse(age.field, "scgi-run counts whole seconds", "write whole seconds")
		}
	}
	return list
}

// daemontoolsLog is what the template of log/run is given.
type daemontoolsLog struct {
	Literal bool   // see looksMistaken
	Logger  string // its name, for people
	Dir     string // log.dir where it is set
	User    string // who must be able to write there
	Words   []string
}

func logScript(a *appfile.App, options daemontoolsOptions) daemontoolsLog {
	logger := loggerOf(a, options)
	words := []string{path.Join(options.BinDir, "setuidgid"), a.Log.User}
	switch logger {
	case loggerOurs:
		words = append(words, options.SCGIRun, "multilog")
	case loggerMultilog, loggerAuto:
		words = append(words, path.Join(options.BinDir, "multilog"))
	}
	dir := ""
	if a.IsSet("log.dir") {
		dir = a.LogDir()
	}
	words = append(words, logWords(&a.Log, logger)...)
	words = append(words, cmp.Or(dir, "./main"))
	return daemontoolsLog{Literal: looksMistaken(words), Logger: string(logger), Dir: dir, User: a.Log.User, Words: words}
}

// logWords returns the words of a log in front of its folder. Where one asks
// for what multilog does not know, the logger is scgi-run.
func logWords(l *appfile.Log, logger loggerName) []string {
	var words []string
	// A stamp works as the first word only.
	switch l.Timestamp {
	case appfile.StampTAI64N:
		words = append(words, "t")
	case appfile.StampISO:
		words = append(words, "T")
	case appfile.StampNone:
	}
	words = append(words, l.Filter...)
	// The file that is written to counts as one of the number.
	words = append(words, fmt.Sprintf("s%d", int64(l.MaxSize)), fmt.Sprintf("n%d", l.Keep+1))
	if l.MaxTotal != nil && logger == loggerOurs {
		words = append(words, fmt.Sprintf("S%d", int64(*l.MaxTotal)))
	}
	if l.MaxAge > 0 {
		words = append(words, "A"+wholeUnits(l.MaxAge))
	}
	if l.RotateAfter > 0 {
		words = append(words, "R"+wholeUnits(l.RotateAfter))
	}
	if l.Compress != appfile.CompressNone {
		words = append(words, "z"+string(l.Compress))
	}
	if len(l.Processor) > 0 {
		words = append(words, "!"+shellWords(l.Processor))
	}
	return words
}

// wholeUnits writes an age as one number with the largest unit that divides
// it, which is what the words A and R take.
func wholeUnits(d time.Duration) string {
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		if d%unit.length == 0 {
			return fmt.Sprintf("%d%s", d/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// shellWords writes words as one command of sh, which is how multilog runs a
// processor. The decoder refuses NUL bytes, the only thing sh can not take.
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i], _ = quote.Sh(word)
	}
	return strings.Join(quoted, " ")
}
