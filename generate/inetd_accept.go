package generate

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/inetdconf"
	"scgikit/internal/quote"
)

func acceptInetd(s *Scope, a *appfile.App) diag.List {
	p := planInetd(a)
	if p.options.Dialect == "" {
		return diag.List{a.Problem("options.inetd", codeMissing, "options.inetd.dialect is missing",
			"set it to the inetd of the machine: "+strings.Join(p.options.Dialect.Values(), ", "))}
	}
	list := acceptStarter(s, a)
	list = append(list, acceptPerRequest(a, fmt.Sprintf("inetd (%s)", p.options.Dialect))...)
	list = append(list, p.acceptLimits()...)
	if a.Addr().Unix != "" {
		list = append(list, p.acceptSocket(s)...)
	} else {
		list = append(list, p.acceptPort()...)
	}
	if !list.HasErrors() {
		list = append(list, p.acceptLine()...)
	}
	return list
}

// refuse returns a problem that says what this dialect can not do.
func (p *inetdPlan) refuse(field, message, hint string) *diag.Problem {
	return p.app.Problem(field, codeCannotCarry, fmt.Sprintf("inetd (%s) %s", p.options.Dialect, message), hint)
}

// maxChildrenFreeBSD is MAX_MAXCHLD of FreeBSD's inetd, above which it drops
// the whole entry.
const maxChildrenFreeBSD = 32767

func (p *inetdPlan) acceptLimits() diag.List {
	a := p.app
	var list diag.List
	switch {
	case p.options.Dialect != inetdconf.FreeBSD && a.IsSet("run.max_concurrent"):
		list = append(list, a.Warning("run.max_concurrent", codeNotCarried,
			fmt.Sprintf("inetd (%s) does not carry it: it has a limit of starts a minute, and none of processes at a time", p.options.Dialect),
			"limit the connections in the web server"))
	case p.options.Dialect == inetdconf.FreeBSD && a.Run.MaxConcurrent > maxChildrenFreeBSD:
		list = append(list, p.refuse("run.max_concurrent", fmt.Sprintf("takes at most %d", maxChildrenFreeBSD), "use a smaller number"))
	}
	return list
}

func (p *inetdPlan) acceptPort() diag.List {
	if p.options.Dialect != inetdconf.FreeBSD {
		return nil
	}
	switch {
	case p.options.Service == "":
		return diag.List{p.refuse("listen.tcp", "knows a port only by its name in /etc/services, and listens on every address then",
			"use listen.unix; or add a name for the port to /etc/services, and set options.inetd.service and security.allow_public_listen")}
	case !p.app.Security.AllowPublicListen:
		return diag.List{p.refuse("options.inetd.service", "listens on every address of the machine, and SCGI has no authentication",
			"use listen.unix; or set security.allow_public_listen once a firewall guards the port")}
	}
	return nil
}

func (p *inetdPlan) acceptSocket(s *Scope) diag.List {
	a := p.app
	switch p.options.Dialect {
	case inetdconf.Inetutils:
		return diag.List{p.refuse("listen.unix", "has no sockets on disk", "use listen.tcp, such as 127.0.0.1:8040")}
	case inetdconf.FreeBSD:
		return p.acceptOwner()
	case inetdconf.NetBSD, inetdconf.Busybox:
		if mode := 0o777 &^ p.options.Umask; mode&0o002 == 0 {
			return diag.List{p.refuse("options.inetd.umask",
				fmt.Sprintf("makes every socket root's with mode %s (0777 without its own umask %s), so only root can connect", mode, p.options.Umask),
				"start inetd with umask 0 and set options.inetd.umask to \"0000\": the folder then guards the socket; or use listen.tcp")}
		}
	case inetdconf.OpenBSD:
	}
	list := p.acceptOwner()
	f := p.folder()
	if f == nil {
		return list
	}
	list = append(list, p.acceptFolder(f)...)
	for _, other := range s.Apps {
		if other.Name >= a.Name {
			continue
		}
		q := planInetd(other)
		if g := q.folder(); g != nil && g.Path == f.Path && *g != *f {
			list = append(list, p.refuse("listen.unix",
				fmt.Sprintf("lets into %s whom %s lets in (%s:%s %s), and this app wants %s:%s %s", f.Path, other.Name, g.User, g.Group, g.Mode, f.User, f.Group, f.Mode),
				"give each app a folder of its own"))
		}
	}
	return list
}

// acceptOwner checks the owner and group of the socket or its folder.
func (p *inetdPlan) acceptOwner() diag.List {
	a := p.app
	var list diag.List
	if a.Listen.Group == "" && a.Listen.Mode&0o070 != 0 {
		list = append(list, p.refuse("listen.group", fmt.Sprintf("needs the group that listen.mode %s lets in, and none is set", a.Listen.Mode),
			"set it to the web server's group, such as www or www-data"))
	}
	if isNumber(a.Listen.User) && a.IsSet("listen.user") {
		list = append(list, p.refuse("listen.user", "looks a user up by name, and "+a.Listen.User+" is a number", "write the name"))
	}
	if isNumber(a.Listen.Group) {
		list = append(list, p.refuse("listen.group", "looks a group up by name, and "+a.Listen.Group+" is a number", "write the name"))
	}
	return list
}

