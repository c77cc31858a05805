package webserver

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"scgikit/internal/quote"
)

// nginxConfig puts the files that belong into a server{} in one, and the
// others beside it. Every path that nginx would write to is in the private
// folder; an -e option, not error_log, covers the time before it is read.
func (s *Site) nginxConfig(files []placed) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintln(&b, "daemon off;\nworker_processes 1;\nevents { worker_connections 256; }")
	for _, d := range []struct{ directive, file string }{{"pid", "nginx.pid"}, {"error_log", "error.log"}} {
		path, err := quote.Nginx(filepath.Join(s.Dir, d.file))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s %s;\n", d.directive, path)
	}
	// The hash has room for the longest host name, where the default has not.
	fmt.Fprintln(&b, "http {\naccess_log off;\nserver_names_hash_bucket_size 512;")
	temp, err := quote.Nginx(filepath.Join(s.Dir, "temp"))
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s;\n", kind, temp)
	}
	fmt.Fprintln(&b, "types { text/html html htm; text/css css; text/javascript js mjs; text/plain txt; image/png png; image/jpeg jpg jpeg; image/gif gif; image/svg+xml svg; }")
	inServer := false
	for _, f := range files {
		switch f.place {
		case PlaceHTTP:
			if err := include(&b, "include %s;\n", f.path, quote.Nginx); err != nil {
				return nil, err
			}
		case PlaceServer:
			inServer = true
		}
	}
	if !inServer {
		fmt.Fprintln(&b, "}")
		return b.Bytes(), nil
	}
	root, err := quote.Nginx(s.Root)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "server {\nlisten %s;\nserver_name _;\n%sroot %s;\n", s.Listen, s.nginxHosts(), root)
	for _, f := range files {
		if f.place == PlaceServer {
			if err := include(&b, "include %s;\n", f.path, quote.Nginx); err != nil {
				return nil, err
			}
		}
	}
	fmt.Fprintln(&b, "}\n}")
	return b.Bytes(), nil
}

func include(b *bytes.Buffer, format, path string, q func(string) (string, error)) error {
	quoted, err := q(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, format, quoted)
	return nil
}

var (
	serverBlock = regexp.MustCompile(`(?ms)^server \{$.*?^\}$`)
	listenLine  = regexp.MustCompile(`(?m)^( *)listen [^ ;]+([^;]*);$`)
)

// nginxHosts returns what refuses other hosts in a server block.
func (s *Site) nginxHosts() string {
	if s.Hosts == "" {
		return ""
	}
	return "if ($http_host !~* \"" + s.Hosts + "\") { return 421; }\n"
}

// listenOn replaces the addresses that generated server blocks listen on by
// one that an ordinary user can have: nginx binds them even in a test. After it
// comes a further text.
func listenOn(conf []byte, addr, further string) []byte {
	return serverBlock.ReplaceAllFunc(conf, func(block []byte) []byte {
		first := true
		return listenLine.ReplaceAllFunc(block, func(line []byte) []byte {
			if !first {
				return nil
			}
			first = false
			return listenLine.ReplaceAll(line, []byte("${1}listen "+addr+"$2;"+strings.TrimRight("\n"+strings.ReplaceAll(further, "$", "$$"), "\n")))
		})
	})
}
