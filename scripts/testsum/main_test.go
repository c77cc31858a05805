package main

import (
	"bytes"
	"strings"
	"testing"
)

// events is what "go test -json" writes for one package with a test of each end.
const events = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"    a_test.go:3: chatter\n"}
{"Action":"attr","Package":"p","Test":"TestGood","Key":"sum","Value":"3 of 3 answer"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"=== ATTR  TestGood sum 3 of 3 answer\n"}
{"Action":"attr","Package":"p","Test":"TestGood","Key":"other","Value":"of no interest"}
{"Action":"pass","Package":"p","Test":"TestGood","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"attr","Package":"p","Test":"TestBad","Key":"sum","Value":"1 of 2 answers"}
{"Action":"output","Package":"p","Test":"TestBad","Output":"=== ATTR  TestBad sum 1 of 2 answers\n"}
{"Action":"output","Package":"p","Test":"TestBad","Output":"    a_test.go:7: got 1, want 2\n"}
{"Action":"output","Package":"p","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestBad","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestLeftOut","Output":"    need.go:32: nginx is not on this machine\n"}
{"Action":"skip","Package":"p","Test":"TestLeftOut","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestB","Output":"    need.go:32: nginx is not on this machine\n"}
{"Action":"skip","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestC","Output":"    need.go:32: nginx is not on this machine\n"}
{"Action":"skip","Package":"p","Test":"TestC","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestD","Output":"    need.go:32: nginx is not on this machine\n"}
{"Action":"skip","Package":"p","Test":"TestD","Elapsed":0}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.012s\n"}
{"Action":"fail","Package":"p","Elapsed":0.012}
{"ImportPath":"q","Action":"build-output","Output":"q/q.go:1:1: expected 'package'\n"}
not JSON at all
{"Action":"output","Package":"q","Output":"FAIL\tq [build failed]\n"}
{"Action":"fail","Package":"q","Elapsed":0}
{"Action":"output","Package":"r","Output":"ok  \tr\t0.1s\n"}
{"Action":"pass","Package":"r"}
`

const shown = `    a_test.go:7: got 1, want 2
--- FAIL: TestBad (0.00s)
FAIL	p	0.012s
FAIL
q/q.go:1:1: expected 'package'
not JSON at all
FAIL	q [build failed]
ok  	r	0.1s
SKIP 4, nginx is not on this machine: p TestLeftOut, p TestB, p TestC, …
3 of 3 answer
1 of 2 answers
tests: 1 passed, 2 failed, 4 skipped
`

func TestSummary(t *testing.T) {
	var b bytes.Buffer
	s := summary{w: &b}
	if err := s.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	s.finish()
	if b.String() != shown {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), shown)
	}
}

func TestReadRefusesEndlessLine(t *testing.T) {
	s := summary{w: new(bytes.Buffer)}
	if err := s.read(strings.NewReader(strings.Repeat("x", maxLine+1))); err == nil {
		t.Error("a line longer than maxLine was taken")
	}
}
