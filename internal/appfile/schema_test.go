package appfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// schemaChecker checks a value against the keywords of draft-07 that Schema
// uses. An unknown keyword is an error: it would be a rule that is not checked.
type schemaChecker struct {
	root map[string]any
}

var schemaNotes = []string{"$schema", "title", "description", "default", "definitions"}

func (c *schemaChecker) check(schema map[string]any, value any, at string) error {
	for _, keyword := range sortedKeys(schema) {
		if slices.Contains(schemaNotes, keyword) {
			continue
		}
		if err := c.keyword(keyword, schema, value, at); err != nil {
			return err
		}
	}
	return nil
}

func (c *schemaChecker) keyword(keyword string, schema map[string]any, value any, at string) error {
	rule := schema[keyword]
	object, isObject := value.(map[string]any)
	array, isArray := value.([]any)
	text, isText := value.(string)
	number, isNumber := value.(float64)
	switch keyword {
	case "$ref":
		name := strings.TrimPrefix(rule.(string), "#/definitions/")
		return c.check(c.root["definitions"].(map[string]any)[name].(map[string]any), value, at)
	case "anyOf":
		var all []error
		for _, option := range rule.([]any) {
			err := c.check(option.(map[string]any), value, at)
			if err == nil {
				return nil
			}
			all = append(all, err)
		}
		return errors.Join(all...)
	case "type":
		if !hasType(rule, value) {
			return fmt.Errorf("%s: %v is not of type %v", at, value, rule)
		}
	case "enum":
		if !slices.Contains(rule.([]any), value) {
			return fmt.Errorf("%s: %v is none of %v", at, value, rule)
		}
	case "const":
		if !reflect.DeepEqual(rule, value) {
			return fmt.Errorf("%s: %v is not %v", at, value, rule)
		}
	case "pattern":
		if isText && !regexp.MustCompile(rule.(string)).MatchString(text) {
			return fmt.Errorf("%s: %q does not match %s", at, text, rule)
		}
	case "minimum":
		if isNumber && number < rule.(float64) {
			return fmt.Errorf("%s: %v is less than %v", at, value, rule)
		}
	case "maximum":
		if isNumber && number > rule.(float64) {
			return fmt.Errorf("%s: %v is more than %v", at, value, rule)
		}
	case "required":
		for _, key := range rule.([]any) {
			if _, ok := object[key.(string)]; isObject && !ok {
				return fmt.Errorf("%s: %v is missing", at, key)
			}
		}
	case "properties":
		for _, key := range sortedKeys(object) {
			if sub, ok := rule.(map[string]any)[key]; ok {
				if err := c.check(sub.(map[string]any), object[key], at+"."+key); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		return c.additional(rule, schema, object, at)
	case "propertyNames":
		for _, key := range sortedKeys(object) {
			if err := c.check(rule.(map[string]any), key, at+" key"); err != nil {
				return err
			}
		}
	case "items":
		for i, item := range array {
			if err := c.check(rule.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); isArray && err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("the checker does not know the keyword %q", keyword)
	}
	return nil
}

func (c *schemaChecker) additional(rule any, schema, object map[string]any, at string) error {
	properties, _ := schema["properties"].(map[string]any)
	for _, key := range sortedKeys(object) {
		if _, known := properties[key]; known {
			continue
		}
		if sub, ok := rule.(map[string]any); ok {
			if err := c.check(sub, object[key], at+"."+key); err != nil {
				return err
			}
		} else if rule == false {
			return fmt.Errorf("%s: unknown key %q", at, key)
		}
	}
	return nil
}

func hasType(rule, value any) bool {
	if list, ok := rule.([]any); ok {
		return slices.ContainsFunc(list, func(r any) bool { return hasType(r, value) })
	}
	switch v := value.(type) {
	case nil:
		return rule == "null"
	case string:
		return rule == "string"
	case bool:
		return rule == "boolean"
	case float64:
		return rule == "number" || rule == "integer" && v == math.Trunc(v)
	case []any:
		return rule == "array"
	case map[string]any:
		return rule == "object"
	}
	return false
}

func newSchemaChecker(t *testing.T, options map[string]any) *schemaChecker {
	t.Helper()
	data, err := Schema(options)
	if err != nil {
		t.Fatal(err)
	}
	c := new(schemaChecker)
	if err := json.Unmarshal(data, &c.root); err != nil {
		t.Fatal(err)
	}
	return c
}

// documents reads YAML as an editor does: numbers are numbers.
func documents(data []byte) ([]any, error) {
	loader, err := yaml.NewLoader(strings.NewReader(string(data)))
	if err != nil {
		return nil, err
	}
	var out []any
	for {
		var v any
		err := loader.Load(&v)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		var plain any
		if err := json.Unmarshal(text, &plain); err != nil {
			return nil, err
		}
		out = append(out, plain)
	}
}

// TestSchemaAccepts holds the schema against all descriptions that the loader
// accepts.
func TestSchemaAccepts(t *testing.T) {
	c := newSchemaChecker(t, testOptions())
	for _, file := range cases(t, "ok") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := documents(data)
		if err != nil || len(docs) == 0 {
			t.Fatalf("%s: %d documents, %v", file, len(docs), err)
		}
		for _, doc := range docs {
			if err := c.check(c.root, doc, filepath.Base(file)); err != nil {
				t.Error(err)
			}
		}
	}
}

// seenBySchema are the codes of mistakes that a schema sees wherever they are.
var seenBySchema = []string{"unknown-key", "wrong-type", "bad-enum", "bad-env-name", "bad-version", "bad-module", "bad-header", "bad-mount", "bad-duration", "bad-label"}

// TestSchemaRefuses holds the schema against the descriptions that the loader
// refuses for what a schema can tell.
func TestSchemaRefuses(t *testing.T) {
	c := newSchemaChecker(t, testOptions())
	refused := make(map[string]int)
	for _, file := range cases(t, "err") {
		k := readCase(t, file)
		_, list := k.loader.Load([]Source{k.source})
		docs, err := documents(k.source.Data)
		if err != nil || len(k.loader.Sets) > 0 {
			continue // not YAML, or the mistake is on the command line
		}
		for _, p := range list {
			if !slices.Contains(seenBySchema, p.Code) || onlyLoaderSees(p.Message) {
				continue
			}
			sound := true
			for _, doc := range docs {
				sound = sound && c.check(c.root, doc, file) == nil
			}
			if sound {
				t.Errorf("%s: the schema accepts it, and the loader says %v", file, p)
			}
			refused[p.Code]++
		}
	}
	for _, code := range seenBySchema {
		if refused[code] == 0 {
			t.Errorf("no case has %s", code)
		}
	}
	t.Logf("%v", refused)
}

// onlyLoaderSees are faults within a code that no pattern tells.
func onlyLoaderSees(message string) bool {
	for _, part := range []string{"Proxy is always dropped", "segment . or ..", "is zero", "is negative", "ten years"} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// TestSchemaCheckerBites makes sure that the checker of these tests finds what
// it is for.
func TestSchemaCheckerBites(t *testing.T) {
	c := newSchemaChecker(t, testOptions())
	base := map[string]any{
		"apiVersion": "scgikit/v1", "name": "blog", "type": "server",
		"run": map[string]any{"user": "www"}, "http": map[string]any{"mount": "/"},
	}
	if err := c.check(c.root, base, "base"); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]any{
		"name": "My Blog", "type": "sever", "protocol": 1.0, "run": map[string]any{}, "http": []any{},
		"frobnicate": 1.0, "targets": "nginx", "options": map[string]any{"inted": map[string]any{}}, "apiVersion": nil,
		"profiles": map[string]any{"x": map[string]any{"run": map[string]any{"usr": "x"}}},
		"log":      map[string]any{"keep": 0.0}, "labels": map[string]any{"a": []any{}},
	} {
		doc := make(map[string]any)
		maps.Copy(doc, base)
		doc[key] = value
		if c.check(c.root, doc, "doc") == nil {
			t.Errorf("%s: %v is accepted", key, value)
		}
	}
	patch := map[string]any{"profiles": map[string]any{"x": map[string]any{"run": map[string]any{"user": nil, "env": nil}, "log": nil}}}
	maps.Copy(patch, base)
	if err := c.check(c.root, patch, "patch"); err != nil {
		t.Errorf("null in a profile: %v", err)
	}
}

// TestSchemaDescribes checks that every key has a text for editors.
func TestSchemaDescribes(t *testing.T) {
	for _, f := range append(Fields(), OptionFields(testOptions())...) {
		if f.Doc == "" || strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: the text is missing or ends in a full stop: %q", f.Path, f.Doc)
		}
	}
}

func TestExplain(t *testing.T) {
	for field, want := range map[string]string{
		"listen.mode":         "a zero and three octal digits",
		"run.env.LANG":        "run.env",
		"http.static[0].dir":  "http.static[].dir",
		"run.limits":          "run.limits.nofile",
		"run":                 "how the program runs",
		"options.inetd":       "options.inetd.dialect",
		"options.inetd.limit": "6000",
		"profiles":            "RFC 7386",
		"":                    "health.path",
		"http.static":         "http.static[].url",
	} {
		text, err := Explain(field, testOptions())
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("Explain(%q) lacks %q: %v\n%s", field, want, err, text)
		}
	}
	for field, near := range map[string]string{"listen.mod": "listen.mode", "umask": "run.umask", "run.evn": "run.env", "zzzzzz": "", "options.inetd.dialekt": "options.inetd.dialect"} {
		_, err := Explain(field, testOptions())
		var unknown *UnknownFieldError
		if !errors.As(err, &unknown) || unknown.Near != near {
			t.Errorf("Explain(%q): %v, want the hint %q", field, err, near)
		}
	}
}
