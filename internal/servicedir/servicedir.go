// Package servicedir is a supervised folder as everybody sees it who is not its
// supervisor: the status file that the tools of daemontools, runit and s6 read
// alike, the FIFOs and the lock beside it, and what scgikit's own supervisor
// says in addition.
//
// Source: supervise.c and svstat.c of daemontools 0.76; runsv.c and sv.c of
// runit 2.1.2; s6-svstatus.h and s6_svstatus_unpack.c of s6 2.11.
package servicedir

// Names in a service folder.
const (
	Dir     = "supervise"
	Lock    = Dir + "/lock"
	Control = Dir + "/control"
	OK      = Dir + "/ok"
	Stat    = Dir + "/status"
	Text    = Dir + "/stat" // runit's words for people
	PID     = Dir + "/pid"
	More    = Dir + "/scgikit.json"

	DownFile = "down" // in the service folder itself: not to be started with its supervisor
)
