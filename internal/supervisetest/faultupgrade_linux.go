package supervisetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

func upgradeScenarios() []Scenario {
	return []Scenario{
		{"upgrade in place", nil, 4, func(f *Fault) { upgrade(f, true) }},
		{"upgrade without a file", nil, 2, func(f *Fault) { upgrade(f, false) }},
	}
}

// copyProgram puts a new file in the place of a program. Another process writes
// it: a descriptor of ours might be in a process that is just being started
// somewhere else, and what somebody can write to cannot be run.
func copyProgram(f *Fault, from, to string) {
	f.Helper()
	if out, err := exec.Command("cp", from, to+".new").CombinedOutput(); err != nil {
		f.Fatalf("cp: %v\n%s", err, out)
	}
	if err := os.Rename(to+".new", to); err != nil {
		f.Fatal(err)
	}
}

// inodeOf returns the inode of a file, 0 if there is none.
func inodeOf(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// upgrade has both processes become another program, or the same where its file
// is gone.
func upgrade(f *Fault, replace bool) {
	program := filepath.Join(f.TempDir(), "scgi-run")
	copyProgram(f, f.Programs.Run, program)
	original := f.Programs.Run
	f.Programs.Run = program
	l := newLoad(f, 3, 10_000)
	l.start()
	for round := range f.Rounds {
		l.flowing()
		worker := l.worker(0)
		if replace {
			copyProgram(f, original, program)
		} else if round == 0 {
			if err := os.Remove(program); err != nil {
				f.Fatal(err)
			}
		}
		want := inodeOf(program)
		signalTo(l.keeper, "USR2")
		f.Count.Kills++
		worker = l.worker(worker)
		if replace {
			Until(f, "both are the new program", func() bool {
				worker = l.worker(0)
				return inodeOf("/proc/"+itoa(l.keeper)+"/exe") == want && inodeOf("/proc/"+itoa(worker)+"/exe") == want
			})
		}
	}
	l.flowing()
	l.stop()
}
