package multilogtest

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// cases returns a scenario for every rule, with the name of the rule.
func cases() []Scenario {
	var list []Scenario
	for _, group := range []struct {
		name  string
		cases []Scenario
	}{
		{"words", wordCases()},
		{"numbers", numberCases()},
		{"start", startCases()},
		{"modes", modeCases()},
		{"lines", lineCases()},
		{"patterns", patternCases()},
		{"alerts", alertCases()},
		{"status", statusCases()},
		{"rotation", rotationCases()},
		{"pruning", pruningCases()},
		{"processors", processorCases()},
		{"recovery", recoveryCases()},
		{"signals", signalCases()},
	} {
		for _, s := range group.cases {
			s.Name = group.name + ": " + s.Name
			list = append(list, s)
		}
	}
	return list
}

// simple is a scenario of one run that ends with its input.
func simple(name, script string, input ...string) Scenario {
	s := Scenario{Name: name, Steps: []Step{Run(script)}}
	for _, data := range input {
		s.Steps = append(s.Steps, Feed(data))
	}
	s.Steps = append(s.Steps, End())
	return s
}

// with adds what is there before the start.
func (s Scenario) with(tree Tree) Scenario {
	s.Tree = tree
	return s
}

// dir is a folder, text a file.
func dir(mode fs.FileMode) *File { return &File{Mode: fs.ModeDir | mode} }

func text(mode fs.FileMode, data string) *File { return &File{Mode: mode, Data: data} }

// byLine has a newline after every so many bytes; each line is a Write step.
func byLine(lines, size int) []string {
	var list []string
	for i := range lines {
		line := fmt.Sprintf("%d ", i) + strings.Repeat("x", size)
		list = append(list, line[:size-1]+"\n")
	}
	return list
}

func wordCases() []Scenario {
	return []Scenario{
		simple("t stamps lines", "t ./a", "x\ny\n"),
		simple("any first word with t is t", "timestamp ./a", "x\n"),
		simple("every word with e is an alert", "every ./a", "x\n"),
		simple("an absolute folder", Root+"/a", "x\n"),
		simple("the folder where it was started", ".", "x\n"),
		simple("a slash at the end", "./a/", "x\n"),
		simple("a folder of another, which is made first", "./a ./a/b", "x\n"),
		simple("actions are carried out from left to right", "./a -*b* ./b +*c* ./c", "a\n", "b\n", "bc\n"),
		simple("settings are for the folders after them", "./a s5000 n2 ./b n3 ./c", byLine(60, 500)...),
		simple("alerts and status without a folder", "e =st", "x\n"),
	}
}

func numberCases() []Scenario {
	var list []Scenario
	for _, word := range []string{
		"s", "sabc", "s-5", "s0", "s4095", "s4096", "s4097", "s5000", "s5000x", "s05000", "s5000.9", "size",
		"s16777215", "s16777216", "s18446744073709551615", "s18446744073709551616", "s18446744073709556616", "s+5000",
	} {
		list = append(list, simple(word, word+" ./a", byLine(30, 400)...))
	}
	for _, word := range []string{
		"n", "nx", "n0", "n1", "n2", "n3", "n3x", "n03", "n-3", "n4294967298", "n18446744073709551615", "n18446744073709551619",
	} {
		list = append(list, simple(word, "s4096 "+word+" ./a", byLine(40, 700)...))
	}
	return list
}

