package verify

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"scgikit/internal/fileset"
)

// launchdPlace is the place of a property list of launchd.
const launchdPlace = "LaunchDaemons"

// checkLaunchd reads property lists as launchd is documented to, and takes for
// a mistake what launchd ignores: an unknown key, or a value of another type.
func checkLaunchd(files []fileset.File) []Result {
	r := Result{Target: "launchd", Checker: "launchd.plist"}
	labels := make(map[string]string)
	for i := range files {
		f := &files[i]
		if f.Place != launchdPlace || f.Kind != fileset.Regular {
			continue
		}
		r.Files++
		complain := func(line int, format string, args ...any) {
			r.Complaints = append(r.Complaints, Complaint{Path: f.Path, Line: line, Message: fmt.Sprintf(format, args...)})
		}
		root, err := readPlist(f.Data)
		if bad, ok := errors.AsType[*plistError](err); ok {
			complain(bad.line, "%s", bad.message)
			continue
		}
		if err != nil {
			complain(0, "%v", err)
			continue
		}
		job := &launchdJob{complain: complain}
		job.check(root, path.Base(f.Path))
		if label := root.get("Label"); label != nil {
			if other, ok := labels[label.text]; ok {
				complain(label.line, "%s has this label as well", other)
			}
			labels[label.text] = f.Path
		}
	}
	if r.Files == 0 {
		return nil
	}
	if len(r.Complaints) > 0 {
		r.Outcome = Rejected
	}
	return []Result{r}
}

// launchdType is what a key of launchd.plist(5) takes.
type launchdType struct {
	kinds []plistKind
	below map[string]launchdType // the keys of a dictionary; nil for any, which have values of elem
	elem  *launchdType           // of an array, or a dictionary with any keys
	words []string               // that a string may be; nil for any
	min   int64                  // of an integer
	max   int64
}

// The types that most keys have.
func textType(words ...string) launchdType {
	return launchdType{kinds: []plistKind{plistString}, words: words}
}

func boolType() launchdType { return launchdType{kinds: []plistKind{plistBool}} }

func intType(least, most int64) launchdType {
	return launchdType{kinds: []plistKind{plistInt}, min: least, max: most}
}

func dictType(below map[string]launchdType) launchdType {
	return launchdType{kinds: []plistKind{plistDict}, below: below}
}

func listType(elem launchdType) launchdType {
	return launchdType{kinds: []plistKind{plistArray}, elem: &elem}
}

func mapType(elem launchdType) launchdType {
	return launchdType{kinds: []plistKind{plistDict}, elem: &elem}
}

// Limits of numbers.
const (
	maxMode  = 0o777
	maxInt31 = 1<<31 - 1
)

// launchdKeys are the keys of a daemon that launchd.plist(5) documents. Those
// that other events than its start, a connection or a time need are left out.
//
// Source: launchd.plist(5) of macOS.
func launchdKeys() map[string]launchdType {
	limits := make(map[string]launchdType)
	for _, name := range []string{"Core", "CPU", "Data", "FileSize", "MemoryLock", "NumberOfFiles", "NumberOfProcesses", "ResidentSetSize", "Stack"} {
		limits[name] = intType(0, 1<<63-1)
	}
	socket := dictType(map[string]launchdType{
		"SockType": textType("stream", "dgram", "seqpacket"), "SockPassive": boolType(), "SockNodeName": textType(), "SockServiceName": textType(),
		"SockFamily": textType("IPv4", "IPv6", "Unix"), "SockProtocol": textType("TCP", "UDP"), "SockPathName": textType(),
		"SecureSocketWithKey": textType(), "SockPathOwner": intType(0, maxInt31), "SockPathGroup": intType(0, maxInt31), "SockPathMode": intType(0, maxMode),
	})
	alive := dictType(map[string]launchdType{
		"SuccessfulExit": boolType(), "Crashed": boolType(), "NetworkState": boolType(), "PathState": mapType(boolType()), "OtherJobEnabled": mapType(boolType()),
	})
	alive.kinds = append(alive.kinds, plistBool)
	return map[string]launchdType{
		"Label": textType(), "Disabled": boolType(), "UserName": textType(), "GroupName": textType(), "InitGroups": boolType(),
		"Program": textType(), "ProgramArguments": listType(textType()), "EnableGlobbing": boolType(), "EnableTransactions": boolType(),
		"inetdCompatibility": dictType(map[string]launchdType{"Wait": boolType()}), "Sockets": mapType(socket),
		"KeepAlive": alive, "RunAtLoad": boolType(), "LaunchOnlyOnce": boolType(), "StartInterval": intType(1, maxInt31),
		"ThrottleInterval": intType(0, maxInt31), "ExitTimeOut": intType(0, maxInt31), "TimeOut": intType(0, maxInt31),
		"RootDirectory": textType(), "WorkingDirectory": textType(), "EnvironmentVariables": mapType(textType()), "Umask": intType(0, maxMode),
		"StandardInPath": textType(), "StandardOutPath": textType(), "StandardErrorPath": textType(), "Debug": boolType(),
		"SoftResourceLimits": dictType(limits), "HardResourceLimits": dictType(limits), "Nice": intType(-20, 20), "AbandonProcessGroup": boolType(),
		"ProcessType": textType("Background", "Standard", "Adaptive", "Interactive"), "LowPriorityIO": boolType(), "LowPriorityBackgroundIO": boolType(),
	}
}

