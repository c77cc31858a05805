package logrotate

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// fleet is several Loggers that are used from one goroutine. What they wait for
// is given to them at once, but for the end of a pause.
type fleet struct {
	t       *testing.T
	logs    []*testLog
	loggers []*Logger
	words   [][]string
	wake    chan struct{}
	warned  chan string
	alerts  []bytes.Buffer
}

// newFleet opens a Logger for each script, in a folder of its own. All have the
// same buffers, or, if that is nil, each its own.
func newFleet(t *testing.T, buffers *Buffers, plain bool, root string, scripts ...[]string) *fleet {
	t.Helper()
	f := &fleet{
		t: t, words: scripts, alerts: make([]bytes.Buffer, len(scripts)),
		wake: make(chan struct{}, 1), warned: make(chan string, 100_000),
	}
	for i, words := range scripts {
		l := newTestLog(t)
		l.buffers, l.plain = buffers, plain
		if root != "" {
			l.moveTo(fmt.Sprint(root, "/", i))
		}
		if _, err := unix.FcntlInt(l.in.Fd(), unix.F_SETPIPE_SZ, largePipe); err != nil {
			t.Fatal(err)
		}
		l.now = func() time.Time { return time.Unix(1e9, 0) }
		f.logs = append(f.logs, l)
		f.loggers = append(f.loggers, f.open(i, words))
	}
	t.Cleanup(func() {
		for _, l := range f.loggers {
			l.Close()
		}
		if buffers != nil {
			buffers.Close()
		}
	})
	return f
}

// moveTo lets a testLog log in a new folder.
func (l *testLog) moveTo(root string) {
	l.t.Helper()
	if err := os.Mkdir(root, 0o700); err != nil {
		l.t.Fatal(err)
	}
	dir, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { unix.Close(dir) })
	l.root, l.dir = root, dir
}

