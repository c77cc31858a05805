package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"scgikit/internal/install"
)

// change is one run of a command that changes a machine.
type change struct {
	env     *env
	flags   *changeFlags
	command string
	machine *install.Machine
	real    bool // the machine that runs, and no folder of files
	live    bool // its programs are told
	family  string
	manual  []string     // what an administrator has to write once
	accept  func() error // asked before anything is touched
	shown   bool         // the plan, with the question
	purge   bool         // records go as well, where nothing is installed
	lock    *install.Lock
}

// openChange opens the machine.
func (e *env) openChange(flags *changeFlags, command string) (*change, error) {
	root := e.machineRoot()
	m, err := install.OpenMachine(root)
	if err != nil {
		return nil, changeFailure(err)
	}
	c := &change{env: e, flags: flags, command: command, machine: m, real: isRoot(root)}
	c.live = c.real && !flags.noActivate
	return c, nil
}

func (c *change) close() {
	if c.lock != nil {
		_ = c.lock.Unlock() // the process ends anyway
	}
	_ = c.machine.Close() // nothing was written through it
}

// runner tells the programs of the machine.
func (c *change) options() install.Options {
	o := install.Options{Command: c.command}
	if c.live {
		family := c.family
		if family == "" {
			family, _ = c.machine.Recognise() // without one, the usual places
		}
		o.Run = (&install.Runner{Family: family, Say: c.env.say}).Run
	}
	return o
}

// run plans, shows, asks and applies. Where nothing is to be done, nothing is
// written, not even a lock.
func (c *change) run(ctx context.Context, plan func(*install.Receipt) (*install.Plan, error)) error {
	if err := c.recover(ctx); err != nil {
		return changeFailure(err)
	}
	p, err := c.plan(plan)
	if err != nil {
		return changeFailure(err)
	}
	if len(p.Refused) > 0 {
		return c.refused(p)
	}
	purge := c.purge
	if c.purge = purge && !p.Receipt.Installed(); purge && !c.purge {
		c.env.say("the receipt and the history stay, because something is installed")
	}
	if c.flags.dryRun || p.Empty() && !c.purge {
		return c.tell(p, 0)
	}
	if c.accept != nil {
		if err := c.accept(); err != nil {
			return err
		}
	}
	if err := c.confirm(ctx, p); err != nil {
		return err
	}
	if c.lock == nil {
		if c.lock, err = c.machine.Lock(); err != nil {
			return changeFailure(err)
		}
	}
	report, err := c.machine.Apply(ctx, p, c.options())
	if err != nil {
		return changeFailure(err)
	}
	for _, dir := range report.Left {
		c.env.say("%s is left: something is in it", dir)
	}
	if c.purge {
		if c.purge, err = c.machine.Purge(); err != nil {
			return changeFailure(err)
		}
	}
	return c.tell(p, report.ID)
}

func (c *change) plan(plan func(*install.Receipt) (*install.Plan, error)) (*install.Plan, error) {
	receipt, err := c.machine.Receipt()
	if err != nil {
		return nil, err
	}
	return plan(receipt)
}

// recover undoes a run that was killed, before anything is looked at.
func (c *change) recover(ctx context.Context) error {
	j, err := c.machine.Interrupted()
	if err != nil || j == nil {
		return err
	}
	if c.flags.dryRun {
		c.env.say("an earlier run was cut off in the middle; a real run undoes it first")
		return nil
	}
	if !c.flags.yes {
		if err := c.ask(ctx, "an earlier run was cut off in the middle ("+j.Command+"), which has to be undone first"); err != nil {
			return err
		}
	}
	if c.lock, err = c.machine.Lock(); err != nil {
		return err
	}
	if j, err = c.machine.Recover(ctx, c.options()); err != nil {
		return err
	}
	if j != nil {
		c.env.say("an earlier run was cut off in the middle (%s); it is undone", j.Command)
		for _, name := range j.Left {
			c.env.say("left: %s, which somebody else has changed since", name)
		}
		for _, what := range j.Untold {
			c.env.say("its files are as before, but %s", what)
		}
	}
	return nil
}

// confirm shows the plan and asks.
func (c *change) confirm(ctx context.Context, p *install.Plan) error {
	if c.flags.yes {
		return nil
	}
	if c.mayAsk() {
		fmt.Fprint(c.env.stderr, visible(c.lines(p)))
		c.shown = true
	}
	return c.ask(ctx, strings.Fields(c.command)[0]+" would change this machine")
}

