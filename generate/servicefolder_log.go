package generate

import (
	"cmp"
	"fmt"
	"slices"
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
	loggerSvlogd   loggerName = "svlogd"
	loggerS6       loggerName = "s6-log"
	loggerOurs     loggerName = "scgi-run"
)

// Values lists every logger that daemontools can be given.
func (loggerName) Values() []string { return []string{string(loggerMultilog), string(loggerOurs)} }

// minLogSize is the smallest size that any logger takes.
const minLogSize = 4096

// maxLogSize returns the largest size that a logger takes. Most use the nearest
// where they are given another.
//
// Sources: https://cr.yp.to/daemontools/multilog.html; svlogd(8), which has no
// limit but that of its numbers; https://skarnet.org/software/s6/s6-log.html
func (l loggerName) maxLogSize() appfile.Size {
	switch l {
	case loggerSvlogd:
		return 1<<31 - 1
	case loggerS6:
		return 268435455
	case loggerMultilog, loggerOurs, loggerAuto:
	}
	return 16777215
}

// beyondLogger returns what a log asks for and a logger does not know, or knows
// otherwise: the field, and why. scgi-run knows all.
//
// Sources: multilog.html, svlogd(8), s6-log.html; for patterns, docs/logging.md.
func beyondLogger(l *appfile.Log, logger loggerName) (list []beyond) {
	if logger == loggerOurs {
		return nil
	}
	add := func(field, reason string) { list = append(list, beyond{field, string(logger) + " " + reason}) }
	if l.Timestamp == appfile.StampISO {
		switch logger {
		case loggerMultilog:
			add("log.timestamp", "writes TAI64N stamps or none")
		case loggerS6:
			add("log.timestamp", "writes the local time, and iso is UTC")
		case loggerSvlogd, loggerOurs, loggerAuto:
		}
	}
	if reason := exceedsTotal(l); reason != "" && logger != loggerS6 {
		add("log.max_total", "knows no total, and "+reason)
	}
	if l.MaxAge > 0 {
		add("log.max_age", "removes no file for its age")
	}
	if l.RotateAfter > 0 && logger != loggerSvlogd {
		add("log.rotate_after", "rotates by size, not by age")
	}
	if l.Compress != appfile.CompressNone {
		add("log.compress", "does not compress")
	}
	if len(l.Filter) > 0 && logger != loggerMultilog {
		if reason := otherPatterns(l, logger); reason != "" {
			add("log.filter", reason)
		}
	}
	if len(l.Processor) > 0 && logger == loggerS6 {
		add("log.processor", "runs it with execline, and not with sh")
	}
	return list
}

// otherPatterns says why a logger would match another line than the patterns of
// multilog do, or "".
func otherPatterns(l *appfile.Log, logger loggerName) string {
	switch {
	case logger == loggerS6:
		return "takes regular expressions, and log.filter patterns of multilog"
	case l.Timestamp != appfile.StampNone:
		return "matches a line without its stamp, and log.filter the whole line"
	case slices.ContainsFunc(l.Filter, func(pattern string) bool { return strings.Contains(pattern[1:], "+") }):
		return "takes + within a pattern for one character or more of the next"
	}
	return ""
}

// logFields says what becomes of the fields of the log.
func (f *family) logFields() Fields {
	byOurs := "by scgi-run, not by " + string(f.logger)
	size := fmt.Sprintf("%d to %d bytes", minLogSize, f.logger.maxLogSize())
	if most := loggerOurs.maxLogSize(); most != f.logger.maxLogSize() {
		size += fmt.Sprintf("; by scgi-run %d at most", most)
	}
	fields := Fields{
		"log.timestamp":    {Carried, "iso " + byOurs},
		"log.max_size":     {Carried, size},
		"log.keep":         {Carried, ""},
		"log.max_total":    {Carried, "where max_size and keep can exceed it, " + byOurs},
		"log.max_age":      {Carried, byOurs},
		"log.rotate_after": {Carried, byOurs},
		"log.compress":     {Carried, byOurs + "; for zstd it needs scgikit beside it, or in PATH"},
		"log.filter":       {Carried, ""},
		"log.processor":    {Carried, ""},
	}
	switch f.logger {
	case loggerSvlogd:
		fields["log.timestamp"] = Field{Carried, "iso with five digits of a second"}
		fields["log.rotate_after"] = Field{Carried, ""}
		fields["log.filter"] = Field{Carried, "behind a stamp, and with + within a pattern, " + byOurs}
	case loggerS6:
		fields["log.timestamp"] = Field{Carried, "tai64n with leap seconds; iso " + byOurs}
		fields["log.max_total"] = Field{Carried, ""}
		fields["log.filter"] = Field{Carried, byOurs}
		fields["log.processor"] = Field{Carried, byOurs}
	case loggerMultilog, loggerOurs, loggerAuto:
	}
	return fields
}

// beyond is a field that a logger can not express.
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
func loggerOf(a *appfile.App, o *folderOptions) loggerName {
	switch {
	case o.Logger != loggerAuto:
		return o.Logger
	case len(beyondLogger(&a.Log, o.family.logger)) > 0:
		return loggerOurs
	}
	return o.family.logger
}

