// Package multilogtest says what multilog does, as a model that runs in memory,
// and runs scenarios against programs that claim to do the same. It is for
// tests.
//
// A Scenario is a folder to start with and steps: start the program, write to
// its input, send a signal, close the input. Its outcome is a transcript: exit
// codes, what was printed, what is left in the pipe, and the whole folder, with
// time stamps made equal. Predict makes the transcript of the model, Drive that
// of a program.
//
// Source: https://cr.yp.to/daemontools/multilog.html; daemontools 0.76
// multilog.c, match.c; what Debian's multilog does.
package multilogtest
