package supervise

import (
	"strconv"
	"strings"
	"time"

	"scgikit/internal/servicedir"
)

// ident is what the next supervisor has to know of a service, in case nobody is
// left who holds its descriptors: one string in the file with the details.
type ident struct {
	Boot      string // the rest is good for this run of the machine only
	PID       int    // of ./run or ./finish; 0 is none
	Start     uint64 // of it, in clock ticks since boot
	Machine   Machine
	Paused    bool
	GotTERM   bool
	Ready     bool
	Asked     bool // its end was asked for
	Starts    int
	Since     time.Time
	LastStart time.Time
	ExitAt    time.Time // of the last end; zero is none
	Exit      exitWord
	History   history
	Pipe      inode // to its log; zero is none
	Former    former
}

// former are the folders that a service had before its own, the last first: what
// was started in them has them in its marker. Zero is none.
type former [4]inode

// exitWord is a wait status, and whether it is known.
type exitWord struct {
	Status uint32
	Known  bool
}

const identPrefix = `{"ident":"`

// String returns the fields in their order, separated by spaces.
func (d ident) String() string {
	var b strings.Builder
	number := func(n int64) { b.WriteString(" " + strconv.FormatInt(n, 10)) }
	flag := func(is bool) {
		n := int64(0)
		if is {
			n = 1
		}
		number(n)
	}
	moment := func(t time.Time) {
		if t.IsZero() {
			number(0)
			return
		}
		number(t.UnixNano())
	}
	boot := d.Boot
	if boot == "" {
		boot = "-"
	}
	b.WriteString("2 " + boot)
	number(int64(d.PID))
	number(int64(d.Start)) //nolint:gosec // ticks since boot
	number(int64(d.Machine.Phase))
	number(int64(d.Machine.Want))
	flag(d.Machine.Exiting)
	flag(d.Machine.Failed)
	flag(d.Paused)
	flag(d.GotTERM)
	flag(d.Ready)
	flag(d.Asked)
	number(int64(d.Starts))
	moment(d.Since)
	moment(d.LastStart)
	moment(d.ExitAt)
	number(int64(d.Exit.Status))
	flag(d.Exit.Known)
	number(int64(d.History.ends))
	moment(d.History.last)
	number(int64(d.Pipe.dev)) //nolint:gosec // read the same way
	number(int64(d.Pipe.ino)) //nolint:gosec // as above
	for _, f := range d.Former {
		number(int64(f.dev)) //nolint:gosec // as above
		number(int64(f.ino)) //nolint:gosec // as above
	}
	return b.String()
}

// parseIdent reads what String wrote, from the beginning of the file with the
// details. Anything else is none.
func parseIdent(file string) (d ident, ok bool) {
	rest, ok := strings.CutPrefix(file, identPrefix)
	if !ok {
		return ident{}, false
	}
	text, _, ok := strings.Cut(rest, `"`)
	fields := strings.Fields(text)
	const count = 22 + 2*len(d.Former)
	if !ok || len(fields) != count || fields[0] != "2" {
		return ident{}, false
	}
	numbers := make([]int64, count)
	for i := 2; i < count; i++ {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return ident{}, false
		}
		numbers[i] = n
	}
	moment := func(i int) time.Time {
		if numbers[i] == 0 {
			return time.Time{}
		}
		return time.Unix(0, numbers[i])
	}
	if numbers[2] < 0 || numbers[2] > 1<<30 || numbers[4] < 0 || numbers[4] >= int64(phases) || numbers[5] < 0 || numbers[5] > int64(WantOnce) {
		return ident{}, false
	}
	for i := range d.Former {
		d.Former[i] = inode{uint64(numbers[22+2*i]), uint64(numbers[23+2*i])} //nolint:gosec // as written
	}
	return ident{
		Boot: fields[1], PID: int(numbers[2]), Start: uint64(numbers[3]), //nolint:gosec // as written
		Machine: Machine{Phase: Phase(numbers[4]), Want: Want(numbers[5]), Exiting: numbers[6] == 1, Failed: numbers[7] == 1}, //nolint:gosec // checked
		Paused:  numbers[8] == 1, GotTERM: numbers[9] == 1, Ready: numbers[10] == 1, Asked: numbers[11] == 1,
		Starts: int(numbers[12]), Since: moment(13), LastStart: moment(14), ExitAt: moment(15),
		Exit:    exitWord{uint32(numbers[16]), numbers[17] == 1}, //nolint:gosec // a wait status
		History: history{int(numbers[18]), moment(19)},
		Pipe:    inode{uint64(numbers[20]), uint64(numbers[21])}, //nolint:gosec // as written
		Former:  d.Former,
	}, true
}

// detailSize is the least size of the file with the details: it is written by one
// call over what is there, so that readers never see half of it.
const detailSize = 1024

// appendDetail appends the file: a JSON object, and spaces up to its size.
func appendDetail(b []byte, d ident, detail *servicedir.Detail) []byte {
	begin := len(b)
	b = append(b, identPrefix...)
	b = append(b, d.String()...)
	b = append(b, `",`...)
	b = detail.AppendFields(b)
	b = append(b, '}')
	for n := len(b) - begin + 1; n < detailSize || n%512 != 0; n++ {
		b = append(b, ' ')
	}
	return append(b, '\n')
}
