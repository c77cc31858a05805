package osservice

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"text/template"

	"scgikit/internal/quote"
)

//go:embed text/*.tmpl
var texts embed.FS

// textData is what the templates are given.
type textData struct {
	Config
	Ident  string
	Log    string
	Daemon string // rcd: the arguments of daemon(8), as a word of the script
}

// Text returns what the platform's service manager reads. The same Config has
// the same text on every machine. An error is about Config.
func Text(p Platform, c Config) (string, error) {
	if err := c.check(p); err != nil {
		return "", err
	}
	data := textData{Config: c, Ident: c.ident(), Log: c.log()}
	if p == RCD {
		var err error
		data.Daemon, err = shTwice("-P", "/var/run/"+data.Ident+".pid", "-p", "/var/run/"+data.Ident+".child.pid",
			"-R", "1", "-H", "-o", data.Log, "-t", data.Ident, "--", c.Program, "supervise", c.Dir)
		if err != nil {
			return "", err
		}
	}
	// n prints what Config.check has found to be plain, q any value.
	funcs := template.FuncMap{"n": func(s string) string { return s }, "q": quoting(p)}
	t, err := template.New("").Funcs(funcs).ParseFS(texts, "text/"+string(p)+".tmpl")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.ExecuteTemplate(&b, string(p)+".tmpl", data); err != nil {
		// Where in our template that was helps nobody.
		for inner := err; inner != nil; inner = errors.Unwrap(inner) {
			err = inner
		}
		return "", err
	}
	return sealed(b.String()), nil
}

// quoting returns the function q of a platform's template.
func quoting(p Platform) any {
	switch p {
	case Systemd:
		return quote.Systemd
	case Launchd:
		return quote.Plist
	case OpenRC, SysV, RCD:
	}
	return quote.Sh
}

// shTwice makes one word of words, for a variable that is evaluated again.
func shTwice(words ...string) (string, error) {
	for i, word := range words {
		var err error
		if words[i], err = quote.Sh(word); err != nil {
			return "", err
		}
	}
	return quote.Sh(strings.Join(words, " "))
}

// seal is the mark by which a text is known as ours, with the digest of the
// text that has zeros in that place.
var seal = regexp.MustCompile(`scgikit: service body=sha256:([0-9a-f]{16})`)

const unsealed = "scgikit: service body=sha256:0000000000000000"

// sealed puts the digest into a text.
func sealed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.Replace(text, unsealed, strings.TrimRight(unsealed, "0")+hex.EncodeToString(sum[:])[:16], 1)
}

// origin tells whether a text is ours, and whether it is as we wrote it.
func origin(text string) (ours, intact bool) {
	mark := seal.FindString(text)
	if mark == "" {
		return false, false
	}
	return true, sealed(strings.Replace(text, mark, unsealed, 1)) == text
}