func startCases() []Scenario {
	fails := func(name, script string, tree Tree) Scenario {
		return simple(name, script, "left in the pipe\n").with(tree)
	}
	return []Scenario{
		fails("status files come before folders", "./a =a/status", Tree{}),
		fails("a status file that cannot be made", "=none/st ./a", Tree{}),
		fails("a status file below a file", "=f/st ./a", Tree{"f": text(0o644, "f")}),
		fails("a status file that is a folder", "=d ./a", Tree{"d": dir(0o700)}),
		fails("a status file without a name", "= ./a", Tree{}),
		fails("the second status file fails", "=st =none/st ./a", Tree{}),
		fails("parents are not made", "./a/b", Tree{}),
		fails("a folder that is a file", "./f", Tree{"f": text(0o644, "f")}),
		fails("a folder below a file", "./f/a", Tree{"f": text(0o644, "f")}),
		fails("the same folder twice", "./a ./a", Tree{}),
		fails("the same folder by another name", "./a "+Root+"/a", Tree{"a": dir(0o700)}),
		{
			Name: "the lock is held", Tree: Tree{"a": dir(0o700), "a/lock": text(0o600, ""), "a/current": text(0o644, "x\n")},
			Steps: []Step{{Kind: Hold, Path: "a"}, Run("t ./a"), Feed("x\n")},
		},
		{
			Name: "where the second folder fails the first is recovered, and its current not complete",
			Tree: Tree{"a": dir(0o700), "a/current": text(0o744, "old\n"), "f": text(0o644, "")},
			Steps: []Step{
				Run("./a ./f"),
				{Kind: Show},
				Run("./a"), Feed("x\n"), End(),
			},
		},
		simple("a folder that is a link", "./link", "x\n").with(Tree{"a": dir(0o700), "link": {Mode: fs.ModeSymlink | 0o777, Data: "a"}}),
		{Name: "input that waits is read", Steps: []Step{Feed("a\nb"), Run("./a"), Feed("c\n"), End()}},
		{Name: "the end of the input waits", Steps: []Step{End(), Run("./a")}},
	}
}

func modeCases() []Scenario {
	full := func(mode fs.FileMode) Tree {
		return Tree{
			"a": dir(0o755), "a/lock": text(mode, ""), "a/current": text(mode|0o100, "old\n"),
			"a/state": text(mode, "state"), "st": text(mode, "status"),
		}
	}
	list := []Scenario{
		{Name: "of what is made", Steps: []Step{Run("=st ./a"), Feed("x\n"), {Kind: Show}, End()}},
		{Name: "of files that ALRM finishes", Steps: []Step{Run("./a"), Feed("x\n"), Send(syscall.SIGALRM), {Kind: Show}, End()}},
	}
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o644, 0o666, 0o777} {
		list = append(list, Scenario{
			Name: fmt.Sprintf("of what is there: %o", mode), Tree: full(mode),
			Steps: []Step{Run("=st ./a"), Feed("x\n"), {Kind: Show}, End()},
		})
	}
	return list
}

func lineCases() []Scenario {
	list := []Scenario{
		simple("no input makes no line", "t ./a"),
		simple("empty lines", "./a", "\n", "\n\n"),
		simple("empty lines with stamps", "t ./a", "\n\n"),
		simple("a last line without a newline gets one", "./a =st e", "x\ny"),
		simple("a last line without a newline, in pieces", "t ./a =st e", "x", "y", "z"),
		simple("NUL, CR and high bytes are data", "./a e =st", "a\x00b\r\n\xff\xfe\n\x00\n"),
		simple("many lines at once", "t ./a", strings.Repeat("a line\n", 5000)),
		simple("lines in pieces", "t ./a", "on", "e\ntw", "o\nth", "ree\n"),
	}
	for _, stamp := range []string{"", "t "} {
		for _, size := range []int{199, 512, 513, 972, 973, 974, 975, 998, 999, 1000, 1001, 1002, 1023, 1024, 1025, 2048, 5000, 50000} {
			line := strings.Repeat("0123456789", size/10+1)[:size]
			list = append(list,
				simple(fmt.Sprintf("%sof %d bytes", stamp, size), stamp+"e =st ./a", line+"\n", "x\n"),
				simple(fmt.Sprintf("%sof %d bytes without a newline", stamp, size), stamp+"e =st ./a", line),
				simple(fmt.Sprintf("%sof %d bytes in pieces", stamp, size), stamp+"-* +*4* ./a", line[:size/3], line[size/3:size/2], line[size/2:]+"\n", "4\n"),
			)
		}
	}
	return list
}

