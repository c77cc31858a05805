package verify

import (
	"strings"
	"testing"

	"scgikit/internal/fileset"
)

func plist(label, text string) fileset.File {
	return conf("launchd/"+label+".plist", "launchd", launchdPlace, text, "blog")
}

const (
	plistHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- x -->\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n"
	plistTail = "</plist>\n"
)

func dict(pairs ...string) string {
	var b strings.Builder
	b.WriteString("<dict>\n")
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("<key>" + pairs[i] + "</key>\n" + pairs[i+1] + "\n")
	}
	return b.String() + "</dict>\n"
}

// TestLaunchd: launchd ignores most of these mistakes, or does something else
// than was meant.
func TestLaunchd(t *testing.T) {
	t.Parallel()
	const label, program = "<string>x</string>", "<array><string>/bin/x</string><string></string></array>"
	socket := dict("Listeners", dict("SockType", "<string>stream</string>", "SockPathName", "<string>/run/x</string>", "SockPathMode", "<integer>432</integer>"))
	wait := dict("Wait", "<false/>")
	job := func(pairs ...string) string {
		return plistHead + dict(append([]string{"Label", label, "ProgramArguments", program}, pairs...)...) + plistTail
	}
	for name, good := range map[string]string{
		"plain":       job(),
		"program":     plistHead + dict("Label", label, "Program", "<string>/bin/x</string>") + plistTail,
		"keep alive":  job("KeepAlive", "<true/>", "RunAtLoad", "<true/>", "Nice", "<integer>-20</integer>", "Umask", "<integer>23</integer>"),
		"on failure":  job("KeepAlive", dict("SuccessfulExit", "<false/>"), "HardResourceLimits", dict("Core", "<integer>0</integer>")),
		"per request": job("inetdCompatibility", wait, "Sockets", socket),
		"paths":       job("KeepAlive", dict("PathState", dict("/x", "<true/>")), "EnvironmentVariables", dict("A", "<string>&lt;&#233;</string>")),
	} {
		if r := only(t, setOf(t, plist("x", good)), new(Options), "launchd.plist"); r.Outcome != Accepted || r.Files != 1 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for name, bad := range map[string]struct {
		text, want string
		line       int
	}{
		"unknown key":       {job("KeepAlife", "<true/>"), "no key KeepAlife", 11},
		"case":              {job("runAtLoad", "<true/>"), "no key runAtLoad", 11},
		"key below":         {job("KeepAlive", dict("SuccesfulExit", "<false/>")), "no key KeepAlive.SuccesfulExit", 13},
		"mode as text":      {job("Umask", "<string>0027</string>"), "Umask is of the type string", 11},
		"octal":             {job("Umask", "<integer>0027</integer>"), "no decimal number", 11},
		"mode too large":    {job("Umask", "<integer>660</integer>"), "Umask is 660", 11},
		"niceness":          {job("Nice", "<integer>-21</integer>"), "Nice is -21", 11},
		"boolean as text":   {job("RunAtLoad", "<string>true</string>"), "RunAtLoad is of the type string", 11},
		"boolean as number": {job("RunAtLoad", "<integer>1</integer>"), "RunAtLoad is of the type integer", 11},
		"keep alive":        {job("KeepAlive", "<integer>1</integer>"), "not dictionary or boolean", 11},
		"real":              {job("Nice", "<real>1</real>"), "real is no value", 11},
		"word":              {job("ProcessType", "<string>fast</string>"), "not one of Background", 11},
		"argument":          {plistHead + dict("Label", label, "ProgramArguments", "<array><integer>1</integer></array>") + plistTail, "ProgramArguments[0] is of the type integer", 9},
		"no program":        {plistHead + dict("Label", label) + plistTail, "no program", 5},
		"relative program":  {plistHead + dict("Label", label, "ProgramArguments", "<array><string>x</string></array>") + plistTail, "no whole path", 9},
		"no label":          {plistHead + dict("ProgramArguments", program) + plistTail, "Label is missing", 5},
		"another label":     {strings.Replace(job(), "<string>x</string>", "<string>y</string>", 1), "the label is y", 7},
		"twice":             {job("Label", label), "Label is there twice", 10},
		"no sockets":        {job("inetdCompatibility", wait), "has no Sockets", 11},
		"no wait":           {job("inetdCompatibility", dict(), "Sockets", socket), "has no Wait", 11},
		"kept alive":        {job("inetdCompatibility", wait, "Sockets", socket, "KeepAlive", "<true/>"), "without a connection", 31},
		"at load":           {job("inetdCompatibility", wait, "Sockets", socket, "RunAtLoad", "<true/>"), "without a connection", 31},
		"output":            {job("inetdCompatibility", wait, "Sockets", socket, "StandardOutPath", "<string>/x</string>"), "take the connection", 31},
		"socket of nothing": {job("inetdCompatibility", wait, "Sockets", dict("L", dict())), "neither", 19},
		"any address":       {job("inetdCompatibility", wait, "Sockets", dict("L", dict("SockServiceName", "<string>80</string>"))), "every address", 19},
		"long path":         {job("inetdCompatibility", wait, "Sockets", dict("L", dict("SockPathName", "<string>/"+strings.Repeat("x", 103)+"</string>"))), "at most 103", 21},
		"mode of socket":    {job("inetdCompatibility", wait, "Sockets", dict("L", dict("SockPathName", "<string>/x</string>"))), "no SockPathMode", 19},
		"owner by name":     {job("Sockets", dict("L", dict("SockPathOwner", "<string>_www</string>"))), "SockPathOwner is of the type string", 15},
		"not closed":        {strings.Replace(job(), "</array>", "", 1), "no XML", 0},
		"ampersand":         {job("UserName", "<string>a & b</string>"), "no XML", 11},
		"control character": {job("UserName", "<string>a\x01b</string>"), "no XML", 11},
		"text between":      {strings.Replace(job(), "<key>", "x<key>", 1), "text outside", 6},
		"array":             {plistHead + "<array></array>" + plistTail, "not a dictionary", 5},
		"empty":             {plistHead + plistTail, "value is missing", 5},
		"two":               {plistHead + dict() + dict() + plistTail, "too many", 7},
		"value missing":     {plistHead + "<dict><key>Label</key></dict>" + plistTail, "value is missing", 5},
		"key missing":       {plistHead + "<dict><true/></dict>" + plistTail, "key is missing", 5},
		"binary":            {"bplist00\x00\x01", "no XML", 0},
		"nothing":           {"", "too early", 0},
		"deep":              {plistHead + strings.Repeat("<array>", 1000) + strings.Repeat("</array>", 1000) + plistTail, "nested", 5},
	} {
		r := only(t, setOf(t, plist("x", bad.text)), new(Options), "launchd.plist")
		if r.Outcome != Rejected || len(r.Complaints) == 0 {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		c := r.Complaints[0]
		if !strings.Contains(c.Message, bad.want) || bad.line > 0 && c.Line != bad.line {
			t.Errorf("%s: line %d: %s, want %d: %s", name, c.Line, c.Message, bad.line, bad.want)
		}
	}
	again := plist("x", job())
	again.Path = "launchd/more/x.plist"
	if r := only(t, setOf(t, plist("x", job()), again), new(Options), "launchd.plist"); r.Outcome != Rejected {
		t.Errorf("one label twice: %+v", r)
	}
}

// FuzzLaunchd gives the reader any text: it says what is wrong, and where.
func FuzzLaunchd(f *testing.F) {
	for _, seed := range []string{
		"", "<?xml", plistHead + plistTail, plistHead + dict("Label", "<string>x</string>", "Program", "<string>/x</string>") + plistTail,
		plistHead + dict("inetdCompatibility", "<true/>", "Sockets", "<array/>") + plistTail, "<plist><dict><key>ProgramArguments</key><dict/></dict></plist>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range checkLaunchd([]fileset.File{plist("x", text)}) {
			for _, c := range r.Complaints {
				if c.Path == "" || c.Line < 1 || c.Line > 1+strings.Count(text, "\n") {
					t.Errorf("%q: %+v", text, c)
				}
			}
		}
	})
}
