package generate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

func acceptApache(s *Scope, a *appfile.App) diag.List {
	list := append(acceptWeb(s, a), acceptDepth(s, a)...)
	list = append(list, acceptExtra(s, a, a.HTTP.Extra.Apache, "*?[]")...)
	for _, option := range []struct{ key, dir string }{{"root", apacheOptionsOf(a).Root}, {"mount_point", apacheOptionsOf(a).MountPoint}} {
		if strings.ContainsAny(option.dir, "*?[]") {
			list = append(list, a.Problem("options.apache."+option.key, codeCannotQuote, "apache takes *, ? and [] in the path of a folder for a pattern", "use a folder without them"))
		}
	}
	if apacheOptionsOf(a).As == apacheVHost {
		list = append(list, acceptHostBlock(s, a, apacheHostBlock)...)
	} else {
		list = append(list, noHostHere(s, a, "the virtual host")...)
		for _, key := range []string{"listen", "root"} {
			if a.IsSet("options.apache." + key) {
				list = append(list, a.Warning("options.apache."+key, codeNotCarried, "belongs to a virtual host", "set options.apache.as: vhost, or remove it"))
			}
		}
	}
	for i, h := range a.HTTP.PassHeaders {
		if strings.EqualFold(h, "Status") {
			list = append(list, a.Problem(fmt.Sprintf("http.pass_headers[%d]", i), codeCannotCarry, "apache never passes the Status line of the app on", "remove it"))
		}
	}
	if a.Protocol == appfile.SCGI && a.IsSet("http.buffering") && a.HTTP.Buffering {
		list = append(list, a.Warning("http.buffering", codeNotCarried, "apache passes an answer on as it comes", "nothing is lost; remove the key where no other web server needs it"))
	}
	for i, st := range a.HTTP.Static {
		field := fmt.Sprintf("http.static[%d]", i)
		if strings.ContainsAny(st.Dir, "*?[]") {
			list = append(list, a.Problem(field+".dir", codeCannotQuote, "apache takes *, ? and [] in the path of a folder for a pattern", "use a folder without them"))
		}
		if strings.ContainsAny(st.Index, "%#?") || strings.EqualFold(st.Index, "disabled") {
			list = append(list, a.Problem(field+".index", codeCannotQuote, "apache reads it as a URL, and disabled as a word of its own", "use a name without %, # and ?"))
		}
		list = append(list, warnRounding(s, a, map[string]time.Duration{field + ".expires": st.Expires})...)
		list = append(list, sharedFolder(s, a, i)...)
	}
	if apacheOptionsOf(a).Module == apacheSCGI {
		return append(list, acceptModSCGI(s, a)...)
	}
	if a.Protocol != appfile.SCGI && a.HTTP.RelativeRedirects == appfile.RedirectsInternal {
		list = append(list, a.Warning("http.relative_redirects", codeNotCarried,
			fmt.Sprintf("apache passes relative redirects of an app that speaks %s on; the browser follows them", a.Protocol), "the page is the same; remove the key"))
	}
	if a.IsSet("options.apache.ajp_secret") && a.Protocol != appfile.AJP {
		list = append(list, a.Problem("options.apache.ajp_secret", codeNotCarried, "belongs to protocol ajp", "remove it"))
	}
	if strings.ContainsAny(apacheOptionsOf(a).AJPSecret, "*?[]") {
		list = append(list, a.Problem("options.apache.ajp_secret", codeCannotQuote, "apache takes *, ? and [] in the path of an include for a pattern", "name one file without them"))
	}
	if strings.ContainsAny(a.Listen.Unix, "|%#?<>") {
		list = append(list, a.Problem("listen.unix", codeCannotQuote, "apache reads | % # ? < and > in the path of a socket as parts of a URL", "use a path without them"))
	}
	list = append(list, longSocket(s, a, maxApacheSocket)...)
	t := a.HTTP.Timeouts
	if t.Send != t.Read && a.IsSet("http.timeouts.send") {
		list = append(list, a.Warning("http.timeouts.send", codeNotCarried,
			fmt.Sprintf("apache has one time for sending and reading: %s", max(t.Send, t.Read)), "set both to one value"))
	}
	list = append(list, warnRounding(s, a, map[string]time.Duration{"http.timeouts.send": t.Send, "http.timeouts.read": t.Read})...)
	if len(a.Backends()) > 1 {
		if a.HTTP.Balance.Method == appfile.IPHash {
			list = append(list, a.Problem("http.balance.method", codeCannotCarry, "apache has no balancing by the client's address", "set round-robin or least-conn"))
		}
		if a.Protocol == appfile.FastCGI && a.HTTP.Balance.MaxFails > 0 {
			list = append(list, a.Warning("protocol", codeNotCarried,
				"apache sends a request, a POST as well, to another backend where the first ends a FastCGI connection without an answer",
				"set http.balance.max_fails: 0 where a request that fails is better than one that is made twice, or another protocol"))
		}
		if a.HTTP.Balance.MaxFails > 1 {
			list = append(list, a.Problem("http.balance.max_fails", codeCannotCarry, "apache takes a backend out at its first failure", "set 1, or 0 for never"))
		}
		list = append(list, warnRounding(s, a, map[string]time.Duration{"http.balance.fail_timeout": a.HTTP.Balance.FailTimeout})...)
	}
	return list
}

