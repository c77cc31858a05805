// Package loopback finds ports for servers that must be told theirs before they
// start.
package loopback

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Host is the address that the ports are free on.
const Host = "127.0.0.1"

// The ports that are looked at end below those that Linux (32768) and most
// other systems (49152) hand out by themselves. A port from there may be given
// to somebody else between this look and the start of the server: to a client's
// connection, or to a test that runs beside this one.
const (
	lowest = 10000
	above  = 32768
)

// tries is how many places are looked at; on a machine where so many are taken,
// something else is wrong.
const tries = 200

// FreePorts returns the first of n ports in a row that nothing listens on, n at
// least 1. They are free now, and not reserved.
func FreePorts(n int) (first int, err error) {
	for range tries {
		first := lowest + rand.IntN(above-lowest-n) //nolint:gosec // nobody is to be kept from guessing it
		if free(first, n) {
			return first, nil
		}
	}
	return 0, errors.New("no free port on " + Host + " was found")
}

// Addr returns an address with a free port.
func Addr() (string, error) {
	port, err := FreePorts(1)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(Host, strconv.Itoa(port)), nil
}

// free listens on all of the ports at once, for a moment.
func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort(Host, strconv.Itoa(port)))
		if err != nil {
			return false
		}
		defer l.Close() //nolint:errcheck // nothing was sent
	}
	return true
}
