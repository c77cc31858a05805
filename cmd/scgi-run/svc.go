package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"scgikit/bridge"
	"scgikit/internal/chainload"
	"scgikit/internal/djberr"
	"scgikit/internal/servicedir"
)

const svcHelp = `  Stop a service, and start it again:

    svc -d /service/blog
    svc -u /service/blog

Tells the supervisors of services what to do.

usage: scgi-run svc [-udopchaitkx] [FOLDER…]

flags:
  -u  up: start it, and again whenever it ends
  -d  down: TERM, CONT, and do not start it again
  -o  once: start it, and not again
  -p  pause: STOP
  -c  continue: CONT
  -h  HUP
  -a  ALRM
  -i  INT
  -t  TERM
  -k  KILL
  -x  exit: the supervisor ends as soon as the service is down

exit codes: 0 also where a supervisor was not reached, 100 wrong usage, 111 no
way back to the working directory
`

const svcUsage = "svc options: u up, d down, o once, x exit, p pause, c continue, h hup, a alarm, i interrupt, t term, k kill"

// runSvc is svc of daemontools 0.76.
func runSvc(args []string) int {
	options, dirs, err := chainload.ParseOptions("svc", "udopchaitkx", args)
	if err != nil {
		return complain(chainload.ExitUsage, err.Error()+"\n"+svcUsage)
	}
	var letters strings.Builder
	for _, o := range options {
		if strings.IndexByte(letters.String(), o.Flag) < 0 {
			letters.WriteByte(o.Flag)
		}
	}
	return eachFolder("svc", dirs, func(dir string, err error) {
		if text := sendText(dir, letters.String(), err); text != "" {
			complain(0, "svc: warning: "+text)
		}
	})
}

// sendText sends letters to the service in the working directory, unless there
// was an error on the way there, and returns what there is to complain of.
func sendText(dir, letters string, err error) string {
	if err != nil {
		return "unable to chdir to " + dir + ": " + djberr.Text(err)
	}
	err = servicedir.Send(".", letters)
	failed, _ := errors.AsType[*fs.PathError](err)
	switch {
	case err == nil:
		return ""
	case failed != nil && failed.Op == "write":
		return "error writing commands to " + dir + ": " + djberr.Text(err)
	case failed != nil && failed.Err == unix.ENXIO: //nolint:errorlint // an errno as it came
		return "unable to control " + dir + ": " + servicedir.ErrNotSupervised.Error()
	default:
		return "unable to control " + dir + ": " + djberr.Text(err)
	}
}

// eachFolder goes to one folder after the other, or hands over why it could not.
func eachFolder(program string, dirs []string, visit func(dir string, err error)) int {
	start, err := unix.Open(".", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return complain(chainload.ExitTemporary, program+": fatal: unable to open current directory: "+djberr.Text(err))
	}
	for _, dir := range dirs {
		visit(dir, os.Chdir(dir))
		if err := unix.Fchdir(start); err != nil {
			return complain(chainload.ExitTemporary, program+": fatal: unable to set directory: "+djberr.Text(err))
		}
	}
	return bridge.ExitOK
}
