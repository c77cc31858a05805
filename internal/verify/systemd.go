package verify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/fileset"
)

// unitPlace is the place of a unit of systemd.
const unitPlace = "unit"

// systemdTime ends a systemd-analyze that hangs.
const systemdTime = 60 * time.Second

// checkSystemd shows units to "systemd-analyze verify", whatever its exit
// code: it ends with 0 where it ignores lines; and the services to
// "systemd-analyze security", which has an exposure for each.
func checkSystemd(ctx context.Context, files []fileset.File, o *Options) (out []Result, err error) {
	units := slices.DeleteFunc(slices.Clone(files), func(f fileset.File) bool { return f.Place != unitPlace || f.Kind != fileset.Regular })
	if len(units) == 0 {
		return nil, nil
	}
	base := Result{Target: "systemd", Checker: "systemd-analyze verify", Files: len(units)}
	found, lookErr := exec.LookPath(cmp.Or(o.Programs["systemd"], "systemd-analyze"))
	if lookErr != nil {
		base.Outcome, base.Why = NotChecked, cmp.Or(o.Programs["systemd"], "systemd-analyze")+" not found"
		return []Result{base}, nil
	}
	base.Program = found
	dir, err := os.MkdirTemp("", "scgikit-check-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, f := range units {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Path)), f.Data, 0o600); err != nil {
			return nil, err
		}
	}
	if err := writeMachine(filepath.Join(dir, machineUnits)); err != nil {
		return nil, err
	}
	a := &analyze{program: found, dir: dir, units: units}
	verified, err := a.verify(ctx, base)
	if err != nil {
		return nil, err
	}
	exposed, err := a.security(ctx, base, o)
	if err != nil {
		return nil, err
	}
	out = append(out, verified)
	if exposed.Files > 0 {
		out = append(out, exposed)
	}
	return out, nil
}

// machineUnits is a folder with those units of a machine that every other one
// needs, so that nothing is read of this machine's own.
const machineUnits = "machine"

func writeMachine(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"sysinit", "basic", "shutdown", "sockets", "multi-user", "network", "network-online"} {
		text := "[Unit]\nDescription=" + name + "\nDefaultDependencies=no\n"
		if err := os.WriteFile(filepath.Join(dir, name+".target"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// analyze is systemd-analyze, on units in a folder.
type analyze struct {
	program, dir string
	units        []fileset.File
}

// run returns what systemd-analyze prints, and whether it ended with an error.
// It sees no units of the machine, and none of the user's settings.
func (a *analyze) run(ctx context.Context, args ...string) (text string, rejected bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, systemdTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.program, args...)
	cmd.Dir = a.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "SYSTEMD_UNIT_PATH=" + a.dir + ":" + filepath.Join(a.dir, machineUnits), "SYSTEMD_LOG_COLOR=0", "SYSTEMD_COLORS=0"}
	apart(cmd)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", false, fmt.Errorf("%s %s: %w", a.program, args[0], ctx.Err())
	}
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		return "", false, fmt.Errorf("%s: %w", a.program, err)
	}
	return string(bytes.ToValidUTF8(out, []byte("?"))), err != nil, nil
}

var (
	// What says nothing against a unit: its program is on another machine.
	systemdAbsent = regexp.MustCompile(`^\S+: Command .* is not executable: No such file or directory$`)
	// What is no mistake of a unit; generate warns of it.
	systemdNobody = regexp.MustCompile(`: Special user nobody configured, this is not safe!$`)
	// A setting that a systemd newer than this one has.
	systemdUnknown  = regexp.MustCompile(`Unknown key (?:name )?'(\w+)' in section`)
	systemdNewer    = regexp.MustCompile(`^(RestartSteps|RestartMaxDelaySec|PollLimitIntervalSec)$`)
	systemdInstance = regexp.MustCompile(`@[^@]*\.`)
	systemdPlace    = regexp.MustCompile(`^(?:/[^:]*/)?([^/:\s]+):(?:(\d+):)? (.*)$`)
)

func (a *analyze) verify(ctx context.Context, r Result) (Result, error) {
	args := []string{"verify", "--man=no"}
	for _, f := range a.units {
		args = append(args, "./"+filepath.Base(f.Path))
	}
	text, rejected, err := a.run(ctx, args...)
	if err != nil {
		return r, err
	}
	absent, newer := false, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if systemdAbsent.MatchString(line) {
			absent = true
			continue
		}
		if systemdNobody.MatchString(line) {
			continue
		}
		if m := systemdUnknown.FindStringSubmatch(line); m != nil && systemdNewer.MatchString(m[1]) {
			newer = m[1]
			continue
		}
		r.Complaints = append(r.Complaints, a.complaint(line))
	}
	if rejected && !absent && len(r.Complaints) == 0 {
		r.Complaints = append(r.Complaints, Complaint{Message: "systemd-analyze verify ends with an error, and no message"})
	}
	switch {
	case len(r.Complaints) > 0:
		r.Outcome = Rejected
	case newer != "":
		r.Outcome, r.Why = NotChecked, "this systemd is older than options.systemd.version: it does not know "+newer+"="
	}
	return r, nil
}

// complaint reads a message: "/dir/blog.service:3: Unknown key …", or
// "blog.service: Command …".
func (a *analyze) complaint(line string) Complaint {
	c := Complaint{Message: line}
	m := systemdPlace.FindStringSubmatch(line)
	if m == nil {
		return c
	}
	name := systemdInstance.ReplaceAllString(m[1], "@.")
	if i := slices.IndexFunc(a.units, func(f fileset.File) bool { return filepath.Base(f.Path) == name }); i >= 0 {
		c.Path, c.Message = a.units[i].Path, m[3]
		c.Line, _ = strconv.Atoi(m[2]) // digits; none is no line
	}
	return c
}

// security asks for the exposure of each service whose app has a limit.
func (a *analyze) security(ctx context.Context, base Result, o *Options) (Result, error) {
	r := base
	r.Checker, r.Files = "systemd-analyze security", 0
	for _, f := range a.units {
		if len(f.Apps) == 0 || o.Exposure[f.Apps[0]] == 0 || filepath.Ext(f.Path) != ".service" {
			continue
		}
		limit := o.Exposure[f.Apps[0]]
		r.Files++
		text, rejected, err := a.run(ctx, "security", "--offline=yes", "--no-pager", fmt.Sprintf("--threshold=%d", limit), "./"+filepath.Base(f.Path))
		if err != nil {
			return r, err
		}
		if strings.Contains(text, "unrecognized option") {
			r.Outcome, r.Why = NotChecked, "this systemd-analyze looks at running services alone"
			break
		}
		if rejected {
			lines := strings.Split(strings.TrimSpace(text), "\n")
			r.Complaints = append(r.Complaints, Complaint{Path: f.Path, Message: fmt.Sprintf("more than %d.%d: %s", limit/10, limit%10, strings.TrimSpace(lines[len(lines)-1]))})
		}
	}
	if len(r.Complaints) > 0 {
		r.Outcome = Rejected
	}
	return r, nil
}
