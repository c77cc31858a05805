package main

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/djberr"
	"scgikit/internal/servicedir"
)

const svstatHelp = `  What are the services doing?

    svstat /service/*

Prints a line for each service: up or down, for how many seconds, and what it is
supposed to be.

usage: scgi-run svstat [FOLDER…]

exit codes: 0 whatever there was to print, 111 no way back to the working
directory
`

// runSvstat is svstat of daemontools 0.76. What it prints comes after all
// folders have been looked at, or when it is as much as the original's buffer
// holds several times over.
func runSvstat(args []string) int {
	out := &output{file: os.Stdout, buf: make([]byte, 0, filterSize)}
	code := eachFolder("svstat", args, func(dir string, err error) {
		text := "unable to chdir: " + djberr.Text(err)
		if err == nil {
			text = statusText()
		}
		out.add([]byte(dir + ": " + text + "\n"))
	})
	if code == 0 {
		out.flush() // an error of which is not looked at either
	}
	return code
}

// statusText says what svstat says of the service in the working directory.
func statusText() string {
	normallyUp, err := servicedir.NormallyUp(".")
	if err != nil {
		return troubleText(err)
	}
	status, err := servicedir.Read(".")
	if err != nil {
		return troubleText(err)
	}
	return status.Text(time.Now(), normallyUp)
}

func troubleText(err error) string {
	failed, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return djberr.Text(err)
	}
	if failed.Path == servicedir.OK && failed.Err == unix.ENXIO { //nolint:errorlint // an errno as it came
		return servicedir.ErrNotSupervised.Error()
	}
	return "unable to " + failed.Op + " " + failed.Path + ": " + djberr.Text(failed.Err)
}
