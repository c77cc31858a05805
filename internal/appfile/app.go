// Package appfile reads app descriptions: YAML in, an App out, strictly, with
// the place of every value and all problems of a file at once.
//
// The structs below are the schema. Their tags hold the key (yaml), the
// default, and the text that "scgikit explain", the JSON schema and
// docs/description.md print; there is no second list of fields.
package appfile

import "time"

// APIVersion is the only version of the description there is.
const APIVersion = "scgikit/v1"

// App is one app description after profiles, settings, variables and defaults.
//
// Fields that may differ from one backend to the next (run, wsgi, listen, log)
// are those of the first one here; Instances has them all.
type App struct {
	APIVersion  string            `yaml:"apiVersion" required:"true" format:"version" doc:"version of this format"`
	Name        string            `yaml:"name" required:"true" format:"name" doc:"name of the app and of its files; in apps/NAME.yaml it is the file's name"`
	Description string            `yaml:"description" default:"${name}" format:"line" doc:"what the app is, in one line"`
	Type        Type              `yaml:"type" required:"true" doc:"server: a program that listens by itself; cgi: a script or a folder of scripts; wsgi: a Python callable"`
	Protocol    Protocol          `yaml:"protocol" default:"scgi" doc:"what the web server speaks to it"`
	Labels      map[string]string `yaml:"labels" format:"label" doc:"copied to orchestrator targets and JSON output only"`
	Run         Run               `yaml:"run" doc:"how the program runs"`
	CGI         CGI               `yaml:"cgi" doc:"for type cgi: the script or the folder of scripts"`
	WSGI        WSGI              `yaml:"wsgi" doc:"for type wsgi: the callable and how Python runs it"`
	Listen      Listen            `yaml:"listen" doc:"the socket between the web server and the app"`
	HTTP        HTTP              `yaml:"http" doc:"what the web server does with requests for the app"`
	Health      Health            `yaml:"health" doc:"the request that verify, doctor and probes send"`
	Log         Log               `yaml:"log" doc:"where the app's output goes, and how it rotates"`
	Security    Security          `yaml:"security" doc:"what the app may do"`
	Targets     []string          `yaml:"targets" doc:"what a bare generate or install takes"`
	Options     Options           `yaml:"options" doc:"keys that one target alone understands, by target"`
	Container   Container         `yaml:"container" doc:"for orchestrator targets"`
	Hosts       []Host            `yaml:"hosts" doc:"machines, where there are several"`
	Vars        map[string]string `yaml:"vars" format:"envname" doc:"values for ${vars.NAME}"`
	VarsFromEnv []string          `yaml:"vars_from_env" format:"envname" doc:"outer environment variables that ${vars.NAME} may name; one that is set wins over vars"`

	File      string `yaml:"-"` // base name of the description, for generated headers: "blog.yaml"
	Index     int    `yaml:"-"` // which backend this is, from 1
	Instances []*App `yaml:"-"` // every backend, in order; one that has Index set holds none

	origins      map[string]Origin
	optionShapes map[string]*shape
}

// Type is what kind of program an app is.
type Type string

// The types of app.
const (
	TypeServer Type = "server"
	TypeCGI    Type = "cgi"
	TypeWSGI   Type = "wsgi"
)

// Values lists every type.
func (Type) Values() []string { return []string{"server", "cgi", "wsgi"} }

// Protocol is what a web server speaks to an app.
type Protocol string

// The protocols.
const (
	SCGI    Protocol = "scgi"
	FastCGI Protocol = "fastcgi"
	AJP     Protocol = "ajp"
	UWSGI   Protocol = "uwsgi"
	HTTP1   Protocol = "http"
)

// Values lists every protocol.
func (Protocol) Values() []string { return []string{"scgi", "fastcgi", "ajp", "uwsgi", "http"} }

// RunMode says who keeps a program running.
type RunMode string

// The run modes.
const (
	RunAuto       RunMode = "auto"
	RunPerRequest RunMode = "per-request"
	RunResident   RunMode = "resident"
)

// Values lists every run mode.
func (RunMode) Values() []string { return []string{"auto", "per-request", "resident"} }