func patternCases() []Scenario {
	input := []string{"a\n", "ab\n", "abc\n", "bc\n", "*\n", "a*b\n", "\n", "ffatal: x\n", " fatal: x\n", "x fatal: y\n", "a\x00b\n", "[a]\n"}
	var list []Scenario
	for _, pattern := range []string{
		"", "*", "**", "***", "a", "a*", "*a", "*b", "*c", "a*c", "*b*", "*fatal*", "* fatal:*", "*: *", "a*b", "**b", "[a]", "a?", "\\*", "*\x01",
	} {
		for _, script := range []string{"-* +%s ./a", "-%s ./a", "t -* +%s ./a", "t -%s e ./a"} {
			if strings.HasPrefix(script, "t ") && strings.HasPrefix(pattern, "*") && !strings.HasPrefix(pattern, "* ") && pattern != "*" {
				continue // hits the stamp by chance
			}
			s := Scenario{Name: fmt.Sprintf(script, pattern), Steps: []Step{Run("")}}
			for word := range strings.FieldsSeq(strings.ReplaceAll(script, "%s", "PATTERN")) {
				s.Steps[0].Words = append(s.Steps[0].Words, strings.ReplaceAll(word, "PATTERN", pattern))
			}
			for _, line := range input {
				s.Steps = append(s.Steps, Feed(line))
			}
			list = append(list, s)
		}
	}
	long := strings.Repeat("y", 1000)
	return append(list,
		simple("only the first 1000 bytes are seen", "-* +"+long+" ./a", long+"more\n", long+"\n", long[1:]+"\n", long[1:]+"z\n"),
		simple("the stamp is of these bytes", "t -* +*"+long[:10]+" ./a", long[:974]+"\n", long+"\n"),
		simple("nothing is selected", "-* ./a e =st", "x\n", long+long+"\n"),
	)
}

func alertCases() []Scenario {
	var list []Scenario
	for _, size := range []int{0, 1, 173, 174, 175, 199, 200, 201, 999, 1000, 1001, 3000} {
		line := strings.Repeat("z", size) + "\n"
		list = append(list,
			simple(fmt.Sprintf("of %d bytes", size), "e ./a", line),
			simple(fmt.Sprintf("of %d bytes with a stamp", size), "t e", line))
	}
	return append(list,
		simple("twice", "e -*b* e", "a\n", "b\n"),
		simple("many at once", "e", strings.Repeat("a\nbb\n", 500)),
	)
}

func statusCases() []Scenario {
	long := strings.Repeat("s", 1200)
	list := []Scenario{
		simple("a short line after a long one", "=st", long+"\n", "x\n"),
		simple("no line is selected", "-* =st", "x\n"),
		simple("the last selected line stays", "-* +a* =st", "a1\n", "b\n", "a2\n", "c\n"),
		simple("many lines at once", "=st ./a", strings.Repeat("one\ntwo\n", 600)),
		simple("with a stamp", "t =st", "x\n", "y\n"),
		simple("two names, one file: the last that is selected", "=st -b* =./st", "a\n", "b\n"),
		simple("two files", "=st -b* =st2", "a\nb\n"),
		simple("in a folder that is there", "=a/st ./a", "x\n").with(Tree{"a": dir(0o700)}),
		simple("a longer file keeps its end", "=st", "x\n").with(Tree{"st": text(0o640, strings.Repeat("e", 1500))}),
		simple("a shorter file grows", "=st", "x\n").with(Tree{"st": text(0o640, "short")}),
		simple("a file of two names", "=st", "x\n").with(twoNames("st", "other", text(0o644, "short"))),
		{Name: "at each moment", Steps: []Step{Run("=st"), Feed("a\n"), {Kind: Show}, Feed("b"), {Kind: Show}, Feed("c\n"), {Kind: Show}, Feed(long), {Kind: Show}, End()}},
	}
	for _, size := range []int{998, 999, 1000, 1001, 1002, 2500} {
		list = append(list, simple(fmt.Sprintf("%d bytes", size), "=st", strings.Repeat("z", size)+"\n"))
	}
	return list
}

// twoNames is a file with two links.
func twoNames(one, other string, file *File) Tree { return Tree{one: file, other: file} }
