package importer

import (
	"maps"
	"path"
	"strconv"
	"strings"
	"time"
)

// scgi-run that keeps running: scgi-run bridge or wsgi with --listen, alone or
// behind scgi-run listen, which makes the socket.

// served is what scgi-run with --listen says that no field holds.
type served struct {
	listen    string // the address, or "" for the form that serves one connection
	mode      string // of a socket that it makes itself, and whose that is
	owner     string
	stopLimit string
	at        place
}

// isOwn reports whether words are scgi-run listen, or scgi-run that keeps running.
func isOwn(words []string) bool {
	if len(words) < 3 || path.Base(words[0]) != "scgi-run" {
		return false
	}
	switch words[1] {
	case "listen":
		return true
	case "bridge", "wsgi":
		for _, word := range words[2:] {
			if word == "--listen" || strings.HasPrefix(word, "--listen=") {
				return true
			}
		}
	}
	return false
}

// own reads scgi-run listen and all that it starts, or scgi-run that keeps running.
// It returns nil, and leaves the draft as it was, where no description says it.
func (c *chain) own(words []string) (rest []string) {
	before := *c
	values, notes := maps.Clone(c.d.values), len(c.d.r.notes)
	if words[1] == "listen" {
		rest = c.ownListener(words)
	} else {
		rest = c.ownProgram(words)
	}
	if rest == nil {
		*c = before
		c.d.values, c.d.r.notes, c.d.served = values, c.d.r.notes[:notes], served{}
	}
	return rest
}

func (c *chain) ownListener(words []string) []string {
	if c.log || c.listens != "" {
		return nil
	}
	d := c.d
	found := make(map[string]string)
	words = words[2:]
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		name, value, ok := strings.Cut(words[0][2:], "=")
		words = words[1:]
		if name == "" {
			break
		}
		if !ok && name != "public" {
			if len(words) == 0 {
				return nil
			}
			value, words = words[0], words[1:]
		}
		found[name] = value
	}
	if len(words) < 2 {
		return nil
	}
	d.listen(words[0], c.at)
	c.listens = "scgi-run"
	words, why := c.run(words[1:])
	if why != "" || len(words) == 0 || d.served.listen != "fd:0" || !c.ownSocket(found["socket-mode"], found["socket-owner"]) {
		return nil
	}
	switch ready, ok := found["ready"]; {
	case ready == readyDescriptor:
		c.ready = true
	case ok:
		d.lost(c.at, "--ready=%s of scgi-run listen", ready)
	}
	if text, ok := found["backlog"]; ok && text != "128" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil
		}
		d.number("listen.backlog", n, c.at)
	}
	return words
}

// ownProgram reads scgi-run bridge or wsgi with --listen.
func (c *chain) ownProgram(words []string) []string {
	d := c.d
	if c.log || !d.perRequest(words[0], words, string(d.r.kind), c.at) {
		return nil
	}
	if c.listens == "scgi-run" {
		return words // behind scgi-run listen
	}
	if !d.ownAddress() || c.listens != "" || !c.ownSocket(d.served.mode, d.served.owner) {
		return nil
	}
	c.listens = "scgi-run"
	return words
}

// ownAddress takes the address of a socket that scgi-run makes itself.
func (d *draft) ownAddress() bool {
	address := d.served.listen
	if strings.HasPrefix(address, "fd:") || address == "systemd" {
		return false
	}
	d.listen(address, d.served.at)
	return true
}

// ownSocket sets the owner and the mode that scgi-run gives a socket.
func (c *chain) ownSocket(mode, owner string) bool {
	if !c.d.has("listen.unix") {
		return true
	}
	if mode == "" {
		mode = "0660"
	}
	user, group, _ := strings.Cut(owner, ":")
	return c.socket(user, group, mode, nil)
}

// checkStopLimit tells of a limit that does not follow from run.stop_timeout.
func (d *draft) checkStopLimit() {
	if d.served.stopLimit == "" {
		return
	}
	stop := 10 * time.Second
	if text := d.first("run.stop_timeout"); text != "" {
		stop, _ = time.ParseDuration(text)
	}
	want := max(stop-2*time.Second, stop/2)
	if got, err := time.ParseDuration(d.served.stopLimit); err != nil || got != want {
		d.lost(d.served.at, "--stop-limit=%s becomes %s, a little less than run.stop_timeout", d.served.stopLimit, want)
	}
}