// Run is how the program runs.
type Run struct {
	Mode                RunMode           `yaml:"mode" default:"auto" doc:"per-request: a super-server starts it for each connection; resident: it keeps running (for cgi and wsgi the bridge does, and starts one process a request); auto: what the target implies"`
	Command             []string          `yaml:"command" doc:"program and arguments, never a shell string; required for type server"`
	Directory           string            `yaml:"directory" default:"/" doc:"working directory; a relative program is looked up there" format:"path"`
	User                string            `yaml:"user" required:"true" doc:"user the program runs as" format:"user"`
	Group               string            `yaml:"group" doc:"group the program runs as; default is the user's" format:"user"`
	SupplementaryGroups []string          `yaml:"supplementary_groups" doc:"further groups; never inherited from the supervisor" format:"user"`
	Umask               Mode              `yaml:"umask" default:"0027" doc:"file mode creation mask"`
	Env                 map[string]string `yaml:"env" doc:"environment variables; upper and lower case are kept" format:"env"`
	EnvFile             string            `yaml:"env_file" doc:"file of NAME=value lines read at start; must not be readable by others" format:"file"`
	Secrets             map[string]Secret `yaml:"secrets" doc:"environment variables whose value stands in a file; only the reference is ever rendered" format:"env"`
	Instances           int               `yaml:"instances" default:"1" min:"1" max:"64" doc:"number of backends, on successive ports or numbered sockets"`
	MaxConcurrent       int               `yaml:"max_concurrent" default:"16" min:"1" max:"65535" doc:"requests served at once by per-request starters and the bridge"`
	RequestTimeout      time.Duration     `yaml:"request_timeout" default:"60s" doc:"per-request: the process group is killed after this"`
	StartTimeout        time.Duration     `yaml:"start_timeout" default:"10s" doc:"time until the program must be ready"`
	StopSignal          Signal            `yaml:"stop_signal" default:"TERM" doc:"signal that asks the program to end"`
	StopTimeout         time.Duration     `yaml:"stop_timeout" default:"10s" doc:"time until the process group is killed"`
	Restart             Restart           `yaml:"restart" doc:"what happens when a resident program ends"`
	Limits              Limits            `yaml:"limits" doc:"resource limits of the program"`
	Nice                int               `yaml:"nice" default:"0" min:"-20" max:"19" doc:"scheduling priority"`
}

// Secret is a value that stands in a file of its own.
type Secret struct {
	File string `yaml:"file" required:"true" doc:"file that holds the value; read on the target machine" format:"file"`
}

// Signal is the name of a signal without SIG.
type Signal string

// Values lists the signals that can ask a program to end.
func (Signal) Values() []string {
	return []string{"TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL"}
}

// Restart says what happens when a resident program ends.
type Restart struct {
	Policy   RestartPolicy `yaml:"policy" default:"always" doc:"when the program is started again"`
	Delay    time.Duration `yaml:"delay" default:"1s" min:"0s" doc:"pause before the first restart"`
	MaxDelay time.Duration `yaml:"max_delay" default:"60s" doc:"the pause grows up to this"`
	Burst    int           `yaml:"burst" default:"5" min:"1" max:"1000" doc:"this many ends within window make the app failing; it is still retried at max_delay"`
	Window   time.Duration `yaml:"window" default:"60s" doc:"see burst"`
}

// RestartPolicy says after which ends a program is started again.
type RestartPolicy string

// The restart policies.
const (
	RestartAlways    RestartPolicy = "always"
	RestartOnFailure RestartPolicy = "on-failure"
	RestartNever     RestartPolicy = "never"
)

// Values lists every policy.
func (RestartPolicy) Values() []string { return []string{"always", "on-failure", "never"} }

// Limits are resource limits; nil leaves what the starter has.
type Limits struct {
	NoFile     *int64 `yaml:"nofile" min:"1" doc:"open files"`
	NProc      *int64 `yaml:"nproc" min:"1" doc:"processes of the user"`
	Memory     *Size  `yaml:"memory" min:"1" doc:"address space"`
	Core       *Size  `yaml:"core" default:"0" min:"0" doc:"size of a core file"`
	CPUSeconds *int64 `yaml:"cpu_seconds" min:"1" doc:"processor time"`
}

