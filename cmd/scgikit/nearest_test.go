package main

import "testing"

func TestNearest(t *testing.T) {
	words := []string{"nginx", "lighttpd", "apache", "inetd", "daemontools"}
	for word, want := range map[string]string{
		"ngnix": "nginx", "nginx": "nginx", "ngin": "nginx", "lighttp": "lighttpd", "apahce": "apache",
		"daemontool": "daemontools", "xinetd": "inetd", "systemd": "", "": "", "x": "", "ab": "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("%q gives %q, want %q", word, got, want)
		}
	}
}
