package chainload

import (
	"os"
	"syscall"
)

const softlimitUsage = "softlimit: usage: softlimit [-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] [-l lockbytes] [-m membytes] [-o openfiles] [-p processes] [-r residentbytes] [-s stackbytes] [-t cpusecs] child"

// limit is a soft limit to set.
type limit struct {
	resource int
	value    uint64
	hard     bool // the value of the hard limit, instead of value
}

// SoftLimit runs "[flags] child…": child with other soft limits. A value is a
// number, cut to the hard limit, or "=" for that; -m is -d, -s, -l and -a, where
// the system has them.
//
// Source: https://cr.yp.to/daemontools/softlimit.html
func SoftLimit(args []string) error {
	options, child, err := ParseOptions("softlimit", "a:c:d:f:l:m:o:p:r:s:t:", args)
	var limits []limit
	for _, o := range options {
		l, ok := parseLimit(o.Value)
		if !ok {
			return usage(softlimitUsage)
		}
		for _, l.resource = range resources(o.Flag) {
			limits = append(limits, l)
		}
	}
	if err != nil {
		return usage(err.Error() + "\n" + softlimitUsage)
	}
	if len(child) == 0 {
		return usage(softlimitUsage)
	}
	r := newRequest(child, os.Environ())
	for _, l := range limits {
		if err := l.set(); err != nil {
			return err
		}
	}
	return r.become("softlimit")
}

// parseLimit reads a value. Like the original it takes "" as 0, and numbers
// modulo 2^64.
func parseLimit(text string) (l limit, ok bool) {
	if text == "=" {
		return limit{hard: true}, true
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return limit{}, false
		}
		l.value = l.value*10 + uint64(c-'0')
	}
	return l, true
}

// set goes through package syscall: Go has raised the soft limit of open files
// for itself, and gives it back at exec unless it was changed there.
func (l limit) set() error {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(l.resource, &r); err != nil {
		return fatal("softlimit", "getrlimit failed: ", err)
	}
	if l.hard || l.value > uint64(r.Max) { //nolint:unconvert // the type differs between systems
		r.Cur = r.Max
	} else {
		assign(&r.Cur, l.value)
	}
	if err := syscall.Setrlimit(l.resource, &r); err != nil {
		return fatal("softlimit", "setrlimit failed: ", err)
	}
	return nil
}

// assign sets a field of Rlimit, whose type differs between systems.
func assign[T int64 | uint64](to *T, value uint64) { *to = T(value) }

// resources are the limits that a flag sets, in this order. A system that has
// not got one is asked for nothing, as in the original.
func resources(flag byte) []int {
	switch flag {
	case 'a':
		return addressSpace()
	case 'c':
		return []int{syscall.RLIMIT_CORE}
	case 'd':
		return []int{syscall.RLIMIT_DATA}
	case 'f':
		return []int{syscall.RLIMIT_FSIZE}
	case 'l':
		return lockedMemory()
	case 'm':
		r := append([]int{syscall.RLIMIT_DATA, syscall.RLIMIT_STACK}, lockedMemory()...)
		return append(r, addressSpace()...)
	case 'o':
		return []int{syscall.RLIMIT_NOFILE}
	case 'p':
		return processes()
	case 'r':
		return residentSize()
	case 's':
		return []int{syscall.RLIMIT_STACK}
	case 't':
		return []int{syscall.RLIMIT_CPU}
	}
	return nil
}
