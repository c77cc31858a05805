package generate

import (
	"net/netip"
	"path"
	"slices"

	"scgikit/internal/appfile"
	"scgikit/internal/quote"
)

// xinetd writes a service for the super-server, and where its words can not
// stand in one, a script that it starts instead.
//
// The program is scgi-run, started as inetd starts it. xinetd too makes the
// connection descriptor 2.
//
// Source: xinetd.conf(5), and for what that leaves out the sources of xinetd
// 2.3.15.3, which is also run in the tests.
var xinetd = &Target{
	Name:    "xinetd",
	Kind:    SuperServer,
	Summary: "a service in /etc/xinetd.d",
	Source:  "https://github.com/openSUSE/xinetd/blob/master/man/xinetd.conf.5",
	Options: new(xinetdOptions),
	Fields:  xinetdFields(),
	Fits:    fitsXinetd,
	Accept:  acceptXinetd,
	Files:   filesXinetd,
	Quote:   quote.Xinetd,
	Quotes:  map[string]func(string) (string, error){"script.tmpl": quote.Sh},
	Parts:   []string{"inetd/_envfile.tmpl", "inetd/_script.tmpl"},
}

// xinetdOptions are the keys of options.xinetd.
type xinetdOptions struct {
	OnlyFrom   []string `yaml:"only_from" format:"cidr" doc:"addresses and networks that may connect; by default this machine alone where listen.tcp is a loopback address, and elsewhere what the defaults of xinetd say"`
	Groups     bool     `yaml:"groups" default:"false" doc:"the program gets the groups that run.user has on the machine; else none but its own"`
	SCGIRun    string   `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run"`
	WrapperDir string   `yaml:"wrapper_dir" default:"/usr/local/libexec/scgikit" format:"path" doc:"folder of the scripts that xinetd starts where a service can not carry the words"`
}

func xinetdOptionsOf(a *appfile.App) xinetdOptions {
	return option(a, "xinetd", xinetdOptions{SCGIRun: plainSCGIRun, WrapperDir: plainWrapperDir})
}

func xinetdFields() Fields {
	noSocket := Field{Refused, "xinetd has no sockets on disk; " + xinetdListen}
	return superServerFields("xinetd", "logrotate", Fields{
		"run.supplementary_groups": {Refused, "xinetd gives the program the groups that its user has on the machine, or none; add the user to them there, and set options.xinetd.groups"},
		"run.max_concurrent":       {Carried, "instances; a connection above it is closed at once"},
		"listen.tcp":               {Carried, "localhost is refused"},
		"listen.unix":              noSocket,
		"listen.user":              noSocket,
		"listen.group":             noSocket,
		"listen.mode":              noSocket,
		"listen.backlog":           {Warned, "of xinetd 64 connections may wait"},
	})
}

func fitsXinetd(a *appfile.App) string {
	if why := fitsSuperServer(a, "xinetd"); why != "" || a.Addr().Unix == "" {
		return why
	}
	return "listen.unix is a socket on disk, and xinetd has none; " + xinetdListen
}

// xinetdListen says what to do about a socket on disk.
const xinetdListen = "use listen.tcp, such as 127.0.0.1:8040, or the target inetd or systemd"

// maxXinetdLine is what a line may have, with room for the name of an attribute.
// xinetd cuts a line that is longer than a block of the file system.
const maxXinetdLine = 4000

// xinetdPlan is everything that is decided about one app.
type xinetdPlan struct {
	app     *appfile.App
	options xinetdOptions
	command scgiRun
	log     string
	reasons []string // fields that only a script can carry
	script  bool     // the service starts a script, and not scgi-run itself
}

func planXinetd(a *appfile.App) xinetdPlan {
	p := xinetdPlan{app: a, options: xinetdOptionsOf(a), log: logPath(a)}
	p.command = scgiRunOnce(a, p.log)
	p.reasons = onlyByScript(a)
	p.script = len(p.reasons) > 0 || !fitsXinetdLine(p.options.SCGIRun) || !fitsXinetdLine(p.command.words()...)
	return p
}

