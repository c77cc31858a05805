package multilogtest

import (
	"testing"
)

// TestCases plays every rule with every program.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, p := range programs(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for _, s := range cases() {
				t.Run(s.Name, func(t *testing.T) { compare(t, p, s) })
			}
		})
	}
}

// TestPauses plays the rules that make multilog pause.
func TestPauses(t *testing.T) {
	t.Parallel()
	for _, p := range programs(t) {
		for _, s := range slowCases() {
			t.Run(p.name+": "+s.Name, func(t *testing.T) {
				t.Parallel()
				compare(t, p, s)
			})
		}
	}
}

// compare plays a scenario and compares its transcript with the model's.
func compare(t *testing.T, p candidate, s Scenario) {
	t.Helper()
	if got, want := drive(t, p.Program, s), p.model.Predict(s); got != want {
		t.Errorf("%s\n%s", describe(s), difference(got, want))
	}
}
