package logrotate

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// defaults are the settings of a folder without words before it.
func defaults() Settings { return Settings{Size: 99999, Keep: 10} }

func TestParseScript(t *testing.T) {
	folder := func(word string, change func(*Settings)) Action {
		s := defaults()
		if change != nil {
			change(&s)
		}
		return Action{Kind: Folder, Word: word, Settings: s}
	}
	for _, c := range []struct {
		words string // separated by spaces
		want  Script
	}{
		{"./main", Script{Actions: []Action{folder("./main", nil)}}},
		{"/var/log/x", Script{Actions: []Action{folder("/var/log/x", nil)}}},
		{".", Script{Actions: []Action{folder(".", nil)}}},
		{"../x", Script{Actions: []Action{folder("../x", nil)}}},
		{"t ./main", Script{TAI64N, []Action{folder("./main", nil)}}},
		{"timestamp ./main", Script{TAI64N, []Action{folder("./main", nil)}}},
		{"T ./main", Script{ISO8601, []Action{folder("./main", nil)}}},
		{"e", Script{Actions: []Action{{Kind: Alert}}}},
		{"everything", Script{Actions: []Action{{Kind: Alert}}}},
		{"=status", Script{Actions: []Action{{Kind: Status, Word: "status"}}}},
		{"=", Script{Actions: []Action{{Kind: Status}}}},
		{
			"-* +a* + - e",
			Script{Actions: []Action{
				{Kind: Deselect, Word: "*"},
				{Kind: Select, Word: "a*"},
				{Kind: Select},
				{Kind: Deselect},
				{Kind: Alert},
			}},
		},
		{
			"s5000 n3 ./a ./b s6000 !cat ./c ! ./d",
			Script{Actions: []Action{
				folder("./a", func(s *Settings) { s.Size, s.Keep = 5000, 3 }),
				folder("./b", func(s *Settings) { s.Size, s.Keep = 5000, 3 }),
				folder("./c", func(s *Settings) { s.Size, s.Keep, s.Processor, s.HasProcessor = 6000, 3, "cat", true }),
				folder("./d", func(s *Settings) { s.Size, s.Keep, s.HasProcessor = 6000, 3, true }),
			}},
		},
		{
			"S100M A30d R1d zgzip ./a S0 A0 R0 znone ./b",
			Script{Actions: []Action{
				folder("./a", func(s *Settings) {
					s.MaxTotal, s.MaxAge, s.RotateAfter, s.Compression = 100<<20, 30*24*time.Hour, 24*time.Hour, Gzip
				}),
				folder("./b", nil),
			}},
		},
		{"zzstd ./a", Script{Actions: []Action{folder("./a", func(s *Settings) { s.Compression = Zstd })}}},
	} {
		t.Run(c.words, func(t *testing.T) {
			got, err := ParseScript(strings.Fields(c.words))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestParseSettings(t *testing.T) {
	for _, c := range []struct {
		word   string
		change func(*Settings)
	}{
		{"s5000x", func(s *Settings) { s.Size = 5000 }},
		{"s5000 6000", func(s *Settings) { s.Size = 5000 }},
		{"sabc", func(s *Settings) { s.Size = 4096 }},
		{"s", func(s *Settings) { s.Size = 4096 }},
		{"s-5", func(s *Settings) { s.Size = 4096 }},
		{"s+5000", func(s *Settings) { s.Size = 4096 }},
		{"s 5000", func(s *Settings) { s.Size = 4096 }},
		{"s0", func(s *Settings) { s.Size = 4096 }},
		{"s4095", func(s *Settings) { s.Size = 4096 }},
		{"s4097", func(s *Settings) { s.Size = 4097 }},
		{"s16777215", func(s *Settings) { s.Size = 16777215 }},
		{"s16777216", func(s *Settings) { s.Size = 16777215 }},
		{"s18446744073709551615", func(s *Settings) { s.Size = 16777215 }},
		{"s18446744073709551616", func(s *Settings) { s.Size = 4096 }},
		{"s18446744073709556616", func(s *Settings) { s.Size = 5000 }},
		{"s000005000", func(s *Settings) { s.Size = 5000 }},
		{"size=5000", func(s *Settings) { s.Size = 4096 }},
		{"n", func(s *Settings) { s.Keep = 2 }},
		{"n1", func(s *Settings) { s.Keep = 2 }},
		{"n3q", func(s *Settings) { s.Keep = 3 }},
		{"n18446744073709551615", func(s *Settings) { s.Keep = 1<<64 - 1 }},
		{"n18446744073709551619", func(s *Settings) { s.Keep = 3 }},
		{"! a 'b' ", func(s *Settings) { s.Processor, s.HasProcessor = " a 'b' ", true }},
		{"S1", func(s *Settings) { s.MaxTotal = 1 }},
		{"S3k", func(s *Settings) { s.MaxTotal = 3 << 10 }},
		{"S2G", func(s *Settings) { s.MaxTotal = 2 << 30 }},
		{"A5s", func(s *Settings) { s.MaxAge = 5 * time.Second }},
		{"A5m", func(s *Settings) { s.MaxAge = 5 * time.Minute }},
		{"A5h", func(s *Settings) { s.MaxAge = 5 * time.Hour }},
		{"A5w", func(s *Settings) { s.MaxAge = 5 * 7 * 24 * time.Hour }},
		{"R0d", func(*Settings) {}},
	} {
		t.Run(c.word, func(t *testing.T) {
			got, err := ParseScript([]string{c.word, "./a"})
			want := defaults()
			c.change(&want)
			if err != nil || len(got.Actions) != 1 || got.Actions[0].Settings != want {
				t.Errorf("%+v, %v\nwant %+v", got, err, want)
			}
		})
	}
}

func TestParseScriptRefuses(t *testing.T) {
	const (
		noAction = "not an action; a folder starts with . or /, such as ./main"
		nothing  = "the script keeps nothing: name a folder such as ./main, a file such as =status, or e"
		late     = "stamps are put before all else; make it the first word"
	)
	for _, c := range []struct {
		words []string
		want  string
	}{
		{nil, nothing},
		{[]string{"t", "s5000", "-*"}, nothing},
		{[]string{"t", "s5000", "main"}, `word 3 "main": ` + noAction},
		{[]string{"./a", "x"}, `word 2 "x": ` + noAction},
		{[]string{"./a", ""}, `word 2 "": an empty word is not an action; leave it out`},
		{[]string{"é"}, `word 1 "é": ` + noAction},
		{[]string{"./a", "t"}, `word 2 "t": ` + late},
		{[]string{"./a", "T"}, `word 2 "T": ` + late},
		{[]string{"t", "t", "./a"}, `word 2 "t": ` + late},
		{[]string{"Time", "./a"}, `word 1 "Time": ` + noAction},
		{[]string{"test/log"}, `word 1 "test/log": t is an action of its own; a folder starts with . or /, such as ./test/log`},
		{[]string{"./a", "e/b"}, `word 2 "e/b": e is an action of its own; a folder starts with . or /, such as ./e/b`},
		{[]string{"./a", "zip"}, `word 2 "zip": not a compression; write zgzip, zzstd or znone`},
		{[]string{"=a\x00b"}, `word 1 "=a\x00b": a word with a zero byte cannot be carried out; leave the byte out`},
	} {
		checkRefused(t, c.words, c.want)
	}
	const (
		noBytes = "not a number of bytes; write digits and perhaps k, M or G, such as S100M, or S0 for no limit"
		noAge   = "not an age; write digits and one of s, m, h, d and w, such as 30d, or 0 for no limit"
	)
	for word, want := range map[string]string{
		"S": noBytes, "Sk": noBytes, "S1T": noBytes, "S1m": noBytes, "S-1": noBytes, "S1kk": noBytes, "S 1": noBytes,
		"S9999999999G":          "more bytes than can be counted; write S0 for no limit",
		"S18446744073709551617": "more bytes than can be counted; write S0 for no limit",
		"A":                     noAge, "A30": noAge, "Ad": noAge, "R1y": noAge, "R1dd": noAge, "A-1d": noAge, "A00": noAge,
		"A15251w":                "an age of more than 292 years; write 0 for no limit",
		"R18446744073709551617s": "an age of more than 292 years; write 0 for no limit",
	} {
		checkRefused(t, []string{word, "./a"}, fmt.Sprintf("word 1 %q: %s", word, want))
	}
}

// checkRefused parses words that are no script.
func checkRefused(t *testing.T, words []string, want string) {
	t.Helper()
	if got, err := ParseScript(words); err == nil || err.Error() != want || !reflect.DeepEqual(got, Script{}) {
		t.Errorf("%q: %+v, %v\nwant %s", words, got, err, want)
	}
}

// words writes a script down again.
func (s Script) words() []string {
	list := [][]string{nil, {"t"}, {"T"}}[s.Stamp]
	for _, a := range s.Actions {
		switch a.Kind {
		case Select:
			list = append(list, "+"+a.Word)
		case Deselect:
			list = append(list, "-"+a.Word)
		case Alert:
			list = append(list, "e")
		case Status:
			list = append(list, "="+a.Word)
		case Folder:
			list = append(append(list, a.Settings.words()...), a.Word)
		}
	}
	return list
}

func (s Settings) words() []string {
	list := []string{
		fmt.Sprintf("s%d", s.Size), fmt.Sprintf("n%d", s.Keep), fmt.Sprintf("S%d", s.MaxTotal),
		fmt.Sprintf("A%ds", s.MaxAge/time.Second), fmt.Sprintf("R%ds", s.RotateAfter/time.Second),
		[]string{"znone", "zgzip", "zzstd"}[s.Compression],
	}
	if s.HasProcessor {
		list = append(list, "!"+s.Processor)
	}
	return list
}

func FuzzParseScript(f *testing.F) {
	for _, seed := range []string{
		"t\n./main", "T\ns5000\nn3\n!cat\n./a\n=status\ne\n-*\n+a*", "main", "test/x",
		"S1k\nA3d\nR2w\nzzstd\n./a", "S9999999999999999999\n./a", "./a\n", "s18446744073709551616\n./a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, "\n")
		script, err := ParseScript(words)
		if err != nil {
			if !reflect.DeepEqual(script, Script{}) {
				t.Errorf("%q: %v, but also %+v", words, err, script)
			}
			return
		}
		actions := 0
		for _, word := range words {
			if strings.IndexByte("+-e=./", word[0]) >= 0 {
				actions++
			}
		}
		if len(script.Actions) != actions {
			t.Errorf("%q: %d actions, want %d", words, len(script.Actions), actions)
		}
		again, err := ParseScript(script.words())
		if err != nil || !reflect.DeepEqual(again, script) {
			t.Errorf("%q: %+v, written down and read again: %+v, %v", words, script, again, err)
		}
	})
}