// CGI is the script or the folder of scripts of an app of type cgi.
type CGI struct {
	Script         string    `yaml:"script" doc:"one program" format:"file"`
	Directory      string    `yaml:"directory" doc:"a folder of programs" format:"dir"`
	Arguments      []string  `yaml:"arguments" doc:"arguments of script"`
	AddStatus      bool      `yaml:"add_status" default:"true" doc:"add the Status line where a script leaves it out"`
	FollowSymlinks bool      `yaml:"follow_symlinks" default:"false" doc:"run scripts that are links; what they lead to must lie under directory"`
	Allow          []Refused `yaml:"allow" doc:"scripts that are run although they are refused by default: hidden ones, backup copies by their names, those that everybody may write to, set-uid ones, those of a third owner"`
	EnvPass        []string  `yaml:"env_pass" default:"PATH,LANG,TZ" doc:"outer variables that scripts see" format:"envname"`
	PassParams     []string  `yaml:"pass_params" doc:"names beyond the CGI ones that the web server's parameters may set; run.env is the better place and wins" format:"envname"`
	Handoff        bool      `yaml:"handoff" default:"false" doc:"give the connection itself to the script"`
	StreamBody     bool      `yaml:"stream_body" default:"false" doc:"start the script before the body is complete"`
}

// Refused is a reason for which a script is not run.
type Refused string

// Values lists what scgi-run bridge --allow takes.
func (Refused) Values() []string {
	return []string{"hidden", "backup", "writable", "setuid", "owner"}
}

// WSGI is the Python callable of an app of type wsgi.
type WSGI struct {
	Module  string     `yaml:"module" format:"module" doc:"the callable; required for type wsgi"`
	Python  string     `yaml:"python" default:"/usr/bin/python3" doc:"the interpreter" format:"file"`
	Path    []string   `yaml:"path" doc:"sys.path entries; default is run.directory" format:"path"`
	Server  WSGIServer `yaml:"server" default:"builtin" doc:"what calls the callable; custom means run.command"`
	Style   WSGIStyle  `yaml:"style" doc:"prefork: workers; zygote: imported once, a fresh fork a request; once: a process a request; default is prefork when resident and once when per-request"`
	Workers int        `yaml:"workers" default:"1" min:"1" max:"1024" doc:"processes"`
	Threads int        `yaml:"threads" default:"1" min:"1" max:"1024" doc:"threads a process, of uwsgi"`
}

// WSGIServer is what calls the WSGI callable.
type WSGIServer string

// The WSGI servers.
const (
	WSGIBuiltin WSGIServer = "builtin"
	WSGIUWSGI   WSGIServer = "uwsgi"
	WSGICustom  WSGIServer = "custom"
)

// Values lists every WSGI server.
func (WSGIServer) Values() []string { return []string{"builtin", "uwsgi", "custom"} }

// WSGIStyle is how the built-in WSGI server uses processes.
type WSGIStyle string

// The styles; the empty one is chosen by the run mode.
const (
	WSGIAuto    WSGIStyle = ""
	WSGIOnce    WSGIStyle = "once"
	WSGIPrefork WSGIStyle = "prefork"
	WSGIZygote  WSGIStyle = "zygote"
)

// Values lists every style that can be written.
func (WSGIStyle) Values() []string { return []string{"prefork", "zygote", "once"} }

// Listen is the socket between the web server and the app.
type Listen struct {
	TCP     string `yaml:"tcp" doc:"address and port; one outside loopback needs security.allow_public_listen" format:"hostport"`
	Unix    string `yaml:"unix" doc:"path of a socket" format:"socket"`
	User    string `yaml:"user" doc:"owner of the socket; default is run.user" format:"user"`
	Group   string `yaml:"group" doc:"group of the socket; default is the web server's" format:"user"`
	Mode    Mode   `yaml:"mode" default:"0660" doc:"mode of the socket; the web server needs the write bit, as its owner where listen.user is set, else as its group"`
	Backlog int    `yaml:"backlog" default:"128" min:"1" max:"65535" doc:"connections that may wait"`
}

