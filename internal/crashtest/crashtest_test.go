// Package crashtest runs the real log rotator and does to it what happens on
// bad days: it is killed at any moment, the disk fills up, system calls fail,
// others plant links in its folder. Its claim is one: a line that was accepted
// is in the log once, whole, in order, and nothing outside of the folder is
// touched.
//
// The claim is checked from outside, on what a program leaves on disk, so the
// same checks run on multilog, svlogd and s6-log too. Those lose lines, and the
// tests assert that they do: a check that finds nothing anywhere shows nothing.
//
// CRASHTEST_ROUNDS multiplies the number of kills, faults and attacks, half of which
// are tried without it.
package crashtest
