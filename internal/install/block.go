package install

import (
	"bytes"
	"fmt"
)

// A block is the part of a shared file that belongs to one app, between two lines:
//
//	# BEGIN scgikit blog
//	…
//	# END scgikit blog
//
// Every byte outside of it is another's.

// BlockMarks returns the lines around the block of an app.
func BlockMarks(app string) (begin, end string) {
	return "# BEGIN scgikit " + app, "# END scgikit " + app
}

// BlockError says that the marks of a shared file can not be understood.
type BlockError struct {
	Path string
	App  string
	Why  string
}

// Error names file, app and what is wrong.
func (e *BlockError) Error() string {
	return fmt.Sprintf("%s: the block of %s %s", e.Path, e.App, e.Why)
}

// findBlock returns where the block of an app begins and ends in a file, with its
// marks, and -1 where there is none. Marks stand alone on their lines; a CR before
// the line's end is taken along.
func findBlock(text []byte, p, app string) (begin, end int, err error) {
	first, last := BlockMarks(app)
	begin, end = -1, -1
	for at := 0; at < len(text); {
		line, _, _ := bytes.Cut(text[at:], []byte("\n"))
		next := min(at+len(line)+1, len(text))
		switch string(bytes.TrimSuffix(line, []byte("\r"))) {
		case first:
			if begin >= 0 {
				return 0, 0, &BlockError{p, app, "begins twice"}
			}
			begin = at
		case last:
			if begin < 0 || end >= 0 {
				return 0, 0, &BlockError{p, app, "ends where it has not begun"}
			}
			end = next
		}
		at = next
	}
	if begin >= 0 && end < 0 {
		return 0, 0, &BlockError{p, app, "does not end"}
	}
	return begin, end, nil
}

// blockText returns a block as it stands in a file.
func blockText(app string, body []byte) []byte {
	first, last := BlockMarks(app)
	var b bytes.Buffer
	b.WriteString(first + "\n")
	b.Write(body)
	if len(body) > 0 && body[len(body)-1] != '\n' {
		b.WriteByte('\n')
	}
	b.WriteString(last + "\n")
	return b.Bytes()
}

// getBlock returns the block of an app as it stands, with its marks.
func getBlock(text []byte, p, app string) ([]byte, bool, error) {
	begin, end, err := findBlock(text, p, app)
	if err != nil || begin < 0 {
		return nil, false, err
	}
	return text[begin:end], true, nil
}

// setBlock returns the file with the block of an app as given, or without it where
// block is nil. A new block comes last. A last line without its end gets one then,
// which glued tells.
func setBlock(text []byte, p, app string, block []byte) (out []byte, glued bool, err error) {
	begin, end, err := findBlock(text, p, app)
	switch {
	case err != nil:
		return nil, false, err
	case begin >= 0:
		return joined(text[:begin], block, text[end:]), false, nil
	case block == nil:
		return text, false, nil
	case len(text) > 0 && text[len(text)-1] != '\n':
		return joined(text, []byte("\n"), block), true, nil
	}
	return joined(text, block), false, nil
}

// unglued takes away the line end that was put before the first block, where
// nothing stands behind it now.
func unglued(text []byte) []byte { return bytes.TrimSuffix(text, []byte("\n")) }

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