// mayAsk reports whether somebody is there to answer.
func (c *change) mayAsk() bool {
	return isTerminal(c.env.stdin) && !c.env.settings.NoInput && c.env.settings.Output == "text"
}

// ask wants a yes to what would be done.
func (c *change) ask(ctx context.Context, what string) error {
	e := c.env
	if !c.mayAsk() {
		return usagef("--dry-run shows it; --yes does it without asking", "%s, and there is nobody to ask", what)
	}
	fmt.Fprintf(e.stderr, "scgikit: %s; do it? [y/N] ", visible(what))
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(e.stdin).ReadString('\n') // the end of the input is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case word := <-answer:
		if word == "y" || word == "yes" {
			return nil
		}
	}
	return failf(exitFailed, "", "nothing was done")
}

// lines is a plan as people see it.
func (c *change) lines(p *install.Plan) string {
	var b strings.Builder
	for i := range p.Actions {
		b.WriteString(p.Actions[i].String() + "\n")
	}
	if c.purge {
		b.WriteString("forget  " + c.machine.StateDir() + "  (the receipt and the history)\n")
	}
	return b.String()
}

// actionJSON is one action. Its keys only grow.
type actionJSON struct {
	Op     install.Op    `json:"op"`
	Path   string        `json:"path,omitempty"`
	Mode   string        `json:"mode,omitempty"`
	Owner  string        `json:"owner,omitempty"`
	Link   string        `json:"link,omitempty"`
	Blocks []string      `json:"blocks,omitempty"`
	Target string        `json:"target,omitempty"`
	Apps   []string      `json:"apps"`
	Why    string        `json:"why,omitempty"`
	Step   *install.Step `json:"step,omitempty"`
}

// changeJSON is the result of a command that changes a machine.
type changeJSON struct {
	Root        string       `json:"root"`
	DryRun      bool         `json:"dry_run"`
	Transaction int          `json:"transaction"` // 0: nothing was done
	Actions     []actionJSON `json:"actions"`
	Unchanged   int          `json:"unchanged"`
	Purge       bool         `json:"purge"` // the receipt and the history go, too
	Left        []string     `json:"left"`
	Manual      []string     `json:"manual"`
}

// tell is the result.
func (c *change) tell(p *install.Plan, id int) error {
	out := changeJSON{
		Root: c.env.machineRoot(), DryRun: c.flags.dryRun, Transaction: id, Actions: []actionJSON{}, Unchanged: p.Unchanged, Purge: c.purge,
		Left: append([]string{}, p.Left...), Manual: append([]string{}, c.manual...),
	}
	var byHand []string
	for i := range p.Actions {
		a := &p.Actions[i]
		j := actionJSON{Op: a.Op, Path: a.Path, Blocks: a.Blocks, Target: a.Target, Apps: append([]string{}, a.Apps...), Why: a.Why, Step: a.Step}
		if a.Op == install.Mkdir || a.Op == install.Chmod || a.Op == install.Write || a.Op == install.Link {
			j.Mode, j.Owner, j.Link = a.After.Mode, a.After.Owner, a.After.Link
		}
		out.Actions = append(out.Actions, j)
		if a.Target != "" && !install.Activates(a.Target) && !slices.Contains(byHand, a.Target) {
			byHand = append(byHand, a.Target)
		}
	}
	err := c.env.result(out, func(w io.Writer) error {
		if c.env.settings.LogLevel == "error" || c.shown {
			return nil
		}
		_, err := io.WriteString(w, c.lines(p))
		return err
	})
	for _, file := range p.Left {
		c.env.say("left: %s", file)
	}
	if len(p.Actions) > 0 {
		for _, line := range c.manual {
			c.env.hint("%s", line)
		}
		if c.live && len(byHand) > 0 {
			c.env.hint("%s: its files are in place, and telling it is yours", strings.Join(byHand, ", "))
		}
	}
	switch {
	case c.purge && !c.flags.dryRun:
		c.env.say("%s done; the receipt and the history are gone as well", plural(len(p.Actions), "action"))
	case len(p.Actions) == 0 && id == 0 && !c.purge:
		c.env.say("nothing to do, %d unchanged", p.Unchanged)
	case c.flags.dryRun:
		c.env.say("%s would be done, %d unchanged", plural(len(p.Actions), "action"), p.Unchanged)
	default:
		c.env.say("%s done, %d unchanged; scgikit rollback %d takes it back", plural(len(p.Actions), "action"), p.Unchanged, id)
	}
	return err
}