// HTTP is what the web server does with requests for an app.
type HTTP struct {
	Host              StringList        `yaml:"host" doc:"server names, as a list or as one text; default is any" format:"servername"`
	Mount             string            `yaml:"mount" required:"true" doc:"where the app stands: /blog/ or /blog, a prefix at a segment border that never matches /blog2" format:"mount"`
	RedirectBare      bool              `yaml:"redirect_bare" default:"true" doc:"answer /blog with a redirect to /blog/"`
	BaseURL           string            `yaml:"base_url" doc:"address of the site, for absolute redirects" format:"url"`
	Static            []Static          `yaml:"static" doc:"folders that the web server serves from disk; the longest prefix wins"`
	MaxBody           Size              `yaml:"max_body" default:"10MiB" min:"0" doc:"largest request body; 0 is no limit"`
	Timeouts          Timeouts          `yaml:"timeouts" doc:"how long the web server waits for the app"`
	Buffering         bool              `yaml:"buffering" default:"true" doc:"collect the answer before it is sent; false streams it"`
	Params            map[string]string `yaml:"params" doc:"extra parameters, constants" format:"param"`
	PassHeaders       []string          `yaml:"pass_headers" doc:"answer headers that the web server would drop" format:"header"`
	HideHeaders       []string          `yaml:"hide_headers" doc:"answer headers that do not reach the browser" format:"header"`
	RelativeRedirects Redirects         `yaml:"relative_redirects" default:"pass" doc:"pass: the browser sees a 302 with a relative Location; internal: the web server resolves it"`
	Allow             []string          `yaml:"allow" doc:"networks that may ask; then all others may not" format:"cidr"`
	Deny              []string          `yaml:"deny" doc:"networks that may not ask" format:"cidr"`
	Balance           Balance           `yaml:"balance" doc:"how requests are spread over several backends"`
	Extra             Extra             `yaml:"extra" doc:"files included inside the location; shown in review as not checked"`
}

// Static is a folder that the web server serves from disk.
type Static struct {
	URL     string        `yaml:"url" required:"true" doc:"URL prefix" format:"urlprefix"`
	Dir     string        `yaml:"dir" required:"true" doc:"folder on disk" format:"dir"`
	Expires time.Duration `yaml:"expires" min:"0s" doc:"how long browsers may keep the files"`
	Index   string        `yaml:"index" doc:"file that answers for a folder" format:"filename"`
}

// Timeouts is how long the web server waits for an app.
type Timeouts struct {
	Connect time.Duration `yaml:"connect" default:"5s" doc:"for a connection"`
	Send    time.Duration `yaml:"send" default:"60s" doc:"between two writes of the request"`
	Read    time.Duration `yaml:"read" default:"60s" doc:"between two reads of the answer"`
}

// Redirects says what becomes of an answer with a relative Location.
type Redirects string

// The ways to treat relative redirects.
const (
	RedirectsPass     Redirects = "pass"
	RedirectsInternal Redirects = "internal"
)

// Values lists both ways.
func (Redirects) Values() []string { return []string{"pass", "internal"} }

// Balance is how requests are spread over several backends.
type Balance struct {
	Method      BalanceMethod `yaml:"method" default:"round-robin" doc:"which backend is next"`
	MaxFails    int           `yaml:"max_fails" default:"1" min:"0" max:"1000" doc:"failures that take a backend out"`
	FailTimeout time.Duration `yaml:"fail_timeout" default:"10s" doc:"how long it stays out"`
}

// BalanceMethod chooses the next backend.
type BalanceMethod string

// The methods.
const (
	RoundRobin BalanceMethod = "round-robin"
	LeastConn  BalanceMethod = "least-conn"
	IPHash     BalanceMethod = "ip-hash"
)

// Values lists every method.
func (BalanceMethod) Values() []string { return []string{"round-robin", "least-conn", "ip-hash"} }

// Extra names files that a web server includes inside the location.
type Extra struct {
	Nginx    string `yaml:"nginx" doc:"file for nginx" format:"file"`
	Lighttpd string `yaml:"lighttpd" doc:"file for Lighttpd" format:"file"`
	Apache   string `yaml:"apache" doc:"file for Apache" format:"file"`
}

// Health is the request that verify, doctor and probes send.
type Health struct {
	Path     string        `yaml:"path" doc:"URL path; default is http.mount" format:"urlpath"`
	Expect   string        `yaml:"expect" default:"200-399" format:"expect" doc:"status codes that mean the app is well"`
	Interval time.Duration `yaml:"interval" default:"10s" doc:"time between two requests"`
	Timeout  time.Duration `yaml:"timeout" default:"2s" doc:"time for one request"`
	Failures int           `yaml:"failures" default:"3" min:"1" max:"1000" doc:"failures in a row that make the app unhealthy"`
}

