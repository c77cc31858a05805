package webserver

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
)

// haproxyConfig writes a frontend around the lines that belong into one, where
// no file brings a frontend of its own. The other files are read next to it.
func (s *Site) haproxyConfig(files []placed) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintln(&b, "global\n    maxconn 256")
	s.alongside = nil
	for _, f := range files {
		if f.place != PlaceFrontend {
			s.alongside = append(s.alongside, f.path)
			continue
		}
		rules, err := os.ReadFile(f.path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "frontend scgikit-site\n    mode http\n    bind %s\n    timeout client 60s\n    default_backend scgikit-site-none\n%s", s.Listen, rules)
		fmt.Fprint(&b, "backend scgikit-site-none\n    mode http\n    timeout connect 5s\n    timeout server 60s\n    http-request return status 404\n")
	}
	return b.Bytes(), nil
}

// haproxyFiles returns the files as arguments.
func (s *Site) haproxyFiles() []string {
	args := []string{"-f", s.conf()}
	for _, file := range s.alongside {
		args = append(args, "-f", file)
	}
	return args
}

var (
	// haproxyNotice is what HAProxy says of itself next to what it says of a file,
	// and of backends alone, which are no reason not to take them.
	haproxyNotice = regexp.MustCompile(`^\[NOTICE\]|^Configuration file is valid|^Configuration file has no error but will not start \(no listener\)`)

	bindLines = regexp.MustCompile(`(?m)(?:^ +bind [^\n]*\n)+`)
)

// bindOn replaces the addresses of a generated frontend by one that an ordinary
// user can have.
func bindOn(conf []byte, addr string) []byte {
	return bindLines.ReplaceAll(conf, []byte("    bind "+addr+"\n"))
}
