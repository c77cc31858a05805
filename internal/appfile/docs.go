package appfile

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed intro.md
var introText string

//go:embed rules.md
var rulesText string

// Markdown returns docs/description.md: how a description is read, every
// field, the rules across fields, and the codes of problems. options are those
// of the targets, as in a Loader.
func Markdown(options map[string]any) []byte {
	var b strings.Builder
	b.WriteString(introText)
	b.WriteString("\n## Fields\n")
	heading(&b, "")
	for _, f := range allFields() {
		if sectionOf(f.Path) == "" {
			f.row(&b)
		}
	}
	section := ""
	for _, f := range allFields() {
		s := sectionOf(f.Path)
		if s == "" {
			continue
		}
		if s != section {
			section = s
			heading(&b, section)
		}
		f.row(&b)
	}
	optionSections(&b, options)
	b.WriteString("\n" + rulesText)
	b.WriteString("\n## Codes\n\nEach problem has a code, which `scgikit explain CODE` explains.\n\n| code | meaning |\n|---|---|\n")
	for _, c := range codes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.Name, c.Title)
	}
	return []byte(b.String())
}

// sectionOf returns the top-level section that a field is listed in, "" for a
// field of the top.
func sectionOf(path string) string {
	section, _, nested := strings.Cut(path, ".")
	if !nested {
		return ""
	}
	return strings.TrimSuffix(section, "[]")
}

func heading(b *strings.Builder, section string) {
	title := "The top"
	if section != "" {
		title = "`" + section + "`: " + appShape().byKey[section].doc
	}
	fmt.Fprintf(b, "\n### %s\n\n| field | type | default | meaning and rule |\n|---|---|---|---|\n", title)
}

func optionSections(b *strings.Builder, options map[string]any) {
	target := ""
	for _, f := range OptionFields(options) {
		name := strings.Split(f.Path, ".")[1]
		if name != target {
			target = name
			fmt.Fprintf(b, "\n### `options.%s`\n\n| field | type | default | meaning and rule |\n|---|---|---|---|\n", target)
		}
		f.row(b)
	}
}

// row writes one line of a table.
func (f *Field) row(b *strings.Builder) {
	def := "-"
	switch {
	case f.Required:
		def = "**needed**"
	case f.Default != "":
		def = "`" + f.Default + "`"
	}
	meaning := f.Doc
	if len(f.Enum) > 0 {
		meaning += "; one of `" + strings.Join(f.Enum, "`, `") + "`"
	}
	if rule := f.Rule(); rule != "" && f.member.shape.kind != kindMode && f.member.shape.kind != kindSize {
		meaning += "; " + rule
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.Path, f.typeText(), def, strings.ReplaceAll(meaning, "|", "\\|"))
}
