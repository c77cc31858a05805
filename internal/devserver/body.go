package devserver

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// memoryBody is how much of a request body stays in memory; a longer one goes
// to an unlinked temporary file.
const memoryBody = 256 << 10

// errTooLarge says that a request body is over http.max_body.
var errTooLarge = errors.New("request body too large")

// spooled is a complete request body. SCGI names the length before the body, so
// a body of unknown length (chunked) has to be complete first; nginx and
// Lighttpd do the same with every body.
type spooled struct {
	io.Reader
	size int64
	file *os.File // nil while in memory
}

// spool reads a whole body of at most limit bytes. The caller closes it.
func spool(body io.Reader, limit int64) (*spooled, error) {
	var head bytes.Buffer
	n, err := io.Copy(&head, io.LimitReader(body, min(limit, memoryBody)+1))
	switch {
	case err != nil:
		return nil, err
	case n > limit:
		return nil, errTooLarge
	case n <= memoryBody:
		return &spooled{Reader: &head, size: n}, nil
	}
	file, err := os.CreateTemp("", "scgikit-dev-body-")
	if err != nil {
		return nil, err
	}
	s := &spooled{Reader: file, file: file}
	// Unlinked at once: nothing is left behind however dev ends.
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.size, err = io.Copy(file, io.MultiReader(&head, io.LimitReader(body, limit-n+1)))
	if err == nil && s.size > limit {
		err = errTooLarge
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close gives the temporary file back.
func (s *spooled) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
