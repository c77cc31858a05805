package generate_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"scgikit/internal/webserver"
)

// chunkedPost sends a body without its length.
func chunkedPost(t *testing.T, addr, target string, size int) reply {
	t.Helper()
	var body strings.Builder
	for left := size; left > 0; left -= 5000 {
		n := min(left, 5000)
		fmt.Fprintf(&body, "%x\r\n%s\r\n", n, strings.Repeat("x", n))
	}
	return ask(t, addr, "POST "+target+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"+body.String()+"0\r\n\r\n")
}

// TestProtocolUnlimited sends bodies to apps with max_body: 0, with and without
// their length. An app that gets variables is told the length of both.
func TestProtocolUnlimited(t *testing.T) {
	forProtocols(t, fewFronts, func(t *testing.T, f *front, p protocol) {
		b := startSpeaking(t, p.speak, "app", "")
		server := f.start(t, speaking(p.name, app("app", tcp(b), "/blog/", "  max_body: 0\n")))
		for _, size := range []int{0, 1, 300 << 10} {
			if r := post(t, server.Addr, "/blog/x", size); r.Status != 200 || r.Received.Body != size {
				t.Errorf("body of %d bytes: %d %+v", size, r.Status, r.Received)
			}
			r := chunkedPost(t, server.Addr, "/blog/x", size)
			if p.name == "uwsgi" && f.program == webserver.Apache {
				if r.Status != 411 { // mod_proxy_uwsgi has no other way
					t.Errorf("chunked body of %d bytes: %d", size, r.Status)
				}
				continue
			}
			if r.Status != 200 || r.Received.Body != size {
				t.Errorf("chunked body of %d bytes: %d %+v", size, r.Status, r.Received)
				continue
			}
			if length, _ := r.Received.get("CONTENT_LENGTH"); length != strconv.Itoa(size) && size > 0 && p.name != "ajp" {
				t.Errorf("chunked body of %d bytes: the app is told %q", size, length)
			}
		}
	})
}
