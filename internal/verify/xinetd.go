package verify

import (
	"fmt"
	"path"
	"strings"

	"scgikit/internal/fileset"
	"scgikit/internal/inetdconf"
)

// xinetdPlace is the place of a file with a service of xinetd.
const xinetdPlace = "xinetd.d"

// checkXinetd reads each file as xinetd does, which has no test of its own, and
// leaves out without a word a file whose name it does not take.
func checkXinetd(files []fileset.File) []Result {
	r := Result{Target: "xinetd", Checker: "xinetd.d"}
	addresses := make(map[string]string)
	for i := range files {
		f := &files[i]
		if f.Place != xinetdPlace || f.Kind != fileset.Regular {
			continue
		}
		r.Files++
		complain := func(line int, message string) {
			r.Complaints = append(r.Complaints, Complaint{Path: f.Path, Line: line, Message: message})
		}
		if name := path.Base(f.Path); strings.Contains(name, ".") || strings.HasSuffix(name, "~") {
			complain(0, "xinetd reads no file with a dot in its name, or a ~ at its end")
		}
		services, problems := inetdconf.ParseXinetd(string(f.Data))
		for _, p := range problems {
			complain(p.Line, p.Message)
		}
		if len(services) != 1 {
			complain(0, fmt.Sprintf("xinetd reads %d services in it, not one", len(services)))
		}
		for _, s := range services {
			address := fmt.Sprintf("%s %d", s.Bind, s.Port)
			if other := addresses[address]; other != "" {
				complain(s.Line, "xinetd leaves out the second service at an address; "+other+" has it")
			}
			addresses[address] = f.Path
		}
	}
	switch {
	case r.Files == 0:
		return nil
	case len(r.Complaints) > 0:
		r.Outcome = Rejected
	}
	return []Result{r}
}
