package multilogtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStamps shows that lines and names of files bear the time, in TAI64N: 2^62
// and 10 seconds more than Unix time, and microseconds and a half.
//
// Source: https://cr.yp.to/libtai/tai64.html; daemontools 0.76 timestamp.c.
func TestStamps(t *testing.T) {
	for _, p := range programs(t) {
		t.Run(p.name, func(t *testing.T) {
			dir, aside := place(t), place(t)
			defer os.RemoveAll(dir)
			defer os.RemoveAll(aside)
			begin := time.Now().Add(-time.Microsecond)
			if _, err := p.Drive(Scenario{Steps: []Step{Run("t ./a"), Feed("x\ny\n"), Send(syscall.SIGALRM), Feed("z\n"), End()}}, dir, aside); err != nil {
				t.Fatal(err)
			}
			end := time.Now().Add(time.Microsecond)
			tree, err := Look(dir)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for name, file := range tree {
				var stamps []string
				if _, base, ok := strings.Cut(name, "/@"); ok {
					stamps = append(stamps, "@"+base[:24])
				}
				if strings.HasPrefix(file.Data, "@") {
					for line := range strings.Lines(file.Data) {
						stamps = append(stamps, line[:25])
					}
				}
				for _, stamp := range stamps {
					n++
					if at, err := stampTime(stamp); err != nil || at.Before(begin) || at.After(end) {
						t.Errorf("%s: %s is %v, %v; it was %v to %v", name, stamp, at, err, begin, end)
					}
				}
			}
			if n != 4 {
				t.Errorf("%d stamps", n)
			}
		})
	}
}

func stampTime(stamp string) (time.Time, error) {
	seconds, err := strconv.ParseUint(stamp[1:17], 16, 64)
	if err != nil {
		return time.Time{}, err
	}
	nanoseconds, err := strconv.ParseUint(stamp[17:25], 16, 32)
	if err == nil && nanoseconds%1000 != 500 {
		err = fmt.Errorf("%d ns is not half a microsecond", nanoseconds)
	}
	return time.Unix(int64(seconds-1<<62-10), int64(nanoseconds)), err
}
