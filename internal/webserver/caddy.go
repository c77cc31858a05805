package webserver

import (
	"bytes"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"scgikit/internal/quote"
)

// caddyConfig imports the files that belong into a site in one, and the others
// beside it. There is no admin endpoint, no certificate, and nothing written
// outside of the private folder.
func (s *Site) caddyConfig(files []placed) ([]byte, error) {
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n\tadmin off\n\tauto_https off\n\tdefault_bind %s\n}\n", host)
	inSite := false
	for _, f := range files {
		if f.place == PlaceSite {
			inSite = true
			continue
		}
		if err := include(&b, "import %s\n", f.path, quote.Caddy); err != nil {
			return nil, err
		}
	}
	if !inSite {
		return b.Bytes(), nil
	}
	fmt.Fprintf(&b, "http://:%s {\n", port)
	for _, f := range files {
		if f.place == PlaceSite {
			if err := include(&b, "\timport %s\n", f.path, quote.Caddy); err != nil {
				return nil, err
			}
		}
	}
	fmt.Fprint(&b, "\thandle {\n\t\terror 404\n\t}\n}\n")
	return b.Bytes(), nil
}

var (
	// caddyNotice is what Caddy says of itself, and of what caddyConfig asks for,
	// next to what it says of a file.
	caddyNotice = regexp.MustCompile(`^\{"level":"(?:info|debug)"|"msg":"automatic HTTPS is completely disabled`)

	siteLine    = regexp.MustCompile(`(?m)^"?https?://[^\n]* \{$`)
	siteAddress = regexp.MustCompile(`^"?https?://(.*?)(?::[0-9]+)?"?$`)
)

// siteOn replaces the ports and schemes of generated sites by those of an
// address that an ordinary user can have.
func siteOn(conf []byte, addr string) []byte {
	_, port, _ := net.SplitHostPort(addr) // caddyConfig names what is wrong with it
	return siteLine.ReplaceAllFunc(conf, func(line []byte) []byte {
		var out []string
		for address := range strings.SplitSeq(strings.TrimSuffix(string(line), " {"), ", ") {
			if m := siteAddress.FindStringSubmatch(address); m != nil {
				address = "http://" + m[1] + ":" + port
			}
			if !slices.Contains(out, address) {
				out = append(out, address)
			}
		}
		return []byte(strings.Join(out, ", ") + " {")
	})
}
