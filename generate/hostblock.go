package generate

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// hostBlock is what a whole server block of nginx, or a virtual host of Apache,
// is written with besides its hosts and apps.
type hostBlock struct {
	Listen  []string // as nginx writes them: 80, 127.0.0.1:8080, [::]:80
	Root    string
	Default bool
}

// hostBlockOf returns the block of an app, and whether the app has one.
type hostBlockOf func(*appfile.App) (hostBlock, bool)

// hostGroup is the apps that stand in one block.
type hostGroup struct {
	hostBlock
	hosts []string
	apps  []*appfile.App // the longest mount first, as the servers decide
}

// groupByHosts returns the blocks of a run, in the order of their first apps.
func groupByHosts(s *Scope, of hostBlockOf) []*hostGroup {
	var groups []*hostGroup
	byHosts := make(map[string]*hostGroup)
	for _, a := range s.Apps {
		block, ok := of(a)
		if !ok {
			continue
		}
		hosts := hostNames(a)
		key := strings.Join(hosts, " ")
		if byHosts[key] == nil {
			byHosts[key] = &hostGroup{hostBlock: block, hosts: hosts}
			groups = append(groups, byHosts[key])
		}
		byHosts[key].apps = append(byHosts[key].apps, a)
	}
	for _, g := range groups {
		slices.SortStableFunc(g.apps, func(a, b *appfile.App) int { return len(b.HTTP.Mount) - len(a.HTTP.Mount) })
	}
	return groups
}

// fileName names the file of a block by its first host. The number before it
// puts files in the order that Apache needs, where the first of several blocks
// that match a host wins, and the very first takes the hosts that none names;
// nginx keeps the second rule alone. So a block for any host comes first, then
// those for a name, and of those with a pattern the longer one.
func (g *hostGroup) fileName() string {
	if len(g.hosts) == 0 {
		return "10-default"
	}
	number := 50
	for _, h := range g.hosts {
		if strings.HasPrefix(h, "*") {
			number = max(number, 99-min(strings.Count(h, "."), 39))
		}
	}
	name := strings.NewReplacer("*", "_", ":", "-", "[", "", "]", "").Replace(g.hosts[0])
	if len(name) > maxHostInFile {
		digest := sha256.Sum256([]byte(name))
		name = fmt.Sprintf("%s-%x", name[:maxHostInFile], digest[:4])
	}
	return fmt.Sprintf("%d-%s", number, name)
}

// maxHostInFile is how much of a host stands in the name of a file, which has 255 bytes
// at most, also where it is installed with more in front; a host has 253.
const maxHostInFile = 180

// listenSyntax is a port, or an address with one; further words of the
// directive would need a look of their own.
var listenSyntax = regexp.MustCompile(`^((?:[0-9.]+|\[[0-9a-fA-F:.]+\]|\*|localhost):)?([0-9]{1,5})$`)

// wrongListen says what is wrong with an address to listen on; "" is nothing.
func wrongListen(l string) (message, hint string) {
	m := listenSyntax.FindStringSubmatch(l)
	if m == nil {
		return fmt.Sprintf("%q is not an address to listen on", l), "write a port, or an address and a port: 80, 127.0.0.1:8080, [::]:80"
	}
	if port, err := strconv.ParseUint(m[2], 10, 16); err != nil || port == 0 {
		return m[2] + " is not a port", "use a number from 1 to 65535"
	}
	host := strings.Trim(strings.TrimSuffix(m[1], ":"), "[]")
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "*" && host != "localhost" {
		return fmt.Sprintf("%q is not an IP address", host), "write it in full, for example 127.0.0.1:8080 or [::1]:80"
	}
	return "", ""
}

// acceptHostBlock returns the problems of an app that has a block: addresses
// that are none, and an earlier app with which it shares the block or a part of
// its hosts. A block has one list of addresses and one root, and a host belongs
// to one block.
func acceptHostBlock(s *Scope, a *appfile.App, of hostBlockOf) diag.List {
	var list diag.List
	options := "options." + s.Target.Name
	mine, _ := of(a)
	if len(mine.Listen) == 0 {
		list = append(list, a.Problem(options+".listen", "bad-address", "is empty", "write a port, for example [80], or leave the key out"))
	}
	for i, l := range mine.Listen {
		field := fmt.Sprintf("%s.listen[%d]", options, i)
		if message, hint := wrongListen(l); message != "" {
			list = append(list, a.Problem(field, "bad-address", message, hint))
		} else if slices.ContainsFunc(mine.Listen[:i], func(o string) bool { return strings.TrimPrefix(o, "*:") == strings.TrimPrefix(l, "*:") }) {
			list = append(list, a.Problem(field, "bad-address", l+" stands twice", "remove one"))
		}
	}
	against := func(other *appfile.App, field, message, hint string) {
		p := a.Problem(field, "server-conflict", message, hint)
		span := other.Origin(field).Span
		p.Other = &span
		list = append(list, p)
	}
	hosts := hostNames(a)
	for _, other := range s.Apps {
		if other == a {
			break
		}
		theirs, ok := of(other)
		if !ok {
			continue
		}
		if otherHosts := hostNames(other); !slices.Equal(hosts, otherHosts) {
			if i := slices.IndexFunc(hosts, func(h string) bool { return slices.Contains(otherHosts, h) }); i >= 0 {
				against(other, "http.host", fmt.Sprintf("%s is a host of %s as well, next to others", hosts[i], other.Name),
					"give both apps the same hosts, or hosts of their own")
			}
			continue
		}
		for _, key := range []struct {
			name string
			same bool
		}{{"listen", slices.Equal(mine.Listen, theirs.Listen)}, {"root", mine.Root == theirs.Root}, {"default_server", mine.Default == theirs.Default}} {
			if !key.same {
				against(other, options+"."+key.name, "is not that of "+other.Name+", which has the same hosts and so stands in the same block", "give both the same value")
			}
		}
	}
	return append(list, hiddenHosts(s, a, of)...)
}

// hiddenHosts warns of an app for any host, or for a pattern of hosts, when one
// of them has a block of its own: the server looks for the app nowhere else.
func hiddenHosts(s *Scope, a *appfile.App, of hostBlockOf) diag.List {
	mine, _ := of(a)
	for _, other := range s.Apps {
		theirs, ok := of(other)
		sameAddress := slices.ContainsFunc(theirs.Listen, func(l string) bool { return slices.Contains(mine.Listen, l) })
		if !ok || !sameAddress || slices.Equal(hostNames(a), hostNames(other)) {
			continue
		}
		i := slices.IndexFunc(other.HTTP.Host, func(host string) bool {
			return len(a.HTTP.Host) == 0 || slices.ContainsFunc(a.HTTP.Host, func(h string) bool { return appfile.HostCovers(h, host) })
		})
		if i < 0 || slices.Contains(a.HTTP.Host, other.HTTP.Host[i]) {
			continue // none, or refused as a conflict
		}
		p := a.Warning("http.host", codeNotCarried,
			fmt.Sprintf("%s has a block of its own for %s, with %s in it and without %s", s.Target.Name, other.HTTP.Host[i], other.Name, a.Name),
			"give both apps the same hosts where requests for "+other.HTTP.Host[i]+" are to reach "+a.Name)
		span := other.Origin("http.host").Span
		p.Other = &span
		return diag.List{p}
	}
	return nil
}
