package appfile

import "fmt"

// The bits of a socket's mode that let someone connect: connecting needs the
// write permission, and nothing else of the mode counts.
//
// Source: unix(7), "Pathname socket ownership and permissions".
const (
	ownerWrite Mode = 0o200
	groupWrite Mode = 0o020
	otherWrite Mode = 0o002
)

// socketMode refuses a socket that no web server can connect to, and warns of
// one that everyone can.
//
// A description does not name the web server's user. It is taken to be the
// owner where listen.user is set to another user than the program's, else to
// be in the group: that is listen.group, or without it the web server's own.
// Where the owner is the program itself, a mode without the group's bit shuts
// every web server out, unless it runs as the same user, which setting
// listen.user to run.user says openly.
func (c *checker) socketMode() {
	li := &c.app.Listen
	if li.Unix == "" || !c.sound("listen") {
		return
	}
	owner, group, other := li.Mode&ownerWrite != 0, li.Mode&groupWrite != 0, li.Mode&otherWrite != 0
	field := "listen.mode"
	switch {
	case other:
		c.out.add(c.app.Warning(field, "open-socket", fmt.Sprintf("every user of the machine may connect: %s & %s (others) is not 0", li.Mode, otherWrite),
			fmt.Sprintf("use %q, and let the web server connect by its group", ((li.Mode|0o660)&0o770).String())))
	case !owner && !group:
		c.refuse(field, "socket-mode", fmt.Sprintf("nobody may connect: %s & %s (owner) and & %s (group) are both 0, and connecting needs the write permission", li.Mode, ownerWrite, groupWrite),
			`use "0660", or "0600" where listen.user is the web server's user`)
	case c.app.IsSet("listen.user") && owner, group:
		// The web server is the owner, or in the group.
	case c.app.IsSet("listen.user"):
		c.refuse(field, "socket-mode", fmt.Sprintf("listen.user %s may not connect: %s & %s (owner) is 0", li.User, li.Mode, ownerWrite),
			fmt.Sprintf("use %q", (li.Mode|0o600).String()))
	default:
		c.refuse(field, "socket-mode",
			fmt.Sprintf("the web server may not connect: the owner is %s, and %s & %s (group) is 0", li.User, li.Mode, groupWrite),
			fmt.Sprintf("use %q, or set listen.user to the web server's user", (li.Mode|0o060).String()))
	}
}
