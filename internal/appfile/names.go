package appfile

// Names returns every name that the apps of sources can have: as they stand, and with
// each of their profiles. It is false where one can not be read.
func Names(sources []Source) (names []string, ok bool) {
	for i := range sources {
		var out collector
		data, t, p := readable(sources[i].Name, sources[i].Data, FromFile)
		if p != nil {
			return nil, false
		}
		for _, doc := range parse(t, data, &out) {
			names = append(names, nameIn(doc)...)
			if profiles := doc.get("profiles"); profiles != nil {
				for _, e := range profiles.entries {
					names = append(names, nameIn(e.value)...)
				}
			}
		}
		for _, p := range out.problems() {
			if p.Code != "empty" {
				return nil, false
			}
		}
	}
	return names, true
}

func nameIn(n *node) []string {
	if name := n.get("name").scalarText(); name != "" {
		return []string{name}
	}
	return nil
}