// sharedFolders are folders that other programs live in as well, so nobody can
// be kept out of them.
var sharedFolders = [...]string{"/", "/dev", "/dev/shm", "/etc", "/run", "/srv", "/tmp", "/var", "/var/run", "/var/tmp"}

func (p *inetdPlan) acceptFolder(f *inetdFolder) diag.List {
	made := "0666"
	if p.options.Dialect != inetdconf.OpenBSD {
		made = (0o777 &^ p.options.Umask).String()
	}
	if slices.Contains(sharedFolders[:], f.Path) {
		return diag.List{p.refuse("listen.unix",
			fmt.Sprintf("makes every socket root's with mode %s, so listen.mode %s can only be kept by the folder, and %s belongs to others too", made, p.app.Listen.Mode, f.Path),
			"give the socket a folder of its own, such as /run/scgikit/"+p.app.Name+"/socket")}
	}
	if strings.Trim(f.Path, plainInetd) != "" || strings.Contains(f.Path, "%") {
		return diag.List{p.refuse("listen.unix", "needs a folder for the socket whose name is plain", "use letters, digits, and . _ - in it")}
	}
	return nil
}

// acceptLine refuses the words that the line itself can not carry.
func (p *inetdPlan) acceptLine() diag.List {
	err := p.check()
	if err == nil {
		return nil
	}
	if mismatch, ok := errors.AsType[*inetdMismatch](err); ok {
		return diag.List{p.app.Problem(mismatch.field, codeCannotQuote, mismatch.Error(), mismatch.hint)}
	}
	return diag.List{p.app.Problem("name", codeCannotQuote, err.Error(), "")}
}

// inetdMismatch is a value that inetd would not read back from the line.
type inetdMismatch struct {
	field, message, hint string
}

func (e *inetdMismatch) Error() string { return e.message }

// check reads the line back as the inetd of the dialect would, and requires
// the words that went into it.
func (p *inetdPlan) check() error {
	quoteWord := inetdQuotes()[string(p.options.Dialect)+".conf.tmpl"]
	line, err := quoteLine(quoteWord, p.words())
	if err != nil {
		return p.mismatch(err)
	}
	entries, problems := inetdconf.Parse(p.options.Dialect, line+"\n")
	if len(problems) > 0 || len(entries) != 1 {
		return p.mismatch(fmt.Errorf("inetd (%s) does not take the line: %v", p.options.Dialect, problems))
	}
	return p.compare(&entries[0])
}

func quoteLine(quoteWord func(string) (string, error), words []string) (string, error) {
	quoted := make([]string, len(words))
	for i, word := range words {
		var err error
		if quoted[i], err = quoteWord(word); err != nil {
			return "", err
		}
	}
	return strings.Join(quoted, " "), nil
}

// mismatch names the field behind an error of the whole line.
func (p *inetdPlan) mismatch(err error) error {
	field := p.addressField()
	if qe, ok := errors.AsType[*quote.Error](err); ok {
		program, _ := p.program()
		if qe.Value == program {
			field = "options.inetd.wrapper_dir"
			if program == p.options.SCGIRun {
				field = "options.inetd.scgi_run"
			}
		}
		return &inetdMismatch{field, qe.Error(), "use a path without it"}
	}
	return &inetdMismatch{field, err.Error(), "use a shorter path"}
}

func (p *inetdPlan) addressField() string {
	switch {
	case p.app.Addr().Unix != "":
		return "listen.unix"
	case p.options.Dialect == inetdconf.FreeBSD:
		return "options.inetd.service"
	}
	return "listen.tcp"
}

// compare requires that an entry says what it was meant to.
func (p *inetdPlan) compare(got *inetdconf.Entry) error {
	a := p.app
	if got.User != a.Run.User || got.Group != a.Run.Group {
		field, hint := "run.user", "use a name without a dot"
		switch {
		case strings.Contains(a.Run.Group, "."):
			field = "run.group"
		case a.Run.Group == "":
			hint += ", or name run.group as well"
		}
		return &inetdMismatch{
			field, fmt.Sprintf("inetd (%s) reads %s as the user %q and the group %q", p.options.Dialect, p.words()[4], got.User, got.Group),
			hint,
		}
	}
	host, service := "", p.options.Service
	addr := a.Addr()
	switch {
	case addr.Unix != "":
		service = addr.Unix
	case p.options.Dialect != inetdconf.FreeBSD:
		host, service = addr.Host, fmt.Sprint(addr.Port)
	}
	if got.Host != host || got.Service != service {
		return &inetdMismatch{
			p.addressField(), fmt.Sprintf("inetd (%s) reads %s as the address %q and the service %q", p.options.Dialect, p.address(), got.Host, got.Service),
			"use a path without a colon",
		}
	}
	program, args := p.program()
	if got.Program != program || !reflect.DeepEqual(got.Args, args) || got.Protocol != p.protocol() || got.Wait {
		return fmt.Errorf("inetd (%s) reads another command than was meant: %q %q", p.options.Dialect, got.Program, got.Args)
	}
	return nil
}
