package appfile

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// Mode is a file mode or mask, permission bits only.
type Mode uint32

// String returns four octal digits: "0660".
func (m Mode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// Size is a number of bytes.
type Size int64

// String returns the size in the largest unit that divides it: "10MiB".
func (s Size) String() string {
	switch {
	case s != 0 && s%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", s>>30)
	case s != 0 && s%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", s>>20)
	case s != 0 && s%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", s>>10)
	}
	return strconv.FormatInt(int64(s), 10)
}

// StringList is a list that may be written as one string.
type StringList []string

// Addr is where one backend listens: Unix, or Host and Port.
type Addr struct {
	Unix string
	Host string // without brackets
	Port int
}

// String returns "unix:/path" or "host:port" as net.JoinHostPort writes it.
func (a Addr) String() string {
	if a.Unix != "" {
		return "unix:" + a.Unix
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// IsIPv6 reports whether the host is an IPv6 address.
func (a Addr) IsIPv6() bool {
	ip, err := netip.ParseAddr(a.Host)
	return err == nil && ip.Is6()
}

// Addr returns where the app, or this instance of it, listens.
func (a *App) Addr() Addr {
	if a.Listen.Unix != "" {
		return Addr{Unix: a.Listen.Unix}
	}
	host, portText, _ := net.SplitHostPort(a.Listen.TCP)
	port, _ := strconv.Atoi(portText)
	return Addr{Host: host, Port: port}
}

// Backends returns where each instance listens, in order.
func (a *App) Backends() []Addr {
	out := make([]Addr, 0, len(a.Instances))
	for _, inst := range a.Instances {
		out = append(out, inst.Addr())
	}
	return out
}

// Service returns the name of the service that runs this instance: the app's
// name, and "-2" and so on behind it where the app has several.
func (a *App) Service() string {
	if a.Run.Instances > 1 {
		return a.Name + "-" + strconv.Itoa(a.Index)
	}
	return a.Name
}

// LogDir returns the folder this instance logs to: log.dir, and a numbered
// folder in it where the app has several instances, because one folder takes
// one logger.
func (a *App) LogDir() string {
	if a.Run.Instances > 1 {
		return path.Join(a.Log.Dir, strconv.Itoa(a.Index))
	}
	return a.Log.Dir
}

// Ident returns the name as an identifier: "-" becomes "_".
func (a *App) Ident() string { return strings.ReplaceAll(a.Name, "-", "_") }

// Prefix returns the mount without its final slash: "/blog", or "" for "/".
// It is what SCRIPT_NAME must be on every web server.
func (a *App) Prefix() string { return strings.TrimSuffix(a.HTTP.Mount, "/") }

// Depth returns the number of path segments of the mount, 0 for "/".
func (a *App) Depth() int { return strings.Count(a.Prefix(), "/") }

// Project is the apps that are rendered together, sorted by name.
type Project struct {
	Apps []*App
}

// App returns the app of a name.
func (p *Project) App(name string) (*App, bool) {
	for _, a := range p.Apps {
		if a.Name == name {
			return a, true
		}
	}
	return nil, false
}