// Log is where an app's output goes.
type Log struct {
	Dir         string        `yaml:"dir" default:"/var/log/scgikit/${name}" doc:"folder of the log, with a numbered one in it for each of several instances; not inside a folder that the program may write, because root creates it" format:"path"`
	User        string        `yaml:"user" doc:"user of the logger; default is run.user" format:"user"`
	Timestamp   Timestamp     `yaml:"timestamp" default:"tai64n" doc:"stamp before each line; iso is UTC"`
	MaxSize     Size          `yaml:"max_size" default:"1MiB" min:"4096" doc:"size at which the file is rotated"`
	Keep        int           `yaml:"keep" default:"10" min:"1" max:"100000" doc:"rotated files kept"`
	MaxTotal    *Size         `yaml:"max_total" min:"1" doc:"size of all rotated files together; the oldest are removed"`
	MaxAge      time.Duration `yaml:"max_age" min:"1s" doc:"age at which rotated files are removed, when the next file is rotated or the logger starts"`
	RotateAfter time.Duration `yaml:"rotate_after" min:"1s" doc:"age at which the file is rotated whatever its size, unless it is empty"`
	Compress    Compression   `yaml:"compress" default:"none" doc:"of rotated files"`
	Filter      []string      `yaml:"filter" doc:"what is kept of the log; the last pattern that matches a line decides" format:"logfilter"`
	Processor   []string      `yaml:"processor" doc:"program and arguments run on each rotated file, as multilog's !"`
}

// Timestamp is the stamp before each log line.
type Timestamp string

// The stamps.
const (
	StampTAI64N Timestamp = "tai64n"
	StampISO    Timestamp = "iso"
	StampNone   Timestamp = "none"
)

// Values lists every stamp.
func (Timestamp) Values() []string { return []string{"tai64n", "iso", "none"} }

// Compression is the format of rotated log files.
type Compression string

// The formats.
const (
	CompressNone Compression = "none"
	CompressGzip Compression = "gzip"
	CompressZstd Compression = "zstd"
)

// Values lists every format.
func (Compression) Values() []string { return []string{"none", "gzip", "zstd"} }

// Security is what an app may do.
type Security struct {
	AllowRoot         bool      `yaml:"allow_root" default:"false" doc:"the program may run as root"`
	AllowPublicListen bool      `yaml:"allow_public_listen" default:"false" doc:"listen.tcp may be outside loopback; SCGI has no authentication"`
	Hardening         Hardening `yaml:"hardening" default:"standard" doc:"how much of the machine the program sees (systemd exposure at most 2.5 for standard, 1.0 for strict)"`
	Writable          []string  `yaml:"writable" doc:"folders the program may write; default is log.dir" format:"path"`
	Chroot            string    `yaml:"chroot" doc:"root folder of the program" format:"path"`
}

// Hardening is how much of the machine a program sees.
type Hardening string

// The levels.
const (
	HardenNone     Hardening = "none"
	HardenStandard Hardening = "standard"
	HardenStrict   Hardening = "strict"
)

// Values lists every level.
func (Hardening) Values() []string { return []string{"none", "standard", "strict"} }

// Options holds the decoded options of each target the description names: a
// pointer to the struct that the target declared.
type Options map[string]any

// Container is for orchestrator targets.
type Container struct {
	Image       string            `yaml:"image" doc:"image of the app"`
	WebImage    string            `yaml:"web_image" doc:"image of the web server"`
	Port        int               `yaml:"port" min:"0" max:"65535" doc:"port of the web server"`
	Replicas    int               `yaml:"replicas" default:"1" min:"0" max:"10000" doc:"copies"`
	Resources   map[string]string `yaml:"resources" doc:"requests and limits"`
	ServiceType string            `yaml:"service_type" doc:"kind of service"`
	IngressHost string            `yaml:"ingress_host" doc:"host name of the ingress" format:"host"`
}

// Host is one machine.
type Host struct {
	Name    string   `yaml:"name" required:"true" doc:"name of the machine" format:"host"`
	Address string   `yaml:"address" doc:"its address" format:"host"`
	Roles   []string `yaml:"roles" doc:"what it does"`
}
