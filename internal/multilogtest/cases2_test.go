package multilogtest

import (
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"syscall"
)

func rotationCases() []Scenario {
	fill := func(n int) string { return strings.Repeat("f", n-1) + "\n" }
	list := []Scenario{
		simple("lines of 100 bytes", "s4096 n100 ./a", byLine(200, 100)...),
		simple("lines of 1000 bytes", "s5000 n100 ./a", byLine(20, 1000)...),
		simple("lines of 1500 bytes", "s5000 n100 ./a", byLine(20, 1500)...),
		simple("stamps are counted", "t s4096 n100 ./a", byLine(100, 100)...),
		simple("two folders of different sizes", "s4096 n100 ./a s6000 -*1* ./b", byLine(100, 150)...),
		simple("a line that fits in no file", "s4096 n100 ./a", strings.Repeat("l", 10000)+"\n", "x\n"),
		simple("a line of the size and its newline", "s4096 n100 ./a", strings.Repeat("l", 4096)+"\n", "x\n"),
		simple("a line that ends at the size", "s4096 n100 ./a", strings.Repeat("l", 4095)+"\n", "x\n"),
		simple("a line that is cut", "s4096 n100 ./a", fill(1500), strings.Repeat("l", 3000)+"\n", "x\n"),
		simple("a long line in pieces", "s4096 n100 ./a", strings.Repeat("l", 1500), strings.Repeat("m", 1500), strings.Repeat("n", 1500), "\n", "x\n"),
		simple("a file that has its size is finished with the next byte", "s4096 n100 ./a", strings.Repeat("l", 4096)),
	}
	for _, first := range []int{2094, 2095, 2096, 2097} { // 2096 is the least
		list = append(list, simple(fmt.Sprintf("the least size: %d", first), "s4096 ./a", fill(first), "x\n"))
	}
	for _, have := range []int{0, 1, 2095, 2096, 4000, 4090, 4095, 4096, 4097, 9000} {
		old := strings.Repeat("o", max(have-1, 0)) + "\n"
		list = append(list, simple(fmt.Sprintf("current has %d bytes", have), "s4096 ./a", "line of some bytes\n", "x\n").
			with(Tree{"a": dir(0o700), "a/current": text(0o744, old[:have]), "a/state": text(0o644, "")}))
	}
	return append(list,
		Scenario{Name: "a smaller size than before", Steps: []Step{
			Run("s10000 ./a"), Feed(fill(1000)), Feed(fill(1000)), Feed(fill(1000)), Feed(fill(1000)), Feed(fill(1000)), Send(syscall.SIGTERM),
			Run("s4096 ./a"), Feed("x\n"), Feed("y\n"), End(),
		}})
}

func pruningCases() []Scenario {
	old := func(names ...string) Tree {
		tree := Tree{"a": dir(0o700)}
		for _, name := range names {
			tree["a/"+name] = text(0o744, name)
		}
		return tree
	}
	const base = "@4000000050000000"
	many := old(base+"00000001.s", base+"00000002.u", base+"00000003.s", base+"00000004.s", base+"00000005.s", base+"00000006.s")
	rotate := []Step{Run("n3 ./a"), Feed("x\n"), Send(syscall.SIGALRM), End()}
	clean := maps.Clone(many)
	clean["a/current"], clean["a/state"] = text(0o744, "old\n"), text(0o644, "")
	unclean := maps.Clone(many)
	unclean["a/current"] = text(0o644, "")
	return []Scenario{
		{Name: "the oldest go", Tree: many, Steps: rotate},
		{Name: "not at a start after a clean end", Tree: clean, Steps: []Step{Run("n3 ./a"), Feed("x\n"), End()}},
		{Name: "at a start after a kill, even of an empty file", Tree: unclean, Steps: []Step{Run("n3 ./a"), Feed("x\n"), End()}},
		{Name: "any name with @ and 25 bytes counts", Tree: old(base+"00000001", base+"00000002.gz", base+"00000003xyz", base+"0000000.s"), Steps: rotate},
		{Name: "shorter and other names do not", Tree: old("@short", "@", base+"0000000", "notes", "x"+base), Steps: rotate},
		{Name: "upper case sorts first", Tree: old("@4000000050000000A0000001.s", "@4000000050000000a0000001.s", "@4000000050000000b0000001.s"), Steps: rotate},
		{Name: "n2 keeps one", Tree: many, Steps: []Step{Run("n2 ./a"), Feed("x\n"), Send(syscall.SIGALRM), Feed("y\n"), Send(syscall.SIGALRM), End()}},
		{Name: "a larger number keeps all", Tree: many, Steps: []Step{Run("n100 ./a"), Feed("x\n"), Send(syscall.SIGALRM), End()}},
	}
}

