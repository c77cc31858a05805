package supervisetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// T is what a test is to this package, so that a program can be one.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(f func())
	TempDir() string
}

// Scenario is one kind of bad day: what is done to the supervisor, or by its
// services.
type Scenario struct {
	Name   string
	Needs  []string // programs, or "root"
	Rounds int      // in a run of the tests
	Run    func(f *Fault)
}

// Scenarios returns all of them.
func Scenarios() []Scenario {
	var list []Scenario
	for _, part := range [][]Scenario{
		killScenarios(), spawnScenarios(), limitScenarios(), diskScenarios(), flapScenarios(), stopScenarios(),
		folderScenarios(), hostileScenarios(), upgradeScenarios(), shutdownScenarios(), systemdScenarios(), controlScenarios(),
	} {
		list = append(list, part...)
	}
	return list
}

// Fault is one run of a scenario.
type Fault struct {
	T
	Programs Programs
	Rounds   int
	Count    Count
	random   *rand.Rand
}

// NewFault prepares a run of some rounds.
func NewFault(t T, programs Programs, rounds int) *Fault {
	return &Fault{T: t, Programs: programs, Rounds: rounds, random: rand.New(rand.NewPCG(1, uint64(rounds)))}
}

// Programs are those that the scenarios start.
type Programs struct {
	Run   string // scgi-run
	Actor string
}

// BuildAll builds them in a folder.
func BuildAll(dir string) (Programs, error) {
	p := Programs{Actor: filepath.Join(dir, "actor")}
	cmd := exec.Command("go", "build", "-o", p.Actor, "scgikit/internal/supervisetest/actor")
	if out, err := cmd.CombinedOutput(); err != nil {
		return p, fmt.Errorf("go build: %w\n%s", err, out)
	}
	var err error
	p.Run, err = Build(dir)
	return p, err
}

// Count is what a run has seen.
type Count struct {
	Kills     int // or other faults
	Starts    int // of services, all of them wanted
	Restarted int // services that were started without need
	Copies    int // that ran beside another of the same service
	Lines     uint64
	Lost      uint64
	Doubled   uint64
	Damaged   uint64
	Gone      uint64 // lines in the pipes of services that ended while neither process was there
	Unknown   int    // ends that nobody can tell the status of
}

// Clean returns whether nothing went wrong.
func (c Count) Clean() bool {
	return c.Restarted == 0 && c.Copies == 0 && c.Lost == 0 && c.Doubled == 0 && c.Damaged == 0 && c.Unknown == 0
}

func (c Count) String() string {
	return fmt.Sprintf("%d faults, %d starts, %d without need, %d copies; %d lines, %d lost, %d doubled, %d damaged, %d with both; %d ends unknown",
		c.Kills, c.Starts, c.Restarted, c.Copies, c.Lines, c.Lost, c.Doubled, c.Damaged, c.Gone, c.Unknown)
}

// noLater lets time pass, at most so much: a moment that nothing else marks.
func (f *Fault) noLater(most time.Duration) {
	<-time.After(time.Duration(f.random.Int64N(int64(most))))
}

// logRun is a log/run whose lines the supervisor writes itself.
const logRun = "#!/bin/sh\nexec multilog t s1000000 n1000 ./main\n"

// load is a supervisor with services that print numbered lines.
type load struct {
	f      *Fault
	scan   string
	state  string
	sup    *Supervisor
	keeper int
	names  []string        // of services that print numbered lines
	starts map[string]int  // that they are to have
	many   map[string]bool // any number of starts will do
	short  map[string]bool // lines are lost that nobody can have: of services that end while both processes are dead
	logs   map[string]string
}

// newLoad makes a scan folder with some services, which print so many lines a
// second each.
func newLoad(f *Fault, services, rate int) *load {
	f.Helper()
	l := &load{f: f, scan: f.TempDir(), state: f.TempDir(), starts: map[string]int{}, many: map[string]bool{}, short: map[string]bool{}, logs: map[string]string{}}
	for i := range services {
		l.add(fmt.Sprintf("line%d", i), fmt.Sprintf("-rate %d", rate))
	}
	return l
}

