package devserver

import (
	"scgikit/internal/appfile"
	"scgikit/supervise"
)

// newRestarts returns how a program that ends is started again by run.restart: as
// the supervisor does it with the generated folder.
func newRestarts(rule appfile.Restart) *supervise.Restarts {
	policy := supervise.Policy{Delay: rule.Delay, MaxDelay: rule.MaxDelay, Burst: rule.Burst, Window: rule.Window}
	switch rule.Policy {
	case appfile.RestartAlways:
		policy.When = supervise.Always
	case appfile.RestartOnFailure:
		policy.When = supervise.OnFailure
	case appfile.RestartNever:
		policy.When = supervise.Never
	}
	return &supervise.Restarts{Policy: policy}
}
