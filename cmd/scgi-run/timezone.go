package main

import (
	"encoding/binary"
	"os"
	"path"
	"strings"
	"time"
)

// zoneFolder is where the names of time zones lead, unless TZDIR says another.
const zoneFolder = "/usr/share/zoneinfo"

// zoneFileMost is more than any time zone file has.
const zoneFileMost = 1 << 20

// localZone returns the time zone that the variable TZ names, as the C library
// finds it: a file, else rules such as "CET-1CEST,M3.5.0,M10.5.0/3", else UTC.
// Package time knows no rules in TZ. Leap seconds of a file (right/…) are not
// counted.
//
// Source: POSIX.1-2024, 8.3 Other Environment Variables, TZ; tzset(3).
func localZone(lookup func(string) (string, bool)) *time.Location {
	tz, set := lookup("TZ")
	if !set {
		return zoneOfFile("/etc/localtime")
	}
	tz = strings.TrimPrefix(tz, ":")
	if tz == "" {
		return time.UTC
	}
	name := tz
	if !path.IsAbs(tz) {
		dir, ok := lookup("TZDIR")
		if !ok || dir == "" {
			dir = zoneFolder
		}
		name = dir + "/" + tz
	}
	if zone := zoneOfFile(name); zone != time.UTC {
		return zone
	}
	return zoneOfRules(tz)
}

// zoneOfFile returns the zone in a file, or UTC.
func zoneOfFile(name string) *time.Location {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > zoneFileMost {
		return time.UTC
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return time.UTC
	}
	zone, err := time.LoadLocationFromTZData("local", data)
	if err != nil {
		return time.UTC
	}
	return zone
}

// zoneOfRules returns the zone of rules as POSIX writes them, or UTC. It puts
// them at the end of a time zone file that holds nothing else, because that is
// where package time reads them.
//
// Source: RFC 9636 (TZif).
func zoneOfRules(rules string) *time.Location {
	// Without an offset, rules mean nothing.
	if strings.ContainsAny(rules, "\n\x00") || !strings.ContainsAny(rules, "0123456789") {
		return time.UTC
	}
	const types, nameBytes = 1, 4
	data := zoneHeader(nil, 0, 0) // the part for readers of 32-bit times
	data = zoneHeader(data, types, nameBytes)
	data = append(data, 0, 0, 0, 0, 0, 0) // type 0: no offset, not summer, name at 0
	data = append(data, "UTC\x00\n"+rules+"\n"...)
	zone, err := time.LoadLocationFromTZData("rules", data)
	if err != nil {
		return time.UTC
	}
	return zone
}

func zoneHeader(data []byte, types, nameBytes uint32) []byte {
	data = append(data, "TZif3"...)
	data = append(data, make([]byte, 15)...)
	for _, count := range []uint32{0, 0, 0, 0, types, nameBytes} {
		data = binary.BigEndian.AppendUint32(data, count)
	}
	return data
}