// actor is the command of a service.
func (l *load) actor(name, options string) string {
	return fmt.Sprintf("%s -name %s -state %s %s", l.f.Programs.Actor, name, l.state, options)
}

// add makes one more service with numbered lines; more are further files.
func (l *load) add(name, options string, more ...Service) {
	l.f.Helper()
	l.names = append(l.names, name)
	l.starts[name] = 1
	s := Service{"run": "#!/bin/sh\nexec " + l.actor(name, options) + "\n", "log/run": logRun}
	for _, m := range more {
		maps.Copy(s, m)
	}
	// A service is there all at once.
	dir := filepath.Join(l.f.TempDir(), name)
	s.Write(l.f, dir)
	if err := os.Rename(dir, l.dir(name)); err != nil {
		l.f.Fatal(err)
	}
}

func (l *load) dir(name string) string { return filepath.Join(l.scan, name) }

// start starts the supervisor and waits for the services. before are words in
// front of its own.
func (l *load) start(before ...string) {
	l.f.Helper()
	l.sup = Start(l.f, l.scan, append(before, l.f.Programs.Run, "supervise")...)
	l.keeper = l.sup.PID()
	l.running()
}

// again starts it once more.
func (l *load) again() {
	l.f.Helper()
	l.sup.Again(l.f)
	l.keeper = l.sup.PID()
}

// running waits until all services have begun.
func (l *load) running() {
	l.f.Helper()
	for _, name := range l.names {
		Until(l.f, name+" runs", func() bool { return len(l.instances(name)) >= l.starts[name] })
	}
}

// instances returns the starts of a service.
func (l *load) instances(name string) []string {
	return linesOf(filepath.Join(l.state, name+".starts"))
}

func linesOf(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// worker waits for a supervisor process that is not a former one.
func (l *load) worker(former int) int {
	l.f.Helper()
	pid := 0
	Until(l.f, "there is a supervisor", func() bool {
		pid = Worker(l.keeper)
		return pid != 0 && pid != former && Alive(pid)
	})
	return pid
}

// flowing waits until lines of all services that print for ever are written.
func (l *load) flowing() {
	l.f.Helper()
	for _, name := range l.names {
		if l.many[name] {
			continue
		}
		before := l.logged(name)
		Until(l.f, "lines of "+name+" are written", func() bool { return l.logged(name) > before+4096 })
	}
}

// logged is the size of a service's log.
func (l *load) logged(name string) int64 {
	dir := l.logDir(name)
	entries, _ := os.ReadDir(dir)
	var size int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}

// logDir is where a service's lines are.
func (l *load) logDir(name string) string {
	if dir := l.logs[name]; dir != "" {
		return dir
	}
	return filepath.Join(l.dir(name), "log", "main")
}

// stop ends everything as a user would, and counts.
func (l *load) stop() {
	l.f.Helper()
	l.end()
	l.count()
}

// end ends everything, and finds that nothing is left.
func (l *load) end() {
	l.f.Helper()
	l.worker(0)
	signalTo(l.keeper, "TERM")
	l.ended()
}

// ended waits until the supervisor and all its services are gone.
func (l *load) ended() {
	l.f.Helper()
	if l.keeper == l.sup.PID() {
		if err := l.sup.Wait(l.f); err != nil {
			l.f.Errorf("the supervisor has ended: %v", err)
		}
	}
	Until(l.f, "nothing is left", func() bool { return len(l.sup.Marked()) == 0 })
}

// unharmed finds that nothing has crashed.
func (l *load) unharmed() {
	l.f.Helper()
	if l.said("\ngoroutine ") || l.said("panic: ") || l.said("fatal error: ") {
		l.f.Errorf("a process has crashed:\n%s", readFile(l.sup.Printed))
	}
}

// count looks at the logs and at who was started. Everything has ended.
func (l *load) count() {
	l.f.Helper()
	for _, name := range l.names {
		l.inspect(name)
	}
	l.unharmed()
	if !l.f.Count.Clean() {
		l.f.Errorf("%s", l.f.Count)
	}
}
