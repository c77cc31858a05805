package generate

import (
	"net/netip"
	"slices"
	"strings"

	"scgikit/internal/appfile"
)

// systemdSandbox is what of the machine a service sees, by security.hardening.
// The exposure that systemd-analyze security gives is at most 2.5 for standard
// and 1.0 for strict.
//
// Source: systemd.exec(5) Sandboxing, systemd.resource-control(5).
type systemdSandbox struct {
	None, Strict bool
	Home         string // ProtectHome=
	PrivateTmp   bool
	Families     []string // of sockets that the program may make
	NoNetwork    bool
	LocalNetwork bool // addresses of the machine itself alone
}

func sandboxOf(a *appfile.App) systemdSandbox {
	level := a.Security.Hardening
	s := systemdSandbox{
		None: level == appfile.HardenNone, Strict: level == appfile.HardenStrict,
		Home: "yes", PrivateTmp: true, Families: []string{"AF_UNIX", "AF_INET", "AF_INET6"},
	}
	for _, p := range pathsOf(a) {
		if isBelow(p, "/home", "/root", "/run/user") {
			s.Home = "read-only"
		}
		if isBelow(p, "/tmp", "/var/tmp") {
			s.PrivateTmp = false
		}
	}
	if !s.Strict {
		return s
	}
	if systemdListens(a) || a.Addr().Unix != "" {
		s.NoNetwork, s.Families = true, []string{"AF_UNIX"}
	} else {
		s.LocalNetwork = !isPublic(a.Addr())
	}
	return s
}

// pathsOf returns what the description names of the machine that the program
// has to see. Words of a command and variables count where they look like a path.
func pathsOf(a *appfile.App) []string {
	var paths []string
	for _, inst := range a.Instances {
		paths = append(paths, inst.Run.Directory)
		if inst.IsSet("security.writable") {
			paths = append(paths, inst.Security.Writable...)
		}
		paths = slices.Concat(paths, inst.Run.Command, inst.CGI.Arguments, inst.WSGI.Path)
		paths = append(paths, inst.WSGI.Python, inst.CGI.Script, inst.CGI.Directory)
		for _, value := range inst.Run.Env {
			paths = append(paths, value)
		}
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return !strings.HasPrefix(p, "/") })
	slices.Sort(paths)
	return slices.Compact(paths)
}

func isBelow(p string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") })
}

// isPublic reports whether other machines can reach an address.
func isPublic(addr appfile.Addr) bool {
	ip, err := netip.ParseAddr(addr.Host)
	return err == nil && !ip.Unmap().IsLoopback()
}
