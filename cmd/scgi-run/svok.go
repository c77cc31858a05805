package main

import (
	"os"

	"scgikit/bridge"
	"scgikit/internal/chainload"
	"scgikit/internal/djberr"
	"scgikit/internal/servicedir"
)

const svokHelp = `  Is there a supervisor?

    svok /service/blog && echo yes

Says by its exit code whether a service is supervised, whether it is up or down.

usage: scgi-run svok FOLDER

exit codes: 0 it is, 100 it is not or wrong usage, 111 trouble
`

// runSvok is svok of daemontools 0.76.
func runSvok(args []string) int {
	const fatal = "svok: fatal: unable to "
	if len(args) == 0 {
		return complain(chainload.ExitUsage, "svok: usage: svok dir")
	}
	if err := os.Chdir(args[0]); err != nil {
		return complain(chainload.ExitTemporary, fatal+"chdir to "+args[0]+": "+djberr.Text(err))
	}
	yes, err := servicedir.Supervised(".")
	switch {
	case err != nil:
		return complain(chainload.ExitTemporary, fatal+"open "+args[0]+"/"+servicedir.OK+": "+djberr.Text(err))
	case yes:
		return bridge.ExitOK
	default:
		return chainload.ExitUsage
	}
}