func processorCases() []Scenario {
	process := func(command string, keep int) Scenario {
		s := Scenario{Name: fmt.Sprintf("%q", command), Steps: []Step{
			{Kind: Start, Words: []string{fmt.Sprint("n", keep), "!" + command, "./a"}},
		}}
		for i := range 4 {
			s.Steps = append(s.Steps, Feed(fmt.Sprintf("www %d\n", i)), Send(syscall.SIGALRM))
		}
		s.Steps = append(s.Steps, Feed("last\n"), End())
		return s
	}
	leftBehind := func(name string, tree Tree) Scenario {
		tree["a"] = dir(0o700)
		return Scenario{Name: name, Tree: tree, Steps: []Step{
			{Kind: Start, Words: []string{"!" + Counts, "./a"}}, Feed("x\n"), Send(syscall.SIGALRM), Feed("y\n"), End(),
		}}
	}
	return []Scenario{
		process("cat", 10),
		process("cat", 3),
		process("tr w W", 10),
		process("", 10),
		process(Counts, 10),
		{Name: "that cannot be switched off again", Steps: []Step{Run("!cat ./a ! ./b"), Feed("x\n"), Send(syscall.SIGALRM), End()}},
		{Name: "of full files", Steps: append(append([]Step{{Kind: Start, Words: []string{"s4096", "n50", "!tr w W", "./a"}}},
			Lines(strings.Repeat(strings.Repeat("w", 700)+"\n", 20))...), End())},
		leftBehind("the state of the last time", Tree{"a/current": text(0o744, "old\n"), "a/state": text(0o600, "state\n")}),
		leftBehind("no state after a kill", Tree{"a/current": text(0o644, "old\n"), "a/state": text(0o600, "state\n"), "a/newstate": text(0o600, "new\n")}),
	}
}

// slowCases are those with multilog's pauses of five seconds.
func slowCases() []Scenario {
	fails := func(name, command string) Scenario {
		return Scenario{Name: name, Steps: []Step{
			{Kind: Start, Words: []string{"!" + command, "./a"}}, Feed("x\n"), Send(syscall.SIGALRM), Feed("y\n"), End(),
		}}
	}
	return []Scenario{
		fails("a processor that fails", FailsOnce),
		fails("a processor that crashes", Crashes),
	}
}

// recoveryCases are all combinations of what a logger can leave behind.
func recoveryCases() []Scenario {
	type choice struct {
		name string
		put  func(tree Tree)
	}
	file := func(name string, mode fs.FileMode, data string) choice {
		return choice{fmt.Sprintf("%s %o %d", name, mode, len(data)), func(tree Tree) { tree["a/"+name] = text(mode, data) }}
	}
	linked := func(name string, mode fs.FileMode, other string) choice {
		return choice{fmt.Sprintf("%s %o linked", name, mode), func(tree Tree) {
			tree["a/"+name] = text(mode, name+"\n")
			tree["a/"+other] = tree["a/"+name]
		}}
	}
	nothing := choice{"", func(Tree) {}}
	currents := []choice{
		nothing, file("current", 0o644, ""), file("current", 0o644, "current\n"), file("current", 0o744, "current\n"),
		file("current", 0o700, ""), file("current", 0o600, "x"), linked("current", 0o644, "@400000005000000100000000.u"),
	}
	previouses := []choice{
		nothing, file("previous", 0o644, "previous\n"), file("previous", 0o744, "previous\n"), linked("previous", 0o744, "@400000005000000200000000.s"),
	}
	processeds := []choice{
		nothing, file("processed", 0o644, "processed\n"), file("processed", 0o744, "processed\n"), linked("processed", 0o744, "@400000005000000300000000.s"),
	}
	states := []choice{nothing, {"state newstate", func(tree Tree) {
		tree["a/state"], tree["a/newstate"] = text(0o600, "state\n"), text(0o644, "new\n")
	}}}
	var list []Scenario
	for _, current := range currents {
		for _, previous := range previouses {
			for _, processed := range processeds {
				for _, state := range states {
					s := Scenario{Tree: Tree{"a": dir(0o700), "a/@400000005000000000000000.s": text(0o744, "old\n")}}
					for _, c := range []choice{current, previous, processed, state} {
						s.Name = strings.TrimSpace(s.Name + " " + c.name)
						c.put(s.Tree)
					}
					s.Steps = []Step{Run("n4 ./a"), {Kind: Show}, Feed("x\n"), End()}
					list = append(list, s)
				}
			}
		}
	}
	return list
}

