package importer

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

var (
	addressWord = regexp.MustCompile(`^(?:--?[A-Za-z][A-Za-z0-9-]*=)?((?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|localhost|\[[0-9a-f:.]+\]):[0-9]{1,5})$`)
	socketWord  = regexp.MustCompile(`^(?:--?[A-Za-z][A-Za-z0-9-]*=)?(unix:)?(/[^\s]+\.sock(?:et)?|/run/[^\s]+/socket)$`)
)

// guessListen takes an address that stands among the words of the command for
// the listener, where there is one alone, and says so.
func (d *draft) guessListen() {
	command, ok := d.values["run.command"]
	if !ok || d.has("listen.tcp") || d.has("listen.unix") {
		return
	}
	var found []string
	for _, word := range command.text {
		if m := addressWord.FindStringSubmatch(word); m != nil {
			found = append(found, m[1])
		}
		if m := socketWord.FindStringSubmatch(word); m != nil {
			found = append(found, m[2])
		}
	}
	slices.Sort(found)
	if found = slices.Compact(found); len(found) != 1 {
		return
	}
	address := found[0]
	if ap, err := netip.ParseAddrPort(address); err == nil {
		address = ap.String()
	}
	field := "listen.tcp"
	if strings.HasPrefix(address, "/") {
		field = "listen.unix"
	}
	d.listen(address, command.at)
	d.assume(command.at, field, "--listen names another one", "%s stands in the command, and is taken for where the program listens", address)
}

// portInCommand takes the port that a server is told in its command for the listener,
// where no address is, and says so.
func (d *draft) portInCommand() bool {
	command, ok := d.values["run.command"]
	if !ok || d.instances() > 1 {
		return false
	}
	port, why := portOf(strings.Join(command.text, " "))
	if port == 0 {
		return false
	}
	address := fmt.Sprintf("%s:%d", cmp.Or(d.loopback, "127.0.0.1"), port)
	d.listen(address, command.at)
	d.assume(command.at, "listen.tcp", "--listen names another one", "%s: %s is taken for where the program listens", why, address)
	return true
}