// acceptLog returns the problems of the log.
func (f *family) acceptLog(a *appfile.App) diag.List {
	var list diag.List
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	l := &a.Log
	options := f.optionsOf(a)
	logger := loggerOf(a, &options)
	if most := logger.maxLogSize(); l.MaxSize < minLogSize || l.MaxSize > most {
		who := string(logger) + " takes"
		if f.logger.maxLogSize() == most {
			who = "the loggers take"
		}
		refuse("log.max_size", fmt.Sprintf("%s %d to %d bytes", who, minLogSize, most), "use a size in between, such as 1MiB")
	}
	for _, b := range beyondLogger(l, logger) {
		refuse(b.field, b.reason, "leave "+f.option("logger")+" out, or set it to "+string(loggerOurs))
	}
	for _, age := range []struct {
		field string
		value time.Duration
	}{{"log.max_age", l.MaxAge}, {"log.rotate_after", l.RotateAfter}} {
		if age.value%time.Second != 0 && (logger == loggerOurs || logger == loggerSvlogd && age.field == "log.rotate_after") {
			refuse(age.field, string(logger)+" counts whole seconds", "write whole seconds")
		}
	}
	return list
}

// folderLog is what the template of log/run is given.
type folderLog struct {
	Literal bool   // see looksMistaken
	Logger  string // its name, for people
	Dir     string // log.dir where it is set
	User    string // who must be able to write there
	Words   []string
}

func logScript(a *appfile.App, o *folderOptions) folderLog {
	dir := ""
	if a.IsSet("log.dir") || o.family.compiled {
		dir = a.LogDir()
	}
	logger := loggerOf(a, o)
	words := slices.Concat(o.family.loggerUser(a, o), loggerWords(&a.Log, logger, o), []string{cmp.Or(dir, "./main")})
	return folderLog{Literal: looksMistaken(words), Logger: string(logger), Dir: dir, User: a.Log.User, Words: words}
}

// loggerWords returns the program that writes a log and its arguments, but for
// the folder.
func loggerWords(l *appfile.Log, logger loggerName, o *folderOptions) []string {
	switch logger {
	case loggerSvlogd: // the rest stands in its config
		return append([]string{o.program("svlogd")}, svlogdStamp(l)...)
	case loggerS6:
		// It would cut long lines to pieces.
		flags := []string{o.program("s6-log"), "-b", "-l", "0"}
		if o.family.compiled {
			flags = append(flags, "-d", fmt.Sprint(loggerReady))
		}
		return append(append(flags, "--"), s6LogWords(l)...)
	case loggerOurs:
		return append([]string{o.SCGIRun, "multilog"}, multilogWords(l, true)...)
	case loggerMultilog, loggerAuto:
	}
	return append([]string{o.program("multilog")}, multilogWords(l, false)...)
}

// svlogdStamp is the flag for the stamp of a log.
func svlogdStamp(l *appfile.Log) []string {
	switch l.Timestamp {
	case appfile.StampTAI64N:
		return []string{"-t"}
	case appfile.StampISO:
		return []string{"-ttt"}
	case appfile.StampNone:
	}
	return nil
}

// svlogdLines returns the lines of svlogd's config. It has no syntax of its own:
// what follows the first byte of a line is taken as it stands.
//
// Source: svlogd(8), CONFIG
func svlogdLines(l *appfile.Log) []string {
	lines := []string{fmt.Sprintf("s%d", int64(l.MaxSize)), fmt.Sprintf("n%d", l.Keep)}
	if l.RotateAfter > 0 {
		lines = append(lines, fmt.Sprintf("t%d", l.RotateAfter/time.Second))
	}
	if len(l.Processor) > 0 {
		lines = append(lines, "!"+shellWords(l.Processor))
	}
	return append(lines, l.Filter...)
}

// logConfig returns the config that the logger reads in its folder, or nil.
func logConfig(a *appfile.App, o *folderOptions) *Spec {
	if loggerOf(a, o) != loggerSvlogd {
		return nil
	}
	return &Spec{Mode: 0o644, Template: "config.tmpl", Data: svlogdLines(&a.Log)}
}

// s6LogWords returns the script of s6-log in front of its folder.
//
// Source: https://skarnet.org/software/s6/s6-log.html
func s6LogWords(l *appfile.Log) []string {
	var words []string
	if l.Timestamp == appfile.StampTAI64N {
		words = append(words, "t")
	}
	words = append(words, fmt.Sprintf("s%d", int64(l.MaxSize)), fmt.Sprintf("n%d", l.Keep))
	if l.MaxTotal != nil {
		words = append(words, fmt.Sprintf("S%d", int64(*l.MaxTotal)))
	}
	return words
}

// multilogWords returns the words of a log in front of its folder. Where one
// asks for what multilog does not know, the logger is ours.
func multilogWords(l *appfile.Log, ours bool) []string {
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
	if l.MaxTotal != nil && ours {
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
