package generate_test

import (
	"strings"
	"testing"
)

// believed are fields that an app could believe, in every spelling that it could
// take for them.
var believed = []string{
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Forwarded-Server",
	"X-Forwarded-Ssl", "X-Forwarded-User", "X-Forwarded-Protocol", "X-Real-IP", "X-Script-Name", "Script-Name", "Path-Info", "Remote-User", "X-Remote-User", "Proxy",
	"X_Forwarded_For", "X-Forwarded_For", "X_Forwarded-For", "X_Forwarded_Proto", "x_forwarded_prefix", "X_Forwarded_Host",
	"SCRIPT_NAME", "PATH_INFO", "Remote_User", "X-FORWARDED-FOR",
}

// TestForwarded sends an HTTP app every field that it could believe, and has the
// web server take what it says itself for fields of the connection, which end
// there.
func TestForwarded(t *testing.T) {
	for name, mount := range map[string]string{"blog": "/blog/", "root": "/"} {
		test := func(t *testing.T, f *front, b *backend) {
			server := f.start(t, speaking("http", app("app", tcp(b), mount, "")))
			var fields []string
			for _, name := range believed {
				fields = append(fields, name+": evil", name+": evil")
			}
			for _, connection := range []string{
				"close", "Host,X-Forwarded-For,x-forwarded-host , X-FORWARDED-PROTO\t,X-Forwarded-Prefix", "X-X-ForwardedForwarded-For, X-ForX-Forwardedwarded-For",
			} {
				r := get(t, server.Addr, "/blog/x", append(fields, "Connection: "+connection)...).Received
				if r == nil {
					t.Fatalf("Connection: %s: no answer from the app", connection)
				}
				for _, p := range r.Params {
					if strings.Contains(p[1], "evil") {
						t.Errorf("%s is %q", p[0], p[1])
					}
					if p[0] == "HTTP_CONNECTION" && strings.Contains(strings.ToLower(p[1]), "x-forwarded-") {
						t.Errorf("%s is %q", p[0], p[1])
					}
				}
				for name, want := range map[string]string{
					"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_X_FORWARDED_HOST": "h.test:99", "HTTP_X_FORWARDED_PROTO": "http", "HTTP_HOST": "h.test:99",
					"HTTP_X_FORWARDED_PREFIX": strings.TrimSuffix(mount, "/"),
				} {
					if got := strings.Join(r.all(name), ", "); got != want {
						t.Errorf("Connection: %s: %s is %q, want %q", connection, name, got, want)
					}
				}
			}
		}
		t.Run(name, func(t *testing.T) {
			forFronts(t, []string{"mod_scgi"}, func(t *testing.T, f *front) { test(t, f, startSpeaking(t, speakHTTP, "app", "")) })
			for i := range gateways {
				t.Run(gateways[i].name, func(t *testing.T) {
					gateways[i].find(t)
					test(t, &gateways[i], startGateway(t, "http", "app", "").backend)
				})
			}
		})
	}
}

// TestGatewayUpgrade asks an HTTP app for other protocols: HAProxy and Caddy would
// let all pass behind it that comes after an answer of 101, and so they offer
// WebSocket alone, in which there are no further requests.
func TestGatewayUpgrade(t *testing.T) {
	for i := range gateways {
		t.Run(gateways[i].name, func(t *testing.T) {
			gateways[i].find(t)
			server := gateways[i].start(t, gatewayApp("http", "app", tcp(startGateway(t, "http", "app", "").backend), "/blog/", ""))
			for offer, want := range map[string]string{"h2c": "", "websocket": "websocket", "h2c, websocket": "", "websocket, h2c": "", "TLS/1.0": ""} {
				r := ask(t, server.Addr, "GET /blog/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"+
					"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nUpgrade: "+offer+"\r\n\r\n")
				if r.Received == nil {
					if want != "" || r.Status != 400 {
						t.Errorf("%s: %d", offer, r.Status)
					}
					continue
				}
				if got, _ := r.Received.get("HTTP_UPGRADE"); got != want {
					t.Errorf("%s: the app is offered %q", offer, got)
				}
				if got, _ := r.Received.get("HTTP_CONNECTION"); (got != "") != (want != "") || got != "" && !strings.EqualFold(got, "upgrade") {
					t.Errorf("%s: Connection is %q", offer, got)
				}
			}
		})
	}
}
