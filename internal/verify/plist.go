package verify

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// plistKind is the type of a value of a property list.
type plistKind string

const (
	plistString plistKind = "string"
	plistInt    plistKind = "integer"
	plistBool   plistKind = "boolean"
	plistArray  plistKind = "array"
	plistDict   plistKind = "dictionary"
)

// plistValue is a value of a property list, with its place.
type plistValue struct {
	kind   plistKind
	line   int
	text   string // of a string
	number int64
	truth  bool
	list   []plistValue // of an array, or the values of a dictionary
	keys   []string     // of a dictionary
}

// get returns the value of a key, or nil.
func (v *plistValue) get(key string) *plistValue {
	for i, k := range v.keys {
		if k == key {
			return &v.list[i]
		}
	}
	return nil
}

// plistError is what keeps a text from being a property list.
type plistError struct {
	line    int
	message string
}

func (e *plistError) Error() string { return e.message }

// maxPlistDepth is how deep values may be nested in each other.
const maxPlistDepth = 100

// readPlist reads a property list of XML, more strictly than any program does:
// what one of them ignores is an error. It knows no data, dates and reals, which
// no key of launchd.plist(5) wants.
//
// Source: https://www.apple.com/DTDs/PropertyList-1.0.dtd.
func readPlist(data []byte) (*plistValue, error) {
	p := &plistReader{dec: xml.NewDecoder(bytes.NewReader(data))}
	root, err := p.open()
	if err == nil && root.Name.Local != "plist" {
		err = p.fail("the element is %s, not plist", root.Name.Local)
	}
	if err != nil {
		return nil, err
	}
	start, err := p.open()
	if err != nil {
		return nil, err
	}
	v, err := p.value(start, 0)
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	if token, err := p.next(); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, err
		}
		return nil, p.fail("there is more behind the property list: %T", token)
	}
	return v, nil
}

type plistReader struct{ dec *xml.Decoder }

func (p *plistReader) fail(format string, args ...any) error {
	line, _ := p.dec.InputPos()
	return &plistError{line, fmt.Sprintf(format, args...)}
}

// next returns the next token that means something: comments, the declaration
// and blanks between elements do not.
func (p *plistReader) next() (xml.Token, error) {
	for {
		token, err := p.dec.Token()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		if err != nil {
			message := err.Error()
			if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
				message = syntax.Msg
			}
			return nil, p.fail("no XML: %s", message)
		}
		switch token := token.(type) {
		case xml.Comment, xml.ProcInst, xml.Directive:
		case xml.CharData:
			if strings.Trim(string(token), " \t\r\n") != "" {
				return nil, p.fail("there is text outside of a value: %.40q", token)
			}
		default:
			return token, nil
		}
	}
}

// open returns the next element, which has to be there.
func (p *plistReader) open() (xml.StartElement, error) {
	token, err := p.next()
	if errors.Is(err, io.EOF) {
		return xml.StartElement{}, p.fail("it ends too early")
	}
	if err != nil {
		return xml.StartElement{}, err
	}
	start, ok := token.(xml.StartElement)
	if !ok {
		return start, p.fail("a value is missing")
	}
	return start, nil
}

// end requires that an element ends.
func (p *plistReader) end() error {
	token, err := p.next()
	if err != nil {
		return err
	}
	if start, ok := token.(xml.StartElement); ok {
		return p.fail("there is a %s too many", start.Name.Local)
	}
	return nil
}

// text returns what an element without elements in it holds.
func (p *plistReader) text() (string, error) {
	var b strings.Builder
	for {
		token, err := p.dec.Token()
		if err != nil {
			return "", p.fail("no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.CharData:
			b.Write(token)
		case xml.EndElement:
			return b.String(), nil
		default:
			return "", p.fail("there is something else in a text: %T", token)
		}
	}
}

func (p *plistReader) value(start xml.StartElement, depth int) (v *plistValue, err error) {
	line, _ := p.dec.InputPos()
	v = &plistValue{line: line}
	if len(start.Attr) > 0 {
		return nil, p.fail("%s has an attribute", start.Name.Local)
	}
	if depth > maxPlistDepth {
		return nil, p.fail("values are nested more than %d times", maxPlistDepth)
	}
	switch name := start.Name.Local; name {
	case "string":
		v.kind = plistString
		v.text, err = p.text()
	case "integer":
		var text string
		v.kind = plistInt
		if text, err = p.text(); err == nil {
			if v.number, err = strconv.ParseInt(text, 10, 64); err != nil || strconv.FormatInt(v.number, 10) != text {
				err = p.fail("%.40q is no decimal number", text)
			}
		}
	case "true", "false":
		v.kind, v.truth = plistBool, name == "true"
		err = p.end()
	case "array":
		v.kind = plistArray
		err = p.items(v, depth)
	case "dict":
		v.kind = plistDict
		err = p.items(v, depth)
	default:
		return nil, p.fail("%s is no value that launchd knows", name)
	}
	return v, err
}

// items reads the values of an array or a dictionary.
func (p *plistReader) items(v *plistValue, depth int) error {
	for {
		token, err := p.next()
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			return nil
		}
		if v.kind == plistDict {
			if start.Name.Local != "key" {
				return p.fail("a key is missing in front of %s", start.Name.Local)
			}
			key, err := p.text()
			if err != nil {
				return err
			}
			if v.get(key) != nil {
				return p.fail("the key %.60s is there twice", key)
			}
			if start, err = p.open(); err != nil {
				return err
			}
			v.keys = append(v.keys, key)
		}
		item, err := p.value(start, depth+1)
		if err != nil {
			return err
		}
		v.list = append(v.list, *item)
	}
}
