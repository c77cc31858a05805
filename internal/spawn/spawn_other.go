//go:build unix && !linux

package spawn

import "syscall"

// Spawner starts programs.
type Spawner struct{}

// New returns a Spawner.
func New() *Spawner { return &Spawner{} }

// Start starts a program. The second number is -1: there is no descriptor that
// tells of the end of a program.
func (*Spawner) Start(p *Program) (pid, exit int, err error) { return Plainly(p) }

// Plainly starts a program without a Spawner. The results are those of Start.
func Plainly(p *Program) (pid, exit int, err error) {
	pid, err = plainly(p, &syscall.SysProcAttr{Setpgid: true})
	return pid, -1, err
}
