package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"scgikit/internal/diag"
)

// maxSettings bounds a file of settings, so that a wrong path (a log, a
// device) is an error and not a full memory.
const maxSettings = 1 << 20

// readSettings reads one file of settings into "group.name" keys. The list
// holds every key that is not a setting and every value of the wrong type,
// with its place; err is for a file that can not be read or is no YAML.
func readSettings(f settingsFile) (map[string]any, diag.List, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	text, err := io.ReadAll(io.LimitReader(file, maxSettings+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxSettings {
		return nil, nil, fmt.Errorf("%s is larger than %d bytes", f.Path, maxSettings)
	}
	var doc yaml.Node
	loader, err := yaml.NewLoader(strings.NewReader(string(text)))
	if err != nil {
		return nil, nil, err
	}
	if err := loader.Load(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	r := settingsReader{file: f, lines: strings.Split(string(text), "\n"), values: make(map[string]any)}
	if len(doc.Content) > 0 {
		r.mapping("", doc.Content[0])
	}
	return r.values, r.problems, nil
}

// settingsReader walks the YAML of one file.
type settingsReader struct {
	file     settingsFile
	lines    []string
	values   map[string]any
	problems diag.List
}

// add puts a problem at a node of the file.
func (r *settingsReader) add(n *yaml.Node, p diag.Problem) {
	p.Span = diag.Span{
		Position: diag.Position{File: r.file.Path, Line: n.Line, Column: n.Column},
		Width:    max(1, len([]rune(n.Value))),
	}
	if n.Line >= 1 && n.Line <= len(r.lines) {
		p.Span.Text = strings.TrimSuffix(r.lines[n.Line-1], "\r")
	}
	r.problems = append(r.problems, &p)
}

func (r *settingsReader) mapping(prefix string, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.add(n, diag.Problem{
			Code: "bad-setting", Path: strings.TrimSuffix(prefix, "."),
			Message: "not a map of settings", Hint: "write key: value lines",
		})
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		r.entry(prefix+n.Content[i].Value, n.Content[i], n.Content[i+1])
	}
}

func (r *settingsReader) entry(key string, keyNode, value *yaml.Node) {
	list := settingsList()
	if slices.ContainsFunc(list, func(s setting) bool { return strings.HasPrefix(s.Key, key+".") }) {
		r.mapping(key+".", value)
		return
	}
	i := slices.IndexFunc(list, func(s setting) bool { return s.Key == key })
	switch {
	case i < 0:
		hint := "scgikit help files lists the settings"
		if near := diag.Nearest(key, settingKeys()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		r.add(keyNode, diag.Problem{Code: "unknown-setting", Message: fmt.Sprintf("unknown setting %q", key), Hint: hint})
	case r.values[key] != nil:
		r.add(keyNode, diag.Problem{Code: "bad-setting", Path: key, Message: "set twice", Hint: "keep one of the two"})
	case list[i].Machine && r.file.project:
		r.add(keyNode, diag.Problem{
			Code: "machine-setting", Path: key,
			Message: "not taken from a project's file, because it names a program or a place of the machine",
			Hint:    "put it in the user's or the system's file, see: scgikit config path",
		})
	default:
		got, err := list[i].decode(value)
		if err != nil {
			r.add(value, diag.Problem{Code: "bad-setting", Path: key, Message: err.Error(), Hint: "scgikit help files lists the settings"})
			return
		}
		if dir, _ := got.(string); list[i].Folder && r.file.project && !filepath.IsLocal(dir) {
			r.add(value, diag.Problem{
				Code: "machine-setting", Path: key, Message: dir + " leads out of the project",
				Hint: "name a folder below the project's; any other is for your own settings or the command line",
			})
			return
		}
		r.values[key] = got
	}
}

// decode reads a YAML value as the setting's type.
func (s setting) decode(n *yaml.Node) (any, error) {
	switch {
	case s.Kind == listSetting && n.Kind == yaml.SequenceNode:
		words := []string{}
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || item.Tag != "!!str" {
				return nil, errors.New("not a list of words")
			}
			words = append(words, item.Value)
		}
		return words, nil
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		return nil, errors.New("has the wrong type")
	case s.Kind == boolSetting && n.Tag != "!!bool":
		return nil, fmt.Errorf("%q is neither true nor false", n.Value)
	case s.Kind != boolSetting && n.Tag != "!!str":
		return nil, fmt.Errorf("%s is no text; put it in quotes if it is meant", n.Value)
	}
	return s.check(n.Value)
}

func settingKeys() []string {
	var keys []string
	for _, s := range settingsList() {
		keys = append(keys, s.Key)
	}
	return keys
}
