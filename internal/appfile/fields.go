package appfile

// Field describes one field of the description, read from the struct tags.
type Field struct {
	Path     string   // "run.env", "http.static[].url", "run.secrets.*.file"
	Type     string   // string, list, map, bool, int, duration, size, mode, enum, path …
	Default  string   // as it would be written; "" for none
	Doc      string   // one sentence, no full stop
	Required bool     //
	Enum     []string // the words of an enum
	Min, Max *int64   // of a number
	Format   string   // further rule, checked by validate: "path", "user", "cidr"
}