func (f *fleet) open(i int, words []string) *Logger {
	f.t.Helper()
	l := f.logs[i].open(nil, words...)
	l.cfg.Wake = func() {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
	l.cfg.Warn = func(message string) { f.warned <- message }
	l.cfg.Alert = func(lines []byte) { f.alerts[i].Write(lines) }
	return l
}

// step steps one Logger, and checks that it holds no more than it may.
func (f *fleet) step(i int) Wait {
	f.t.Helper()
	l := f.loggers[i]
	wait := l.Step()
	if l.shares() && l.KillSafe() && l.work != nil {
		f.t.Fatal("a kill-safe Logger holds buffers between two steps")
	}
	return wait
}

// settle steps a Logger until it waits for input alone, is done, or pauses.
func (f *fleet) settle(i int) Wait {
	f.t.Helper()
	l := f.loggers[i]
	for {
		wait := f.step(i)
		switch {
		case wait.Background:
			<-f.wake
		case wait.Done, !wait.Until.IsZero():
			return wait
		case wait.Input && (l.source.available() == 0 && !f.readable(i, 0)):
			return wait
		}
	}
}

// readable returns whether there is input, or its end. It waits for that as many
// milliseconds; -1 is for ever.
func (f *fleet) readable(i, timeout int) bool {
	fds := []unix.PollFd{{Fd: int32(f.loggers[i].cfg.Input), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, timeout)
	return err == nil && n > 0
}

// resume ends a pause at once.
func (f *fleet) resume(i int) {
	if l := f.loggers[i]; !l.until.IsZero() {
		l.until = time.Unix(1, 0)
	}
}

func (f *fleet) write(i int, text []byte) {
	f.t.Helper()
	if _, err := f.logs[i].out.Write(text); err != nil {
		f.t.Fatal(err)
	}
}

// end lets all come to the end of their input, and returns the trees.
func (f *fleet) end() []map[string]string {
	f.t.Helper()
	var trees []map[string]string
	for i, l := range f.loggers {
		f.logs[i].out.Close()
		f.resume(i)
		wait := f.settle(i)
		for wait.Input && !wait.Done {
			f.readable(i, -1) // a processor that is being started has the other end, too
			wait = f.settle(i)
		}
		if !wait.Done || l.Err() != nil {
			f.t.Fatalf("log %d: %+v, %v", i, wait, l.Err())
		}
		l.Close()
		tree := treeOf(f.t, f.logs[i].root)
		tree["alerts"] = f.alerts[i].String()
		trees = append(trees, tree)
	}
	return trees
}

// treeOf returns the contents of all files below a folder, with their modes.
func treeOf(t *testing.T, root string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(root, path))
		tree[path] = info.Mode().String() + "\n" + string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// fleetScripts are scripts that take every way through a Logger.
func fleetScripts(count int) [][]string {
	kinds := [][]string{
		{"t", "s4096", "n1000", "./a"},
		{"s5000", "n1000", "./a"},
		{"T", "s9000", "n1000", "-*", "+*b*", "./a", "+*", "s6000", "./b", "=status", "e"},
		{"s4096", "n1000", "!tr a-z A-Z", "./a", "s100000", "n3", "!", "-*j*", "./b"},
		{"n5", "s4096", "e", "-*", "+*abc*", "=./other", "./a", "./c", "./b"},
	}
	var scripts [][]string
	for i := range count {
		scripts = append(scripts, kinds[i%len(kinds)])
	}
	return scripts
}

// fault is trouble that a folder can have without being root: what replaces the
// descriptor of current takes no byte.
type fault struct{ fd, kept int }

func (f *fleet) breakDisk(i, folder int) *fault {
	f.t.Helper()
	fd := f.loggers[i].folders[folder].current
	if fd < 0 {
		return nil // in the middle of a rotation
	}
	kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	full, err := unix.Open("/dev/full", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	defer unix.Close(full)
	if err := unix.Dup3(full, fd, unix.O_CLOEXEC); err != nil {
		f.t.Fatal(err)
	}
	return &fault{fd, kept}
}

// breakRotation puts something in the way of the next rotation, if nothing is.
func (f *fleet) breakRotation(i, folder int) (mend func()) {
	f.t.Helper()
	dir := f.loggers[i].folders[folder].dir
	if err := unix.Mkdirat(dir, "previous", 0o700); err != nil {
		return func() {} // it is being finished
	}
	return func() {
		if err := unix.Unlinkat(dir, "previous", unix.AT_REMOVEDIR); err != nil {
			f.t.Error(err)
		}
	}
}

func (b *fault) mend(t *testing.T) {
	t.Helper()
	if err := unix.Dup3(b.kept, b.fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	unix.Close(b.kept)
}

// TestSharedBuffers works the same random lines, steps, rotations, pauses and
// parkings off with Loggers that share buffers and with Loggers that have their
// own: what they write is the same to the byte.
func TestSharedBuffers(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		for seed := range 2 {
			t.Run(fmt.Sprint(plain, seed), func(t *testing.T) {
				t.Parallel()
				scripts := fleetScripts(20)
				own := newFleet(t, nil, plain, "", scripts...)
				ownPauses := own.live(uint64(seed))
				buffers := NewBuffers()
				shared := newFleet(t, buffers, plain, "", scripts...)
				pauses := shared.live(uint64(seed))
				want, got := own.end(), shared.end()
				for i := range want {
					compareTrees(t, fmt.Sprint(i, " ", scripts[i]), got[i], want[i])
				}
				t.Logf("%d pauses, %d with own buffers", pauses, ownPauses)
				if pauses < 20 || len(buffers.spare) > maxSpare {
					t.Errorf("%d pauses, %d spare buffers", pauses, len(buffers.spare))
				}
			})
		}
	}
}

func compareTrees(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[name]; !ok || g != want[name] {
			t.Errorf("log %s: %s has %d bytes, want %d", what, name, len(g), len(want[name]))
		}
	}
	if len(got) != len(want) {
		t.Errorf("log %s: %v, want %v", what, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// live does random things to random Loggers, the same for the same seed. It
// returns how many pauses there were.
func (f *fleet) live(seed uint64) (pauses int) {
	random := rand.New(rand.NewPCG(seed, 7))
	left := make([][]byte, len(f.loggers))
	for i := range left {
		left[i] = randomText(random, 400)
	}
	for range 3000 {
		i, what, much, folder := random.IntN(len(f.loggers)), random.IntN(30), random.IntN(3000), random.IntN(3)
		l := f.loggers[i]
		switch {
		case what < 14:
			n := min(len(left[i]), much*(what/12)+much/50)
			if l.source.available() < 60_000 {
				f.write(i, left[i][:n])
				left[i] = left[i][n:]
			}
		case what < 22:
			f.step(i)
		case what < 24:
			f.settle(i)
			l.Park()
		case what < 26:
			f.settle(i)
			l.Rotate()
			f.settle(i)
		default:
			pauses += f.trouble(i, folder%len(l.folders), left[i][:min(len(left[i]), much)])
			left[i] = left[i][min(len(left[i]), much):]
		}
	}
	for i, text := range left {
		for len(text) > 0 {
			n := min(len(text), 10_000)
			f.write(i, text[:n])
			text = text[n:]
			f.settle(i)
		}
	}
	return pauses
}

// trouble gives text to a Logger one of whose folders can not be written to, has
// another one work meanwhile, and mends it.
func (f *fleet) trouble(i, folder int, text []byte) (pauses int) {
	f.t.Helper()
	f.settle(i)
	broken := (*fault)(nil)
	mend := func() {}
	if len(text)%3 == 0 {
		mend = f.breakRotation(i, folder)
	} else {
		broken = f.breakDisk(i, folder)
	}
	f.write(i, text)
	for range 3 {
		if wait := f.settle(i); !wait.Until.IsZero() {
			pauses++
			if f.loggers[i].Park() {
				f.t.Fatal("parked while there is trouble")
			}
		}
		f.step((i + 1) % len(f.loggers))
		f.resume(i)
	}
	if broken != nil {
		broken.mend(f.t)
	}
	mend()
	f.resume(i)
	f.settle(i)
	return pauses
}

// TestCrashWithSharedBuffers is TestCrashBetweenStages for Loggers that share
// buffers, whose input is put aside and made again between any two stages, and
// that are parked.
func TestCrashWithSharedBuffers(t *testing.T) {
	t.Parallel()
	for seed := range 4 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			crashWithSharedBuffers(t, uint64(seed))
		})
	}
}

func crashWithSharedBuffers(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 8))
	scripts := [][]string{
		{"s4096", "n100000", "./a"},
		{"t", "s9000", "n100000", "./a"},
		{"s4096", "n100000", "./a", "-*", "+*1*", "s5000", "./b", "+*", "n100000", "./c"},
	}
	f := newFleet(t, NewBuffers(), false, "", scripts...)
	text, left := make([][]byte, len(scripts)), make([][]byte, len(scripts))
	for i := range text {
		var b bytes.Buffer
		for j := range 2000 {
			fmt.Fprintf(&b, "%d %s\n", j, strings.Repeat("x", random.IntN(40)*(1+60*(j%97/96))))
		}
		text[i], left[i] = b.Bytes(), b.Bytes()
	}
	aside, parked, crashes := 0, 0, 0
	for slices.ContainsFunc(left, func(b []byte) bool { return len(b) > 0 }) {
		i := random.IntN(len(scripts))
		l := f.loggers[i]
		for range random.IntN(10) {
			if len(left[i]) > 0 {
				left[i] = f.logs[i].feed(random, left[i])
			}
			l.wait, l.filled = Wait{}, false
			if l.aside {
				aside++
				if !l.resume() {
					t.Fatal("trouble")
				}
			}
			if !l.advance() && l.wait.Background {
				<-f.wake
			}
			if random.IntN(3) == 0 {
				l.release()
			}
			if random.IntN(4) == 0 && l.Park() {
				parked++
			}
		}
		l.release()
		if random.IntN(8) == 0 {
			crashes++
			f.crash(i)
		}
	}
	t.Logf("%d put aside, %d parked, %d crashes", aside, parked, crashes)
	if aside < 100 || parked < 100 || crashes < 50 {
		t.Error("too few to tell")
	}
	f.end()
	for i, words := range scripts {
		for _, word := range words {
			if word[0] == '.' {
				f.logs[i].checkLines(word, string(text[i]), words)
			}
		}
	}
}