// fitsXinetdLine reports whether words can be the values of one attribute.
func fitsXinetdLine(words ...string) bool {
	length := 0
	for _, word := range words {
		if _, err := quote.Xinetd(word); err != nil {
			return false
		}
		length += 1 + len(word)
	}
	return length <= maxXinetdLine
}

// xinetdService is what the template of a service is given.
type xinetdService struct {
	Service     string
	Host        string
	Port        int64
	V6Only      bool
	OnlyFrom    [][]string // lines
	User, Group string
	Groups      bool
	Umask       string
	Instances   int64
	PassEnv     [][]string // lines
	Program     string
	Args        []string // with argv[0]
}

func filesXinetd(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		p := planXinetd(a)
		// The name in /etc/xinetd.d may not have a dot, so it is the script's that has one.
		specs = append(specs, Spec{
			Path: a.Name, Mode: 0o644, Place: "xinetd.d", Apps: []*appfile.App{a}, Template: "service.tmpl", Data: p.service(),
		})
		if p.script {
			specs = append(specs, Spec{
				Path: scriptName(a), Mode: 0o755, Place: p.options.WrapperDir, Apps: []*appfile.App{a}, Template: "script.tmpl",
				Data: onceScript(a, "xinetd", p.options.SCGIRun, p.command, p.log, p.reasons),
			})
		}
		if p.log != "" {
			specs = append(specs, logFolder(a, a))
		}
	}
	return specs, nil
}

func scriptName(a *appfile.App) string { return a.Name + ".sh" }

func (p *xinetdPlan) service() xinetdService {
	a, addr := p.app, p.app.Addr()
	data := xinetdService{
		// Not the bare name: xinetd lets everybody use a service called "logging".
		Service: a.Name + "-scgi",
		Host:    addr.Host, Port: int64(addr.Port), V6Only: addr.Host == "::", OnlyFrom: p.onlyFrom(),
		User: a.Run.User, Group: a.Run.Group, Groups: p.options.Groups, Umask: a.Run.Umask.String(), Instances: int64(a.Run.MaxConcurrent),
		// What scgi-run is to give the program, and nothing else of xinetd's.
		PassEnv: xinetdLines(a.CGI.EnvPass),
		Program: p.options.SCGIRun, Args: p.command.words(),
	}
	if p.script {
		data.Program, data.Args = path.Join(p.options.WrapperDir, scriptName(a)), []string{a.Name}
	}
	return data
}

// onlyFrom returns who may connect, as lines; none leaves it to the defaults of
// xinetd.
func (p *xinetdPlan) onlyFrom() [][]string {
	var words []string
	for _, network := range p.options.OnlyFrom {
		words = append(words, xinetdNetwork(network))
	}
	if len(words) == 0 && !isPublic(p.app.Addr()) {
		words = []string{"127.0.0.0/8", "::1"}
	}
	if len(words) == 0 {
		return nil
	}
	return xinetdLines(words)
}

// xinetdNetwork writes an address or a network. To xinetd an IPv4 address that
// ends in 0 is a network unless its bits are there, and an IPv6 one with 128
// bits is the name of a host.
//
// Source: xinetd 2.3.15.3, src/addr.c, explicit_mask, numeric_address.
func xinetdNetwork(network string) string {
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		addr, err := netip.ParseAddr(network)
		if err != nil {
			return network // the format of the option has refused it
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	addr := prefix.Addr()
	if prefix.IsSingleIP() && (addr.Is6() || addr.As4()[3] != 0) {
		return addr.String()
	}
	return prefix.String()
}

// xinetdLines cuts words into lines, of which there is one at least: the first
// sets an attribute, even to nothing, and the others add to it.
func xinetdLines(words []string) [][]string {
	lines := [][]string{nil}
	for _, word := range words {
		last := &lines[len(lines)-1]
		if !fitsXinetdLine(slices.Concat(*last, []string{word})...) && len(*last) > 0 {
			lines = append(lines, nil)
			last = &lines[len(lines)-1]
		}
		*last = append(*last, word)
	}
	return lines
}