// launchdJob is the check of one property list.
type launchdJob struct {
	complain func(line int, format string, args ...any)
}

func (j *launchdJob) check(root *plistValue, name string) {
	if root.kind != plistDict {
		j.complain(root.line, "it is one %s, not a dictionary", root.kind)
		return
	}
	before := launchdType{below: launchdKeys(), kinds: []plistKind{plistDict}}
	j.value("", root, &before)
	label := root.get("Label")
	switch {
	case label == nil:
		j.complain(root.line, "Label is missing")
	case label.text+".plist" != name:
		j.complain(label.line, "the label is %s and the name of the file another", label.text)
	}
	j.program(root)
	j.inetd(root)
}

func (j *launchdJob) program(root *plistValue) {
	program, arguments := root.get("Program"), root.get("ProgramArguments")
	if program == nil && (arguments == nil || len(arguments.list) == 0) {
		j.complain(root.line, "it has no program")
		return
	}
	if program == nil {
		program = &arguments.list[0]
	}
	if !strings.HasPrefix(program.text, "/") {
		j.complain(program.line, "%.60q is no whole path of a program", program.text)
	}
}

// inetd checks what belongs together where each connection starts a process.
func (j *launchdJob) inetd(root *plistValue) {
	inetd, sockets := root.get("inetdCompatibility"), root.get("Sockets")
	if inetd == nil {
		return
	}
	if inetd.kind == plistDict && inetd.get("Wait") == nil {
		j.complain(inetd.line, "inetdCompatibility has no Wait")
	}
	if sockets == nil || len(sockets.list) == 0 {
		j.complain(inetd.line, "inetdCompatibility has no Sockets")
	} else {
		for i := range sockets.list {
			j.socket(&sockets.list[i])
		}
	}
	for _, key := range []string{"KeepAlive", "RunAtLoad", "StartInterval", "StandardInPath", "StandardOutPath", "StandardErrorPath"} {
		if v := root.get(key); v != nil && (v.kind != plistBool || v.truth) {
			j.complain(v.line, "%s would start a process without a connection, or take the connection from it", key)
		}
	}
}

func (j *launchdJob) socket(v *plistValue) {
	unix, port := v.get("SockPathName"), v.get("SockServiceName")
	switch {
	case unix == nil && port == nil:
		j.complain(v.line, "the socket has neither SockPathName nor SockServiceName")
	case unix != nil && port != nil:
		j.complain(v.line, "the socket has both SockPathName and SockServiceName")
	case unix != nil && (!strings.HasPrefix(unix.text, "/") || len(unix.text) > maxSocketPath):
		j.complain(unix.line, "%.120q is no path of a socket: it begins with / and has at most %d bytes", unix.text, maxSocketPath)
	case unix != nil && v.get("SockPathMode") == nil:
		j.complain(v.line, "the socket has no SockPathMode")
	case port != nil && v.get("SockNodeName") == nil:
		j.complain(v.line, "the socket has no SockNodeName, so it listens on every address")
	}
}

// maxSocketPath is sun_path of macOS, without the byte behind the path.
const maxSocketPath = 103

func (j *launchdJob) value(name string, v *plistValue, t *launchdType) {
	if !slices.Contains(t.kinds, v.kind) {
		words := make([]string, len(t.kinds))
		for i, kind := range t.kinds {
			words[i] = string(kind)
		}
		j.complain(v.line, "%s is of the type %s, not %s", name, v.kind, strings.Join(words, " or "))
		return
	}
	switch v.kind {
	case plistString:
		if len(t.words) > 0 && !slices.Contains(t.words, v.text) {
			j.complain(v.line, "%s is %.60q, not one of %s", name, v.text, strings.Join(t.words, ", "))
		}
	case plistInt:
		if v.number < t.min || v.number > t.max {
			j.complain(v.line, "%s is %d, not %d to %d", name, v.number, t.min, t.max)
		}
	case plistArray:
		for i := range v.list {
			j.value(fmt.Sprintf("%s[%d]", name, i), &v.list[i], t.elem)
		}
	case plistDict:
		j.dict(name, v, t)
	case plistBool:
	}
}

func (j *launchdJob) dict(name string, v *plistValue, t *launchdType) {
	for i, key := range v.keys {
		full := key
		if name != "" {
			full = name + "." + key
		}
		below, ok := t.below[key]
		if t.below == nil {
			below, ok = *t.elem, true
		}
		if !ok {
			j.complain(v.list[i].line, "launchd knows no key %.60s", full)
			continue
		}
		j.value(full, &v.list[i], &below)
	}
}
