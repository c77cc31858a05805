package supervise

import "golang.org/x/sys/unix"

// command is something that a control FIFO asks for: an event of the machine, or
// a signal.
type command struct {
	letter byte // in runit's control folder
	event  Event
	signal unix.Signal // 0: it is an event
	group  bool        // the signal is for its process group
	log    bool        // it is for the log
	reload bool
}

// letterSignal are the letters that send one, and mean the same to all who know them.
//
// Source: svc.c of daemontools 0.76 and of daemontools-encore 1.11, sv.c of runit
// 2.1.2, s6-svc.c of s6 2.11.
func letterSignal(letter byte) unix.Signal {
	switch letter {
	case 'p':
		return unix.SIGSTOP
	case 'c':
		return unix.SIGCONT
	case 'h':
		return unix.SIGHUP
	case 'a':
		return unix.SIGALRM
	case 'i':
		return unix.SIGINT
	case 't':
		return unix.SIGTERM
	case 'k':
		return unix.SIGKILL
	case 'q':
		return unix.SIGQUIT
	case '1':
		return unix.SIGUSR1
	case '2':
		return unix.SIGUSR2
	case 'b':
		return unix.SIGABRT
	case 'w', 'y':
		return unix.SIGWINCH
	}
	return 0
}

// groupSignal are s6's letters for the process group.
//
// Source: s6-svc.c of s6 2.12.
func groupSignal(letter byte) unix.Signal {
	switch letter {
	case 'P':
		return unix.SIGSTOP
	case 'C':
		return unix.SIGCONT
	case 'K':
		return unix.SIGKILL
	}
	return 0
}

// parseCommands reads what one read of a control FIFO gave. Letters that nobody
// knows are ignored, such as the newline of "echo t > control".
//
// Two letters mean different things to different families. x, where nothing
// before it in the same read asks for an end, is the dialect's: svc -x waits for
// the service to end, sv exit ends it. l is encore's prefix for "what follows is
// for the main service" where something follows, and else a wish to reload.
//
// Encore's other prefixes are L, what follows is for the log, and + and =, signals
// that follow are for the process group, or for the process.
func parseCommands(letters []byte, dialect Dialect) []command {
	var list []command
	ended := false // d, o or encore's l stand before
	group, log := false, false
	for i, letter := range letters {
		c := command{letter: letter, log: log}
		switch letter {
		case 'u', 'U':
			c.event = EventUp
		case 'd', 'D':
			c.event, ended = EventDown, true
		case 'o':
			c.event, ended = EventOnce, true
		case 'O', 'Q':
			c.event, ended = EventAtMost, true
		case 'r':
			c.event = EventRestart
		case 'x':
			c.event = EventExit
			if dialect == Runit && !ended {
				c.event = EventStopExit
			}
		case 'l':
			log = false
			if i+1 < len(letters) && letters[i+1] != '\n' {
				ended = true
				continue
			}
			c.log, c.reload = false, true
		case 'L':
			log = true
			continue
		case '+', '=':
			group = letter == '+'
			continue
		default:
			c.signal, c.group = letterSignal(letter), group
			if signal := groupSignal(letter); signal != 0 {
				c.signal, c.group = signal, true
			}
			if c.signal == 0 {
				continue
			}
		}
		list = append(list, c)
	}
	return list
}
