package appfile

import (
	"bytes"
	"encoding/json"
	"slices"
)

// variableRef stands for a value that is put in later.
var variableRef = map[string]any{"$ref": "#/definitions/variable"}

// Schema returns the JSON schema (draft-07) of a description, for editors and
// other programs. options are those of the targets, as in a Loader.
//
// It accepts every description that the loader accepts, and refuses unknown
// keys, wrong types, unknown words and what a pattern can tell. What it cannot
// tell (the mode 660, rules across fields) only the loader refuses. Equal
// programs give equal bytes.
func Schema(options map[string]any) ([]byte, error) {
	full := schemaMaker{options: optionShapes(options)}
	patch := full
	patch.patch = true
	root := full.structure(appShape())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "scgikit app description, version 1"
	root["description"] = "One web app: what runs, where it listens, how a web server reaches it, where it logs."
	root["definitions"] = map[string]any{
		"profile":  patch.structure(appShape()),
		"variable": map[string]any{"type": "string", "pattern": `\$\{`},
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// schemaMaker makes the schema of whole descriptions or, with patch set, that
// of profiles: nothing is required, and null removes a key.
type schemaMaker struct {
	options map[string]*shape
	patch   bool
}

func (s schemaMaker) structure(sh *shape) map[string]any {
	properties := make(map[string]any)
	var required []string
	for _, m := range sh.fields {
		if m.shape.kind == kindProfiles && s.patch {
			continue
		}
		properties[m.key] = s.member(m)
		if m.required && !s.patch {
			required = append(required, m.key)
		}
		// A section with a required field is required as well.
		if m.shape.kind == kindStruct && !s.patch && needs(m.shape) {
			required = append(required, m.key)
		}
	}
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func needs(sh *shape) bool {
	return slices.ContainsFunc(sh.fields, func(m *member) bool {
		return m.required || m.shape.kind == kindStruct && needs(m.shape)
	})
}

// member returns the schema of a key: that of its value, or null in a profile.
func (s schemaMaker) member(m *member) map[string]any {
	out := s.value(m, m.shape)
	if s.patch {
		out = anyOf(out, map[string]any{"type": "null"})
	}
	out["description"] = m.doc
	if m.def != "" {
		out["default"] = m.defaultJSON()
	}
	return out
}

// anyOf joins alternatives, and flattens those that are alternatives already.
func anyOf(schemas ...map[string]any) map[string]any {
	var list []any
	for _, sc := range schemas {
		if inner, ok := sc["anyOf"].([]any); ok && len(sc) == 1 {
			list = append(list, inner...)
			continue
		}
		list = append(list, sc)
	}
	return map[string]any{"anyOf": list}
}

func (s schemaMaker) value(m *member, sh *shape) map[string]any {
	switch sh.kind {
	case kindStruct:
		return s.structure(sh)
	case kindList:
		item := s.value(m, sh.elem)
		array := map[string]any{"type": "array", "items": item}
		if sh.single {
			return anyOf(array, item)
		}
		return array
	case kindMap:
		return s.mapping(m, sh)
	case kindOptions:
		properties := make(map[string]any, len(s.options))
		for target, o := range s.options {
			properties[target] = s.structure(o)
			if s.patch {
				properties[target] = anyOf(s.structure(o), map[string]any{"type": "null"})
			}
		}
		return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	case kindProfiles:
		return map[string]any{
			"type": "object", "propertyNames": map[string]any{"pattern": patternName},
			"additionalProperties": map[string]any{"$ref": "#/definitions/profile"},
		}
	case kindString, kindEnum, kindBool, kindInt, kindDuration, kindSize, kindMode:
	}
	return s.scalar(m, sh)
}

func (s schemaMaker) mapping(m *member, sh *shape) map[string]any {
	value := s.value(&member{key: m.key, shape: sh.elem}, sh.elem)
	if s.patch {
		value = anyOf(value, map[string]any{"type": "null"})
	}
	out := map[string]any{"type": "object", "additionalProperties": value}
	if m.format != nil {
		out["propertyNames"] = map[string]any{"pattern": m.format.pattern}
	}
	return out
}

func (s schemaMaker) scalar(m *member, sh *shape) map[string]any {
	switch sh.kind {
	case kindEnum:
		return anyOf(map[string]any{"enum": sh.enum}, variableRef)
	case kindBool:
		return anyOf(map[string]any{"type": "boolean"}, variableRef)
	case kindInt:
		return anyOf(limited(m, map[string]any{"type": "integer"}), variableRef)
	case kindSize:
		return anyOf(
			limited(m, map[string]any{"type": "integer"}),
			map[string]any{"type": "string", "pattern": sizeSyntax.String()}, variableRef)
	case kindDuration:
		text := map[string]any{"type": "string", "pattern": `^([0-9]+d|([0-9]+d)?([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m|h))+)$`}
		if m.min != nil && *m.min == 0 {
			return anyOf(text, map[string]any{"const": 0}, variableRef)
		}
		return anyOf(text, variableRef)
	case kindMode:
		// YAML reads 0660 without quotes as a number, and says which only by
		// its text, which a schema does not see.
		return anyOf(map[string]any{"type": "string", "pattern": modeSyntax.String()}, map[string]any{"type": "integer"}, variableRef)
	case kindString, kindList, kindMap, kindStruct, kindOptions, kindProfiles:
	}
	return s.text(m)
}

// text is the schema of a string. Without a format it may be written as a
// number or a truth value, whose text is taken.
func (s schemaMaker) text(m *member) map[string]any {
	if m.format == nil {
		return map[string]any{"type": []string{"string", "number", "boolean"}}
	}
	text := map[string]any{"type": "string", "pattern": m.format.pattern}
	switch m.format.name {
	case "user", "expect":
		return anyOf(text, map[string]any{"type": "integer", "minimum": 0}, variableRef)
	case "line":
		return anyOf(text, map[string]any{"type": []string{"number", "boolean"}}, variableRef)
	}
	return anyOf(text, variableRef)
}

func limited(m *member, schema map[string]any) map[string]any {
	if m.min != nil {
		schema["minimum"] = *m.min
	}
	if m.max != nil {
		schema["maximum"] = *m.max
	}
	return schema
}

// defaultJSON is the default as JSON holds it.
func (m *member) defaultJSON() any {
	switch m.shape.kind {
	case kindBool:
		return m.value.Bool()
	case kindInt:
		return m.value.Int()
	case kindList:
		return m.value.Interface()
	case kindString, kindEnum, kindDuration, kindSize, kindMode, kindMap, kindStruct, kindOptions, kindProfiles:
	}
	return textOf(m.shape, m.value)
}
