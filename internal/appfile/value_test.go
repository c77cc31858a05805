package appfile

import (
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	p := mustLoad(t, &Loader{Sets: []string{"name=my-blog", "listen.tcp=[::1]:8040"}}, blog(blogText))
	if _, ok := p.App("blog"); ok {
		t.Error("there is an app of a name that none has")
	}
	a, ok := p.App("my-blog")
	if !ok {
		t.Fatal("the app is not found by its name")
	}
	if got := a.Ident(); got != "my_blog" {
		t.Errorf("Ident: %s", got)
	}
	addrs := a.Backends()
	if len(addrs) != 2 || addrs[1].String() != "[::1]:8041" || !addrs[1].IsIPv6() || addrs[1].Host != "::1" {
		t.Errorf("Backends: %v", addrs)
	}
	if got := a.Instances[1].Service() + " " + a.Instances[1].LogDir(); got != "my-blog-2 /var/log/scgikit/my-blog/2" {
		t.Errorf("second instance: %s", got)
	}
	if a.Prefix() != "/blog" || a.Depth() != 1 {
		t.Errorf("Prefix %q, Depth %d", a.Prefix(), a.Depth())
	}
	if (Addr{Unix: "/run/x"}).String() != "unix:/run/x" || (Addr{Host: "127.0.0.1"}).IsIPv6() {
		t.Error("Addr")
	}
}

func TestSizeText(t *testing.T) {
	for text, want := range map[string]string{"0": "0", "1": "1", "1024": "1KiB", "10MiB": "10MiB", "3 GiB": "3GiB", "1536KiB": "1536KiB", "512B": "512"} {
		n, f := parseSize(text)
		if f != nil || n.String() != want {
			t.Errorf("parseSize(%q) = %v, %v, want %s", text, n, f, want)
		}
	}
	for text, hint := range map[string]string{"10MB": "write 10MiB", "1k": "write 1KiB", "007g": "write 7GiB"} {
		if _, f := parseSize(text); f == nil || f.hint != hint {
			t.Errorf("parseSize(%q): %+v, want the hint %q", text, f, hint)
		}
	}
}

func TestDurationText(t *testing.T) {
	for text, want := range map[string]string{
		"90s": "1m30s", "60m": "1h", "24h": "1d", "7d": "7d", "1d12h": "36h", "0d": "0s", "1d0.5s": "24h0m0.5s", "3650d": "3650d",
	} {
		d, f := parseDuration(text)
		if f != nil || durationText(d) != want {
			t.Errorf("parseDuration(%q) = %v, %v, want %s", text, durationText(d), f, want)
		}
	}
	for _, text := range []string{"3651d", "99999999999999999999d", "1d99999999h", "-1d", "1d-1s", "1d+1s", "1.5d", "d", "1dd", "1d1", "1h1d", "+1d", " 1d"} {
		if d, f := parseDuration(text); f == nil || f.code != "bad-duration" {
			t.Errorf("parseDuration(%q) = %v, %+v", text, d, f)
		}
	}
}

// TestExamplesOfFields reads the example that explain shows for each field.
func TestExamplesOfFields(t *testing.T) {
	fields := append(allFields(), OptionFields(testOptions())...)
	for _, f := range fields {
		if f.Path == "profiles" {
			continue // the example is read as a profile, which holds none
		}
		var b strings.Builder
		parts := strings.Split(f.Path, ".")
		indent := ""
		for _, part := range parts[:len(parts)-1] {
			name, isList := strings.CutSuffix(part, "[]")
			if name == "*" {
				name = "NAME"
			}
			b.WriteString(indent + name + ":\n")
			indent += "  "
			if isList {
				b.WriteString(indent + "-\n")
				indent += "  "
			}
		}
		b.WriteString(indent + f.Example() + "\n")
		src := blog(blogText)
		src.Profile = &Source{Name: "blog.x.yaml", Data: []byte(b.String())}
		_, list := (&Loader{Profile: "x", Options: testOptions(), Targets: []string{"text"}}).Load([]Source{src})
		for _, p := range list {
			// Rules across fields are not what an example of one is about.
			if strings.HasPrefix(p.Code, "bad-") || p.Code == "wrong-type" || p.Code == "unknown-key" || p.Code == "syntax" {
				t.Errorf("%s: the example %q: %v", f.Path, f.Example(), p)
			}
		}
		text, err := Explain(f.Path, testOptions())
		if err != nil || !strings.Contains(text, f.Doc[:min(20, len(f.Doc))]) {
			t.Errorf("Explain(%q): %v\n%s", f.Path, err, text)
		}
	}
}

// TestNumberedSocket puts the number before the ending of the name alone.
func TestNumberedSocket(t *testing.T) {
	for socket, want := range map[string]string{
		"/run/b.sock": "/run/b-2.sock", "/run/b": "/run/b-2", "/run.d/b": "/run.d/b-2", "/run/.sock": "/run/.sock-2", "/run/a.b.sock": "/run/a.b-2.sock",
	} {
		if got := numberedSocket(socket, 2); got != want {
			t.Errorf("numberedSocket(%q) = %q, want %q", socket, got, want)
		}
	}
}
