// Command faults does to the supervisor what happens on bad days, over and over,
// and prints what came of it. The scenarios are those of the tests.
//
//	go run ./bench/faults [-rounds 50] [-only PATTERN]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	rounds := flag.Int("rounds", 50, "how often each thing is done at least")
	only := flag.String("only", "", "regular expression for the names of the scenarios to run")
	flag.Parse()
	if err := run(*rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// errBad says that the table shows what must not be.
var errBad = errors.New("not everything is as it must be")
