package generate

import (
	"errors"
	"fmt"
	"path"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

func acceptXinetd(s *Scope, a *appfile.App) diag.List {
	p := planXinetd(a)
	list := acceptStarter(s, a)
	list = append(list, acceptPerRequest(a, "xinetd")...)
	if a.Addr().Host == "localhost" {
		list = append(list, a.Problem("listen.tcp", codeCannotCarry, "xinetd listens at one address, and localhost may have two", "write 127.0.0.1 or [::1]"))
	}
	return append(list, p.acceptWords()...)
}

// acceptWords refuses what has to stand in the service itself and can not.
func (p *xinetdPlan) acceptWords() diag.List {
	var list diag.List
	for _, name := range p.app.CGI.EnvPass {
		if !fitsXinetdLine(name) {
			list = append(list, p.app.Problem("cgi.env_pass", codeCannotQuote, fmt.Sprintf("xinetd cuts lines of more than %d bytes, and one name has as many", maxXinetdLine), "use a shorter name"))
		}
	}
	if !p.script {
		return list
	}
	program := path.Join(p.options.WrapperDir, scriptName(p.app))
	_, err := quote.Xinetd(program)
	qe, ok := errors.AsType[*quote.Error](err)
	switch {
	case ok:
		list = append(list, p.app.Problem("options.xinetd.wrapper_dir", codeCannotQuote, qe.Error(), "use a path without it"))
	case !fitsXinetdLine(program):
		list = append(list, p.app.Problem("options.xinetd.wrapper_dir", codeCannotQuote, fmt.Sprintf("xinetd cuts lines of more than %d bytes", maxXinetdLine), "use a shorter path"))
	}
	return list
}
