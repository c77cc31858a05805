package devserver

import (
	"fmt"
	"slices"
	"strings"

	"scgikit/internal/appfile"
)

// notApplied are the fields that need root, belong to the machine, or are a web
// server's own. What dev leaves out for good reason without a difference that
// shows, such as listen.backlog, is not among them.
var notApplied = [...]string{
	"run.group", "run.supplementary_groups", "run.limits.nproc",
	"wsgi.threads",
	"listen.user", "listen.group", "listen.mode",
	"http.balance", "http.extra",
	"log.dir", "log.filter", "log.processor", "log.compress",
	"security.hardening", "security.writable", "security.chroot",
}

// Notes returns one line for each app about what its description says and a
// development server does not do; nothing for most apps.
func Notes(apps []*appfile.App) []string {
	var notes []string
	for _, a := range apps {
		var fields []string
		for _, field := range notApplied {
			if a.IsSet(field) {
				fields = append(fields, field)
			}
		}
		fields = append(fields, settingNotApplied(a)...)
		if a.HTTP.RelativeRedirects == appfile.RedirectsInternal {
			fields = append(fields, "http.relative_redirects")
		}
		if a.Protocol != appfile.SCGI && !listensItself(a) {
			fields = append(fields, "protocol")
		}
		if a.WSGI.Server == appfile.WSGIUWSGI {
			fields = append(fields, "wsgi.server")
		}
		if len(fields) > 0 {
			slices.Sort(fields)
			notes = append(notes, fmt.Sprintf("%s: not applied here: %s", a.Name, strings.Join(fields, ", ")))
		}
	}
	return notes
}

// settingNotApplied returns the fields of limits and priority that have no
// effect: scgi-run sets them for the programs that it starts, and nothing does
// for those that keep running.
func settingNotApplied(a *appfile.App) []string {
	var fields []string
	if listensItself(a) {
		for _, field := range []string{"run.limits.core", "run.limits.cpu_seconds", "run.limits.memory", "run.limits.nofile"} {
			if a.IsSet(field) {
				fields = append(fields, field)
			}
		}
	}
	if a.IsSet("run.nice") && (a.Run.Nice < 0 || listensItself(a)) {
		fields = append(fields, "run.nice")
	}
	return fields
}
