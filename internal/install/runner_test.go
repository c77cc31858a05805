package install

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestAskedInTurn: an app with several backends answers once each of them does.
func TestAskedInTurn(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 2 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer server.Close()
	p := &Probe{App: "blog", Address: server.Listener.Addr().String(), Path: "/blog/", Low: 200, High: 399, Times: 4}
	if err := p.Ask(t.Context()); err == nil || err.Error() != "blog: the answer to /blog/ is 502" {
		t.Errorf("one of the backends does not answer: %v", err)
	}
	if err := p.Ask(t.Context()); err != nil || asked != 6 {
		t.Errorf("%v after %d requests", err, asked)
	}
}
