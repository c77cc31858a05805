package generate

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// caddyHash is a hash of bcrypt.
var caddyHash = regexp.MustCompile(`^\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

func acceptCaddy(s *Scope, a *appfile.App) diag.List {
	o := caddyOptionsOf(a)
	list := append(acceptGateway(s, a), acceptUsers(s, a, o.Users, caddyHash.MatchString, "write what caddy hash-password prints, with $$ for each $")...)
	for i, st := range a.HTTP.Static {
		list = append(list, warnRounding(s, a, map[string]time.Duration{fmt.Sprintf("http.static[%d].expires", i): st.Expires})...)
	}
	if strings.Contains(a.Listen.Unix, ":") {
		list = append(list, a.Problem("listen.unix", codeCannotQuote, "caddy takes what stands behind a colon for a port", "use a path without a colon"))
	}
	list = append(list, acceptHidden(a, func(name string) bool { return strings.HasPrefix(name, "*") || strings.HasSuffix(name, "*") },
		"caddy takes a * at an end of a name for any letters")...)
	list = append(list, acceptCaddySite(s, a, o)...)
	if len(a.Backends()) == 1 {
		return list
	}
	if a.Protocol == appfile.HTTP1 {
		if _, ok := caddyExpect(a.Health.Expect); !ok {
			list = append(list, a.Problem("health.expect", codeCannotCarry, "caddy expects 200-399, a whole hundred or one code", "write for example 200-299"))
		}
		if a.IsSet("health.failures") {
			list = append(list, a.Warning("health.failures", codeNotCarried, "caddy 2.6 takes a backend out at the first failure", "remove it where nothing else needs it"))
		}
		return list
	}
	list = append(list, a.Warning("run.instances", codeNotCarried,
		"caddy 2.6 has no health checks for fastcgi: a GET that meets a dead backend goes to the next one, any other request is answered 502", "set protocol: http, or use another web server"))
	if a.HTTP.Balance.Method != appfile.RoundRobin {
		list = append(list, a.Problem("http.balance.method", codeCannotCarry,
			"caddy has no health checks for fastcgi, and would choose a dead backend again and again", "set round-robin, or protocol: http"))
	}
	return list
}

// acceptCaddySite looks at what belongs to a whole site.
func acceptCaddySite(s *Scope, a *appfile.App, o caddyOptions) diag.List {
	var list diag.List
	if o.As == caddySnippet {
		list = append(list, noHostHere(s, a, "the site")...)
		for _, key := range []string{"listen", "root", "scheme"} {
			if a.IsSet("options.caddy." + key) {
				list = append(list, a.Warning("options.caddy."+key, codeNotCarried, "belongs to a site", "set options.caddy.as: site, or remove it"))
			}
		}
		return list
	}
	for i, l := range o.Listen {
		if strings.Contains(l, ":") {
			list = append(list, a.Problem(fmt.Sprintf("options.caddy.listen[%d]", i), "bad-address", "a site of Caddy is named by its port", "write the port alone, and default_bind in the global options for an address"))
		}
	}
	for i, h := range a.HTTP.Host {
		if strings.HasPrefix(h, "*.") {
			list = append(list, a.Warning(fmt.Sprintf("http.host[%d]", i), codeNotCarried, "caddy takes *. for one label: x.y"+h[1:]+" is not among its hosts", "name further patterns where there are such hosts"))
		}
	}
	if o.Scheme == caddyHTTPS {
		if len(a.HTTP.Host) == 0 {
			list = append(list, a.Problem("options.caddy.scheme", codeMissing, "https needs the hosts that the certificate is for", "set http.host"))
		}
		if a.IsSet("options.caddy.listen") {
			list = append(list, a.Warning("options.caddy.listen", codeNotCarried, "a site with https answers on port 443", "remove it"))
		}
	}
	list = append(list, acceptShared(s, a, caddyOptionsOf, map[string]func(caddyOptions) string{"scheme": func(o caddyOptions) string { return string(o.Scheme) }})...)
	return append(list, acceptHostBlock(s, a, caddyHostBlock)...)
}