func signalCases() []Scenario {
	long := strings.Repeat("long ", 500)
	run := func(name, script string, steps ...Step) Scenario {
		return Scenario{Name: name, Steps: append([]Step{Run(script)}, steps...)}
	}
	term, alarm := Send(syscall.SIGTERM), Send(syscall.SIGALRM)
	list := []Scenario{
		run("TERM at once", "t ./a", term),
		run("TERM after a line", "t ./a", Feed("x\n"), term, Feed("y\n")),
		run("TERM in a line goes on to its end", "t ./a", Feed("x\ny"), term, Feed("z\nleft\nleft too")),
		run("TERM in a line goes on in pieces", "t ./a =st e", Feed("y"), term, Feed("z"), Feed("z"), Feed("\n")),
		run("TERM in a line that has no end", "./a", Feed("x\ny"), term, End()),
		run("TERM in a long line", "./a", Feed(long), term, Feed(long), Feed("end\nleft\n")),
		run("TERM twice", "./a", Feed("x"), term, term, Feed("\n")),
		run("TERM and a start on the same input", "./a", Feed("x\ny"), term, Feed("y\nz"), Run("./a"), Feed("z\n"), term, Run("./a"), End()),
		run("ALRM without a line", "./a", alarm, alarm, End()),
		run("ALRM after a line", "t ./a", Feed("x\n"), alarm, Step{Kind: Show}, Feed("y\n"), alarm, End()),
		run("ALRM in a line: it goes to the next file", "t ./a", Feed("x\ny"), alarm, Step{Kind: Show}, Feed("z\n"), End()),
		run("ALRM in a line with nothing before it", "t ./a", Feed("y"), alarm, Feed("z\n"), End()),
		run("ALRM in a long line: it is split", "./a", Feed("x\n"+long), alarm, Feed(long+"\n"), End()),
		run("ALRM finishes a current from before", "./a", alarm, End()).with(Tree{"a": dir(0o700), "a/current": text(0o744, "old\n"), "a/state": text(0o600, "")}),
		run("ALRM does not finish an empty current", "./a", alarm, End()).with(Tree{"a": dir(0o700), "a/current": text(0o744, ""), "a/state": text(0o600, "")}),
		run("ALRM finishes those that have something", "./a -* ./b", Feed("x\n"), alarm, End()),
		run("ALRM and TERM", "./a", Feed("x\ny"), alarm, term, Feed("z\n")),
		run("TERM and ALRM", "./a", Feed("x\ny"), term, alarm, Feed("z\n")),
		run("ALRM without a folder", "e", Feed("x\n"), alarm, Feed("y\n"), End()),
	}
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGHUP, syscall.SIGINT} {
		list = append(list,
			run(s.String()+" after a line", "t ./a", Feed("x\n"), Send(s), Run("t ./a"), Feed("y\n"), End()),
			run(s.String()+" in a line", "./a", Feed("x\ny"), Send(s), Run("./a"), Feed("z\n"), End()),
			run(s.String()+" without a line", "./a", Send(s), Run("./a"), End()))
	}
	return list
}