// maxApacheSocket is what the path of a socket may have in mod_proxy, less than in the
// kernel. Longer ones make Apache refuse all of its configuration.
//
// Source: PROXY_WORKER_MAX_NAME_SIZE in mod_proxy.h, less the byte behind the text;
// measured with 2.4.71.
const maxApacheSocket = 95

// acceptModSCGI returns what mod_scgi adds: it speaks TCP to one backend, and
// turns every answer with a relative Location into a request of its own.
func acceptModSCGI(s *Scope, a *appfile.App) diag.List {
	const hint = "set options.apache.module: proxy"
	var list diag.List
	if a.Protocol != appfile.SCGI {
		list = append(list, a.Problem("protocol", codeCannotCarry, "mod_scgi speaks SCGI only", "set protocol: scgi, or "+hint))
	}
	if a.HTTP.RelativeRedirects == appfile.RedirectsPass {
		list = append(list, a.Problem("options.apache.module", codeCannotCarry,
			"mod_scgi cannot pass a relative redirect on: it asks the app again, with GET, and answers 200", "set http.relative_redirects: internal if the app can bear that, or "+hint))
	}
	if a.Listen.Unix != "" {
		list = append(list, a.Problem("listen.unix", codeCannotCarry, "mod_scgi speaks TCP only", "set listen.tcp, or "+hint))
	}
	if len(a.Backends()) > 1 {
		list = append(list, a.Problem("run.instances", codeCannotCarry, "mod_scgi knows one backend", hint))
	}
	for _, field := range []string{"http.timeouts.connect", "http.timeouts.send"} {
		if a.IsSet(field) {
			list = append(list, a.Warning(field, codeNotCarried, "mod_scgi has one timeout, that of http.timeouts.read", hint))
		}
	}
	list = append(list, warnRounding(s, a, map[string]time.Duration{"http.timeouts.read": a.HTTP.Timeouts.Read})...)
	list = append(list, a.Warning("options.apache.module", "mod-scgi",
		"mod_scgi answers chunked uploads with 411, always passes the Authorization header on, and tries a dead backend for 15 seconds", hint))
	if len(a.HTTP.Params) > 0 {
		list = append(list, reachesInner(s, a, "http.params", hint)...)
	}
	if len(a.HTTP.HideHeaders) > 0 {
		list = append(list, reachesInner(s, a, "http.hide_headers", hint)...)
	}
	return list
}

// reachesInner warns that a field of an app holds for apps mounted below it as
// well, because <Location> sections add up.
func reachesInner(s *Scope, a *appfile.App, field, hint string) diag.List {
	var list diag.List
	for _, other := range s.Project.Apps {
		if other == a || !strings.HasPrefix(other.HTTP.Mount, a.HTTP.Mount) || apacheOptionsOf(other).Module != apacheSCGI {
			continue
		}
		p := a.Warning(field, "mod-scgi", "with mod_scgi it reaches "+other.Name+" as well, which is mounted below", hint)
		span := other.Origin("http.mount").Span
		p.Other = &span
		list = append(list, p)
	}
	return list
}

// sharedFolder refuses a folder that another app serves in another way: a
// <Directory> section is one for the whole server.
func sharedFolder(s *Scope, a *appfile.App, i int) diag.List {
	st := a.HTTP.Static[i]
	for _, other := range s.Project.Apps {
		for j, theirs := range other.HTTP.Static {
			if other == a && j >= i {
				break
			}
			if theirs.Dir != st.Dir || theirs.Expires == st.Expires && theirs.Index == st.Index &&
				slices.Equal(other.HTTP.Allow, a.HTTP.Allow) && slices.Equal(other.HTTP.Deny, a.HTTP.Deny) {
				continue
			}
			p := a.Problem(fmt.Sprintf("http.static[%d].dir", i), "shared-folder",
				"apache has one set of rules for a folder, and "+other.Name+" serves it with others", "give both the same expires, index, allow and deny")
			span := other.Origin(fmt.Sprintf("http.static[%d].dir", j)).Span
			p.Other = &span
			return diag.List{p}
		}
	}
	return nil
}
