package multilogtest

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
)

// Root stands for the scenario's folder in words of scripts and in messages.
const Root = "/ROOT"

// Scenario is a folder and what happens there.
type Scenario struct {
	Name  string
	Tree  Tree // before the first step
	Steps []Step
}

// Kind is what a Step does.
type Kind int

// The kinds of steps.
const (
	Start   Kind = iota // the program, with Words
	Write               // Data to its input, and wait until it has dealt with it
	Signal              // send Signal, and wait until it ends or is at rest
	Close               // the input, and wait until it ends
	Hold                // the lock of the folder Path, until the end of the scenario
	Show                // the tree, while the program is at rest
	Make                // Tree, in addition to what is there
	Unblock             // set O_NONBLOCK on the pipe, as a logger before may have done
)

// Step is one thing that happens. The program is at rest before it: it has
// taken all input, or has ended.
type Step struct {
	Kind   Kind
	Words  []string
	Data   string
	Signal syscall.Signal
	Path   string
	Tree   Tree
}

// Run is a Start step with words separated by spaces.
func Run(script string) Step { return Step{Kind: Start, Words: strings.Fields(script)} }

// Feed is a Write step.
func Feed(data string) Step { return Step{Kind: Write, Data: data} }

// Lines is a Write step for each line of data, so that each comes with a read
// of its own.
func Lines(data string) []Step {
	var steps []Step
	for line := range strings.Lines(data) {
		steps = append(steps, Feed(line))
	}
	return steps
}

// Send is a Signal step.
func Send(signal syscall.Signal) Step { return Step{Kind: Signal, Signal: signal} }

// End is a Close step.
func End() Step { return Step{Kind: Close} }

// transcript is the outcome of a scenario, as text that is compared.
type transcript struct {
	strings.Builder
	root string // replaced by Root
}

// ended notes how a run of the program ended, and what it printed.
func (t *transcript) ended(how, printed string) {
	if t.root != "" {
		printed = strings.ReplaceAll(printed, t.root, Root)
	}
	printed = crashed.ReplaceAllString(printed, "$1")
	fmt.Fprintf(t, "%s, printed %s\n", how, summary(printed))
}

// crashed fits multilog's message about a processor that was killed. It ends
// with the text of an error that has nothing to do with it.
var crashed = regexp.MustCompile(`(processor crashed in \S+, pausing): .*`)

// left notes what is in the pipe.
func (t *transcript) left(data string) {
	fmt.Fprintf(t, "left %s\n", summary(data))
}

// shown notes the tree.
func (t *transcript) shown(tree, known Tree) {
	t.WriteString("tree\n" + tree.Describe(known))
}

func exited(code int) string { return fmt.Sprintf("exit %d", code) }

func killed(signal syscall.Signal) string { return "killed by " + signal.String() }
