package appfile

// appRules checks what no single field shows.
func (l *loaded) appRules(r *reader, out *collector) {}
