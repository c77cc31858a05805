package main

import "scgikit/bridge"

// runConfined is what the bridge starts a script through that has limits. It is
// no program for people: what goes wrong it tells the bridge.
func runConfined(args []string) int {
	var limits []bridge.Limit
	rest, err := parseFlags([]option{limitFlag(&limits)}, args)
	if err == nil && len(rest) == 0 {
		err = usageError("no program named")
	}
	if err != nil {
		return misuse(bridge.ConfinedProgram, err.Error())
	}
	return bridge.RunConfined(limits, rest)
}
