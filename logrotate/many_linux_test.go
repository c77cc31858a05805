package logrotate

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// manyLogs are Loggers in one process with one Buffers, each with a folder and a
// pipe.
func manyLogs(t *testing.T, count int, buffers *Buffers, words ...string) (loggers []*Logger, writeEnds []int) {
	t.Helper()
	script, err := ParseScript(words)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for i := range count {
		path := fmt.Sprint(root, "/", i)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		dir, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		l, err := Open(Config{Script: script, Input: ends[0], Dir: dir, Buffers: buffers})
		if err != nil {
			t.Fatal(err)
		}
		loggers, writeEnds = append(loggers, l), append(writeEnds, ends[1])
	}
	t.Cleanup(func() {
		for i, l := range loggers {
			l.Close()
			unix.Close(l.cfg.Dir)
			unix.Close(l.cfg.Input)
			unix.Close(writeEnds[i])
		}
	})
	return loggers, writeEnds
}

// footprint returns the bytes of heap in use, and of memory of the process.
func footprint(t *testing.T) (heap, pss int) {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rollup)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			pss, _ = strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return int(m.HeapAlloc), pss << 10
}

// TestManyLogs: a thousand idle Loggers in one process cost little memory, and no
// mapping once they are parked.
func TestManyLogs(t *testing.T) {
	const count = 1000
	buffers := NewBuffers()
	t.Cleanup(buffers.Close)
	warm, _ := manyLogs(t, 2, buffers, "t", "s100000", "n10", "./main")
	warm[0].Step()
	for _, l := range warm {
		l.Park()
	}
	heap, pss := footprint(t)
	loggers, ends := manyLogs(t, count, buffers, "t", "s100000", "n10", "./main")
	text := bytes.Repeat([]byte("a line of a log that says something\n"), 10)
	for i, l := range loggers {
		if _, err := unix.Write(ends[i], text); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			l.Step()
		}
	}
	usedHeap, usedPss := footprint(t)
	for _, l := range loggers {
		if !l.KillSafe() || !l.Park() {
			t.Fatal("not kill-safe, or not idle")
		}
	}
	parkedHeap, parkedPss := footprint(t)
	t.Logf("each: heap %d, PSS %d; parked heap %d, PSS %d; Logger %d, folder %d bytes",
		(usedHeap-heap)/count, (usedPss-pss)/count, (parkedHeap-heap)/count, (parkedPss-pss)/count,
		unsafe.Sizeof(Logger{}), unsafe.Sizeof(folder{}))
	if each := (parkedHeap - heap) / count; each > 2500 {
		t.Errorf("%d bytes of heap for each parked Logger", each)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(maps), "/main/lock"); n > 0 {
		t.Errorf("%d locks are mapped", n)
	}
}
