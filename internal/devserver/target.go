package devserver

import (
	"errors"
	"strings"
)

// Target is a request target taken apart.
type Target struct {
	Raw   string // as received, for REQUEST_URI; the absolute form loses scheme and host
	Path  string // decoded once, with "//" merged and "." and ".." resolved
	Query string // as received
}

// Errors of ParseTarget. Each is the client's fault: 400.
var (
	errForm    = errors.New("the request target is not a path")
	errEscape  = errors.New("the path holds a % that two hexadecimal digits do not follow")
	errNUL     = errors.New("the path holds a NUL byte")
	errOutside = errors.New("the path leads above the root")
)

// ParseTarget takes a request target apart so that Path is what nginx,
// Lighttpd and Apache all make of it: escapes are decoded once (so "%2F" is a
// slash and "%252F" is "%2F"), then slashes are merged and dot segments
// removed. Case, ";", "+" and "\" stay. A fragment, which no browser sends, is
// dropped as nginx and Lighttpd do.
//
// Where the three differ it does as nginx: 400 for a bad escape, a NUL byte and
// a path that leads above the root.
//
// Source: nginx src/http/ngx_http_parse.c, ngx_http_parse_complex_uri.
func ParseTarget(raw string) (Target, error) {
	raw = originForm(raw)
	if !strings.HasPrefix(raw, "/") {
		return Target{}, errForm
	}
	rest, _, _ := strings.Cut(raw, "#")
	encoded, query, _ := strings.Cut(rest, "?")
	decoded, err := unescape(encoded)
	if err != nil {
		return Target{}, err
	}
	if strings.IndexByte(decoded, 0) >= 0 {
		return Target{}, errNUL
	}
	path, err := cleanPath(decoded)
	if err != nil {
		return Target{}, err
	}
	return Target{Raw: raw, Path: path, Query: query}, nil
}

// originForm cuts scheme and host from the absolute form, which proxies send.
func originForm(raw string) string {
	for _, scheme := range []string{"http://", "https://"} {
		if len(raw) < len(scheme) || !strings.EqualFold(raw[:len(scheme)], scheme) {
			continue
		}
		rest := raw[len(scheme):]
		at := strings.IndexAny(rest, "/?#")
		if at < 0 {
			return "/"
		}
		if rest[at] != '/' {
			return "/" + rest[at:]
		}
		return rest[at:]
	}
	return raw
}

// unescape decodes %XX once. Unlike net/url it keeps no distinction between
// "/" and "%2F", because the web servers keep none.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errEscape
		}
		high, ok1 := hexDigit(s[i+1])
		low, ok2 := hexDigit(s[i+2])
		if !ok1 || !ok2 {
			return "", errEscape
		}
		b.WriteByte(high<<4 | low)
		i += 2
	}
	return b.String(), nil
}

// hexDigit returns the value of a hexadecimal digit.
func hexDigit(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// cleanPath merges slashes and resolves dot segments of a decoded path. Unlike
// path.Clean it keeps a final slash, and a path that ends in a dot segment
// names a folder.
func cleanPath(p string) (string, error) {
	var kept []string
	folder := false
	for segment := range strings.SplitSeq(p[1:], "/") {
		folder = true
		switch segment {
		case "", ".":
		case "..":
			if len(kept) == 0 {
				return "", errOutside
			}
			kept = kept[:len(kept)-1]
		default:
			kept = append(kept, segment)
			folder = false
		}
	}
	cleaned := "/" + strings.Join(kept, "/")
	if folder && len(kept) > 0 {
		cleaned += "/"
	}
	return cleaned, nil
}
