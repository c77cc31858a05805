// Command actor plays the services of the fault runs: it prints numbered lines,
// writes down what of them its pipe has accepted, and notices other copies of
// itself. It also plays hostile services, and systemd where a supervisor is started
// with descriptors.
package main