// crash ends a Logger as a kill does, and starts the next one.
func (f *fleet) crash(i int) {
	f.t.Helper()
	old := f.loggers[i]
	for _, folder := range old.folders {
		for folder.finisher.busy.Load() {
			<-f.wake
		}
	}
	old.Close()
	f.loggers[i] = f.open(i, f.words[i])
}

// TestFullDiskHoldsNothing: however many Loggers have no room on their disk, they
// hold no buffers, and once there is room every line is there once.
func TestFullDiskHoldsNothing(t *testing.T) {
	t.Parallel()
	disk := newDisk(t, "32m")
	scripts := slices.DeleteFunc(fleetScripts(50), func(words []string) bool {
		return slices.Contains(words, "!") // one that has no room is tried again in its own time
	})
	buffers := NewBuffers()
	f := newFleet(t, buffers, false, disk, scripts...)
	reference := newFleet(t, nil, false, "", scripts...)
	ballast := filepath.Join(disk, "ballast")
	fillDisk(t, ballast)
	random := rand.New(rand.NewPCG(1, 9))
	paused := make(map[int]bool)
	for round := range 3 {
		for i := range scripts {
			text := randomText(random, 100)
			text = text[:min(len(text), 50_000)]
			f.write(i, text)
			reference.write(i, text)
			if wait := reference.settle(i); !wait.Until.IsZero() {
				t.Fatal(wait)
			}
			f.resume(i)
			wait := f.step(i)
			paused[i] = paused[i] || !wait.Until.IsZero()
		}
		if len(buffers.spare) != 1 {
			t.Fatalf("round %d: %d buffers", round, len(buffers.spare))
		}
	}
	if len(paused) < 20 {
		t.Errorf("%d had trouble", len(paused))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for i := range scripts {
		f.resume(i)
		if wait := f.settle(i); !wait.Until.IsZero() {
			t.Fatal(wait, <-f.warned)
		}
	}
	got, want := f.end(), reference.end()
	for i := range want {
		compareTrees(t, fmt.Sprint(i, " ", scripts[i]), got[i], want[i])
	}
}

// newDisk returns a folder that is a small disk of its own, mounted nowhere.
//
// Source: fsopen(2), fsmount(2), Linux 5.2.
func newDisk(t *testing.T, size string) string {
	t.Helper()
	need.Root(t)
	conf, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		need.Missing(t, "root") // a container's root, who may not mount
	}
	defer unix.Close(conf)
	if err := unix.FsconfigSetString(conf, "size", size); err != nil {
		t.Fatal(err)
	}
	if err := unix.FsconfigCreate(conf); err != nil {
		t.Fatal(err)
	}
	disk, err := unix.Fsmount(conf, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(disk) })
	return fmt.Sprintf("/proc/self/fd/%d", disk)
}

