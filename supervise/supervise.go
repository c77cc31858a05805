// Package supervise keeps the services of a scan folder running, and their logs
// written, in one process for all of them.
//
// Its folders are those of daemontools, runit and s6, and so are the files in
// them: the tools of all three ask and command it. What it does when is a table
// (machine.go); one loop obeys it. A second process, the keeper, does nothing but
// hold copies of every descriptor, so that a kill -9 of either of them, or of
// both, ends no service and loses no line.
//
// Source: daemontools 0.76, runit 2.1.2, s6 2.11 and their documentation.
package supervise
