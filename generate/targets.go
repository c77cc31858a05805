package generate

// Targets returns every target, in the order that help shows.
func Targets() []*Target {
	return []*Target{
		nginx,
		lighttpd,
		apache,
		haproxy,
		caddy,
		inetd,
		xinetd,
		daemontools,
		runit,
		s6,
		s6rc,
		systemd,
		openrc,
		rcd,
		sysv,
		launchd,
	}
}

// Lookup returns the target of a name.
func Lookup(name string) (*Target, bool) {
	for _, t := range Targets() {
		if t.Name == name {
			return t, true
		}
	}
	return nil, false
}

// OptionTypes returns, for the loader of descriptions, what "options.NAME:"
// decodes into for each target.
func OptionTypes() map[string]any {
	types := make(map[string]any)
	for _, t := range Targets() {
		if t.Options != nil {
			types[t.Name] = t.Options
		} else {
			types[t.Name] = new(struct{})
		}
	}
	return types
}