// fillDisk takes all the room of a disk but a little.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(page)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(info.Size() - 100_000); err != nil {
		t.Fatal(err)
	}
}

// TestPeekPipeIsEmpty: what an error left in the pipe that Loggers share is not
// read for another one's.
func TestPeekPipeIsEmpty(t *testing.T) {
	t.Parallel()
	f := newFleet(t, NewBuffers(), false, "", []string{"./a"}, []string{"./a"})
	f.write(0, []byte("of the first\n"))
	f.write(1, []byte("of the second\n"))
	nowhere, err := unix.Mmap(-1, 0, 4096, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(nowhere)
	if n, err := f.loggers[0].source.fill(nowhere); n != 0 || !isTrouble(err) {
		t.Fatalf("%d, %v", n, err)
	}
	f.settle(1)
	f.settle(0)
	f.end()
	for i, want := range []string{"of the first\n", "of the second\n"} {
		if got := f.logs[i].files("a"); !slices.Equal(got, []string{want}) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestRobbedWhileAside: where another reader takes input that was put aside, the
// log goes on with the next.
func TestRobbedWhileAside(t *testing.T) {
	t.Parallel()
	for _, again := range []string{"", "others\n", "other than what was there\n"} {
		f := newFleet(t, NewBuffers(), false, "", []string{"./a"})
		broken := f.breakDisk(0, 0)
		f.write(0, []byte("stolen\n"))
		f.settle(0)
		if got := <-f.warned; got != "unable to write to ./a/current, pausing: out of disk space" {
			t.Errorf("%q", got)
		}
		var b [100]byte
		if _, err := f.logs[0].in.Read(b[:]); err != nil {
			t.Fatal(err)
		}
		f.write(0, []byte(again))
		broken.mend(t)
		f.resume(0)
		f.settle(0)
		if got := <-f.warned; got != robbedMessage {
			t.Errorf("%q", got)
		}
		f.write(0, []byte("kept\n"))
		f.settle(0)
		f.end()
		if got, want := strings.Join(f.logs[0].files("a"), ""), again+"kept\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestStoppedWhileAside: a log that is stopped while its input is put aside and
// can not even be looked at again is done, and stays done; the input stays in
// the pipe.
func TestStoppedWhileAside(t *testing.T) {
	t.Parallel()
	f := newFleet(t, NewBuffers(), false, "", []string{"./a"})
	l := f.loggers[0]
	broken := f.breakDisk(0, 0)
	f.write(0, []byte("one\n"))
	f.settle(0)
	l.Stop()
	p := l.source.(*peeker)
	input := p.fd
	p.fd = -1 // it can not be looked at
	if wait := f.settle(0); !wait.Done || l.Err() == nil {
		t.Fatal(wait, l.Err())
	}
	p.fd = input
	broken.mend(t)
	if wait := f.settle(0); !wait.Done || l.source.available() != 4 {
		t.Errorf("%+v, %d bytes in the pipe", wait, l.source.available())
	}
	f.crash(0)
	f.end()
	if got := strings.Join(f.logs[0].files("a"), ""); got != "one\n" {
		t.Errorf("%q", got)
	}
}
