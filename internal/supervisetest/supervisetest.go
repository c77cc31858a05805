// Package supervisetest starts scgi-run's supervisor, and those of daemontools,
// runit and s6, on folders of services, for tests of what their tools, a kill and
// hostile services do to them.
package supervisetest
