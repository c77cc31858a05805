package webserver

import (
	"bytes"
	"fmt"
	"net"
	"strings"

	"scgikit/internal/quote"
)

// lighttpdConfig includes the files below a minimal server.
func (s *Site) lighttpdConfig(files []placed) ([]byte, error) {
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	root, err := quote.Lighttpd(s.Root)
	if err != nil {
		return nil, err
	}
	temp, err := quote.Lighttpd(s.Dir + "/temp")
	if err != nil {
		return nil, err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "server.bind = \"%s\"\nserver.port = %s\nserver.document-root = %s\nserver.upload-dirs = ( %s )\n", host, port, root, temp)
	fmt.Fprintln(&b, `mimetype.assign = ( ".html" => "text/html", ".css" => "text/css", ".js" => "text/javascript", ".txt" => "text/plain", ".png" => "image/png", ".svg" => "image/svg+xml" )`)
	for _, f := range files {
		if err := include(&b, "include %s\n", f.path, quote.Lighttpd); err != nil {
			return nil, err
		}
	}
	if s.Hosts != "" {
		// Last, because the last of several settings of the same key counts.
		fmt.Fprintf(&b, "server.modules += ( \"mod_access\" )\n$HTTP[\"host\"] !~ \"(?i)%s\" {\nurl.access-deny = ( \"\" )\n}\n", s.Hosts)
	}
	return b.Bytes(), nil
}
