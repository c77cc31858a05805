package diag

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestShow(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tt := range []struct {
		name    string
		problem Problem
		want    string
	}{
		{
			name: "excerpt, caret and hint",
			problem: Problem{
				Span: Span{Position{"apps/blog.yaml", 12, 11}, 4, "    mode: 0999"},
				Code: "bad-mode", Path: "listen.mode", Message: "0999 is not an octal file mode", Hint: `use "0660"`,
			},
			want: "apps/blog.yaml:12:11: listen.mode: 0999 is not an octal file mode [bad-mode]\n" +
				"   12 |     mode: 0999\n" +
				"      |           ^^^^\n" +
				"hint: use \"0660\"\n",
		},
		{
			name:    "no place",
			problem: Problem{Code: "render", Message: "m"},
			want:    "m [render]\n",
		},
		{
			name:    "a warning, the file alone",
			problem: Problem{Span: Span{Position: Position{File: "a.yaml"}}, Severity: Warning, Code: "c", Path: "p", Message: "m"},
			want:    "a.yaml: warning: p: m [c]\n",
		},
		{
			name:    "tabs and wide characters keep the caret in place",
			problem: Problem{Span: Span{Position{"a", 1, 4}, 1, "\té x"}, Code: "c", Message: "m"},
			want:    "a:1:4: m [c]\n    1 |  é x\n      |    ^\n",
		},
		{
			name:    "nothing reaches the terminal as a command",
			problem: Problem{Span: Span{Position{"a", 1, 1}, 1, "\x1b[2J\u202e"}, Code: "c", Message: "\x1b]0;x\a", Hint: "\x07"},
			want:    "a:1:1: \ufffd]0;x\ufffd [c]\n    1 | \ufffd[2J\ufffd\n      | ^\nhint: \ufffd\n",
		},
		{
			name:    "a mistake behind the end of the line",
			problem: Problem{Span: Span{Position{"a", 1, 99}, 9, "ab"}, Code: "c", Message: "m"},
			want:    "a:1:99: m [c]\n    1 | ab\n      |   ^\n",
		},
		{
			name:    "a long line is cut around the mistake",
			problem: Problem{Span: Span{Position{"a", 1, 201}, 400, long}, Code: "c", Message: "m"},
			want:    "a:1:201: m [c]\n    1 | " + long[:100] + "\n      | " + strings.Repeat(" ", 50) + strings.Repeat("^", 50) + "\n",
		},
		{
			name: "two places",
			problem: Problem{
				Span: Span{Position{"b", 2, 1}, 1, "y"}, Code: "c", Message: "m",
				Other: &Span{Position{"a", 1, 1}, 1, "x"},
			},
			want: "b:2:1: m [c]\n    2 | y\n      | ^\na:1:1: the other place\n    1 | x\n      | ^\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := (List{&tt.problem}).Show(&b); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestListOrderAndErr(t *testing.T) {
	warning := &Problem{Severity: Warning, Code: "w", Message: "m", Span: Span{Position: Position{File: "a", Line: 1, Column: 1}}}
	first := &Problem{Code: "e", Message: "m", Span: Span{Position: Position{File: "a", Line: 2, Column: 1}}}
	second := &Problem{Code: "e", Message: "m", Span: Span{Position: Position{File: "b", Line: 1, Column: 1}}}
	list := List{second, first, warning}
	list.Sort()
	if list[0] != warning || list[1] != first || list[2] != second {
		t.Errorf("sorted as %v", list)
	}
	if (List{warning}).Err() != nil {
		t.Error("a warning alone is an error")
	}
	var back List
	if err := list.Err(); !errors.As(err, &back) || len(back) != 3 {
		t.Errorf("Err gives %v", err)
	}
}

func TestProblemJSON(t *testing.T) {
	text, err := json.Marshal(&Problem{
		Span: Span{Position{"a.yaml", 3, 7}, 2, "x"}, Severity: Warning,
		Code: "c", Path: "p", Message: "m", Hint: "h",
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"code":"c","severity":"warning","message":"m","file":"a.yaml","line":3,"column":7,"path":"p","hint":"h"}`
	if string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
}
