package generate

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
)

// A bridge that keeps running under launchd makes its socket itself, as run.user:
// launchd knows accounts that are in no file, and scgi-run, were it root, could not
// become them. So the socket belongs to run.user, and has the group of its folder,
// as every new file on macOS.

// launchdBridge returns the files of an app for which scgi-run keeps running.
func launchdBridge(a *appfile.App) []Spec {
	specs := launchdInstance(a, a)
	if folder, ok := launchdOwnFolder(a); ok {
		specs = append(specs, folder.spec(a))
	}
	return specs
}

// bridgeCommand puts the words of scgi-run in the script of an app that it answers
// for.
func (d *launchdScript) bridgeCommand(a *appfile.App, o *launchdOptions) {
	// What only the superuser may lower, launchd has lowered before; and nobody but
	// root could give the socket away.
	plain := *a
	plain.Run.Nice = 0
	plain.Listen.User, plain.Listen.Group = "", ""
	listen, command := listenCommand(&plain, false), scgiRunResident(&plain, "fd:0")
	d.Bridge = true
	d.Command = slices.Concat([]string{o.SCGIRun}, listen.Flags, listen.Rest, []string{o.SCGIRun}, command.Flags)
	d.Rest = command.Rest
}

// launchdOwn is the folder of a socket that scgi-run makes as run.user.
type launchdOwn struct {
	Path, User, Group string
	Open              bool // everybody may enter it
}

// launchdOwnFolder returns that folder. There is none for a port, and for root, who
// needs none of its own where everybody may connect.
func launchdOwnFolder(a *appfile.App) (launchdOwn, bool) {
	if a.Addr().Unix == "" {
		return launchdOwn{}, false
	}
	f := launchdOwn{Path: path.Dir(a.Addr().Unix), User: a.Run.User, Group: a.Run.Group, Open: a.Listen.Mode&0o002 != 0}
	if a.Listen.Mode&0o020 != 0 {
		f.Group = a.Listen.Group
	}
	return f, true
}

func (f launchdOwn) spec(a *appfile.App) Spec {
	s := Spec{
		Path: a.Name + ".socket", Kind: fileset.Dir, Mode: 0o750, User: f.User, Group: f.Group, Place: f.Path, Apps: []*appfile.App{a},
	}
	if f.Open {
		s.Mode = 0o755
	}
	return s
}

// String is the folder for people.
func (f launchdOwn) String() string {
	mode := "0750"
	if f.Open {
		mode = "0755"
	}
	return fmt.Sprintf("%s, %s %s", f.Path, ownerText(f.User, f.Group), mode)
}

// bridge checks an app for which scgi-run keeps running.
func (c *launchdCheck) bridge(s *Scope) {
	a := c.a
	c.list = append(c.list, acceptResidentBridge(a, launchdName, "")...)
	c.ownSocket()
	if mine, ok := launchdOwnFolder(a); ok {
		c.sameFolder(s, mine)
	}
}

// ownSocket checks that run.user can make the socket, and that it is then what the
// description says.
func (c *launchdCheck) ownSocket() {
	a, user := c.a, c.a.Run.User
	each := "; or set run.mode to per-request, so that launchd makes the socket"
	if byUWSGI(a) {
		each = ""
	}
	addr := a.Addr()
	if addr.Unix == "" {
		if addr.Port < firstFreePort && user != "root" {
			c.refuse("listen.tcp", fmt.Sprintf("scgi-run keeps running as %s, which may not listen at a port below %d", user, firstFreePort), "use another port"+each)
		}
		return
	}
	switch {
	case a.Listen.User != user:
		c.refuse("listen.user", fmt.Sprintf("scgi-run keeps running as %s, and its socket is of no other user", user), "let the web server in by listen.group"+each)
	case a.Listen.Mode&0o070 != 0 && a.Listen.Group == "":
		c.refuse("listen.group", fmt.Sprintf("the socket needs the group that listen.mode %s lets in, and none is set", a.Listen.Mode),
			"set it to the web server's group, such as _www")
	}
	dir := path.Dir(addr.Unix)
	hint := "give it a folder of its own that stays, such as /usr/local/var/" + a.Name + "/socket"
	switch {
	case slices.Contains(sharedFolders[:], dir) || slices.Contains(bootFolders[:], dir):
		c.refuse("listen.unix", fmt.Sprintf("scgi-run makes the socket as %s, and %s belongs to others too", user, dir), hint+each)
	case belowBootFolder(dir):
		c.refuse("listen.unix", fmt.Sprintf("%s is gone when the machine has started again, and %s can not make it", dir, user), hint)
	}
}

// belowBootFolder reports whether a folder is gone when the machine has started again.
func belowBootFolder(dir string) bool {
	return slices.ContainsFunc(bootFolders[:], func(boot string) bool { return strings.HasPrefix(dir, boot+"/") })
}

// sameFolder refuses a folder that another app's socket needs with another owner.
func (c *launchdCheck) sameFolder(s *Scope, mine launchdOwn) {
	const hint = "give each app a folder of its own"
	for _, other := range s.Apps {
		if other.Name == c.a.Name || fitsLaunchd(other) != "" || !bridged(other) || path.Dir(other.Addr().Unix) != mine.Path {
			continue
		}
		theirs, _ := launchdOwnFolder(other)
		switch {
		case perRequest(other):
			c.refuse("listen.unix", fmt.Sprintf("the folder %s would be %s's, and launchd makes the socket of %s in it", mine.Path, mine.User, other.Name), hint)
			return
		case other.Name < c.a.Name && theirs != mine:
			c.refuse("listen.unix", fmt.Sprintf("the folder would be %s, and for %s it is %s", mine, other.Name, theirs), hint)
			return
		}
	}
}
