package multilogtest

import (
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/need"
)

var (
	randomCases = flag.Int("random-cases", 0, "how many random scenarios TestRandom plays; 0 is 150, or 1000 in the long form")
	randomSeed  = flag.Uint64("random-seed", 1, "the seed of the first of them; each next one has the next number")
)

// TestRandom plays random scenarios: folders in any state, scripts, input in
// pieces, signals, kills and restarts on the same pipe.
func TestRandom(t *testing.T) {
	t.Parallel()
	cases := *randomCases
	switch {
	case cases > 0:
	case need.Thorough():
		cases = 1000
	default:
		cases = 150
	}
	for _, p := range programs(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			failed := 0
			for i := range cases {
				s := randomScenario(*randomSeed + uint64(i))
				got, want := drive(t, p.Program, s), p.model.Predict(s)
				if got != want {
					failed++
					t.Errorf("%s\n%s", describe(s), difference(got, want))
				}
				if failed > 5 {
					t.Fatal("and so on")
				}
			}
		})
	}
}

// maker makes one random scenario.
type maker struct {
	*rand.Rand
	bulk  bool // no folder can become full, so that several lines may come with one read
	names int
}

func randomScenario(seed uint64) Scenario {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 7))}
	m.bulk = m.one(3)
	s := Scenario{Name: fmt.Sprint("seed ", seed), Tree: Tree{}}
	for _, name := range []string{"a", "b"} {
		if m.one(2) {
			m.folder(s.Tree, name)
		}
	}
	if m.one(6) {
		s.Tree["st"] = &File{Mode: 0o640, Data: m.text(1 + m.IntN(1500))}
	}
	for range 1 + m.IntN(3) {
		s.Steps = append(s.Steps, m.life()...)
	}
	return s
}

// one is true one time in n.
func (m *maker) one(n int) bool { return m.IntN(n) == 0 }

// folder adds a folder in a random state.
func (m *maker) folder(tree Tree, name string) {
	tree[name] = &File{Mode: fs.ModeDir | pick[fs.FileMode](m, 0o700, 0o755, 0o711)}
	oldest := 0x50000000
	for range m.IntN(5) {
		oldest += 1 + m.IntN(100)
		tree[fmt.Sprintf("%s/@40000000%08x%08x%s", name, oldest, m.IntN(1e9), pick(m, ".s", ".u", ".s", "", ".gz", "xyz"))] = &File{Mode: 0o744, Data: "old\n"}
	}
	if m.one(4) {
		tree[name+"/"+pick(m, "@short", "@zzz", "notes", "@400000005000000000000000"[:24])] = &File{Mode: 0o644, Data: "stays\n"}
	}
	for _, file := range []string{"current", "previous", "processed", "state", "newstate", "lock"} {
		if !m.one(2) {
			continue
		}
		f := &File{Mode: pick(m, fs.FileMode(0o600), 0o644, 0o744, 0o700, 0o644, 0o444), Data: m.text(pick(m, 0, 10, 3000, 5000))}
		if file == "lock" {
			f.Data = ""
		}
		tree[name+"/"+file] = f
		if m.one(4) && (file == "previous" || file == "processed" || file == "current" && f.Mode&0o100 == 0) {
			m.names++
			tree[fmt.Sprintf("%s/@4000000060000000%08x.s", name, m.names)] = f
		}
	}
	if current := tree[name+"/current"]; current != nil && current.Mode&0o100 != 0 && tree[name+"/state"] == nil {
		// Without it multilog's processors fail for ever.
		tree[name+"/state"] = &File{Mode: 0o600}
	}
}

func pick[T any](m *maker, choices ...T) T { return choices[m.IntN(len(choices))] }

// text returns lines of about n bytes in all.
func (m *maker) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(m.line(30) + "\n")
	}
	return b.String()
}

// line returns up to n bytes of a line.
func (m *maker) line(n int) string {
	var b strings.Builder
	for range m.IntN(n + 1) {
		b.WriteString(pick(m, "a", "b", "f", " ", ":", "*", "fatal", "\x00", "\r", "\xff", "é", "x", "0"))
	}
	s := b.String()
	return s[:min(len(s), n)]
}

// script returns words that multilog and its followers read alike.
func (m *maker) script() []string {
	var words []string
	if m.one(2) {
		words = append(words, pick(m, "t", "t", "timestamp"))
	}
	folders := []string{"./a", "./b", Root + "/c"}
	m.Shuffle(len(folders), func(i, j int) { folders[i], folders[j] = folders[j], folders[i] })
	folders = folders[:1+m.IntN(2)]
	for _, folder := range folders {
		for range m.IntN(4) {
			words = append(words, m.word())
		}
		if !m.bulk {
			words = append(words, pick(m, "s4096", "s5000x", "s", "s4500", "s9000"))
		} else {
			words = append(words, "s16777215")
		}
		words = append(words, folder)
	}
	return words
}

func (m *maker) word() string {
	switch m.IntN(9) {
	case 0:
		return "-" + pick(m, "*", "* *a*", "* b*", "", "* *:*")
	case 1, 2:
		return "+" + pick(m, "*", "* *b*", "* fatal*", "", "**", "* * *", "fatal*")
	case 3:
		return pick(m, "e", "every")
	case 4, 5:
		return "=" + pick(m, "st", "./st", "st2")
	case 6:
		return "!" + pick(m, "cat", "tr w W", "", Counts)
	default:
		return "n" + pick(m, "2", "3", "4", "1", "x", "5")
	}
}

// life is the program from its start to its end.
func (m *maker) life() []Step {
	steps := []Step{{Kind: Start, Words: m.script()}}
	for range m.IntN(12) {
		switch {
		case m.one(9):
			steps = append(steps, Send(syscall.SIGALRM))
		case m.one(8):
			steps = append(steps, Feed(m.piece()))
		case m.bulk:
			steps = append(steps, Feed(m.text(1+m.IntN(3000))))
		default:
			steps = append(steps, Feed(m.line(pick(m, 10, 100, 300))+strings.Repeat("w", pick(m, 0, 0, 300, 700))+"\n"))
		}
	}
	return append(steps, m.end()...)
}

// piece is a part of a line, sometimes of a long one.
func (m *maker) piece() string {
	long := ""
	if m.one(3) {
		long = strings.Repeat("long ", m.IntN(1500))
	}
	return m.line(40) + long + "y"
}

// end is one of the ways in which a program ends.
func (m *maker) end() []Step {
	switch m.IntN(6) {
	case 0, 1:
		// In the middle of a line it goes on until the line is complete.
		steps := []Step{Send(syscall.SIGTERM), Feed(m.line(40) + "\n")}
		if m.bulk {
			steps = append(steps, Feed(m.text(300)))
		}
		return steps
	case 2:
		return []Step{Send(syscall.SIGTERM), Feed(m.line(40) + "y"), Feed("z\n")}
	case 3:
		return []Step{Send(syscall.SIGKILL)}
	case 4:
		return []Step{Send(syscall.SIGHUP)}
	default:
		return []Step{Send(syscall.SIGALRM), Send(syscall.SIGTERM), Feed("\n")}
	}
}
