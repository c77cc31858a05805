package main

import (
	"errors"
	"io/fs"
	"os"

	"scgikit/bridge"
	"scgikit/internal/chainload"
	"scgikit/internal/djberr"
	"scgikit/internal/servicedir"
)

const svupHelp = `  Is a service up?

    svup /service/blog && echo yes

Says by its exit code whether a service is supervised and up.

usage: scgi-run svup FOLDER

exit codes: 0 it is, 100 it is not or wrong usage, 111 trouble
`

// runSvup is svup of daemontools-encore 1.11 without its flags -l and -L, which
// are for the logger that encore keeps in the same folder, and without
// SUPERVISEDIR.
//
// Source: https://untroubled.org/daemontools-encore/svup.8.html
func runSvup(args []string) int {
	const fatal = "svup: fatal: "
	_, dirs, err := chainload.ParseOptions("svup", "", args)
	if err != nil {
		return complain(chainload.ExitUsage, err.Error()+"\nsvup: usage: svup dir")
	}
	if len(dirs) == 0 {
		return complain(chainload.ExitUsage, "svup: usage: svup dir")
	}
	if err := os.Chdir(dirs[0]); err != nil {
		return complain(chainload.ExitTemporary, fatal+"unable to chdir to "+dirs[0]+": "+djberr.Text(err))
	}
	status, err := servicedir.Read(".")
	failed, _ := errors.AsType[*fs.PathError](err)
	switch {
	case errors.Is(err, servicedir.ErrNotSupervised), errors.Is(err, fs.ErrNotExist):
		return chainload.ExitUsage
	case errors.Is(err, servicedir.ErrFormat):
		return complain(chainload.ExitTemporary, fatal+"bad data in "+servicedir.Stat+": truncated file")
	case failed != nil:
		return complain(chainload.ExitTemporary, fatal+"unable to "+failed.Op+" "+failed.Path+": "+djberr.Text(err))
	case status.PID == 0:
		return chainload.ExitUsage
	}
	return bridge.ExitOK
}
