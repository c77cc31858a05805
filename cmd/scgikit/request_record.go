package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"scgikit/internal/fastcgi"
	"scgikit/internal/scgi"
)

// recordRequest writes the bytes of a request to the file of --record. The file is
// the user's alone, because requests hold cookies and passwords. What stands there
// is kept unless --force is given; then the new file takes its place, whole, and a
// link is replaced, not followed.
func (e *env) recordRequest(flags *requestFlags, o *outgoing) error {
	path := e.path(flags.record)
	if !flags.force {
		if _, err := os.Lstat(path); err == nil {
			return failf(exitRefused, "--force replaces it", "--record: %s is there already", path)
		}
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".scgikit-record-") // mode 0600
	if err != nil {
		return fmt.Errorf("--record: %w", err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // it has its name by now, or nobody wants it
	out := &firstError{w: file}
	err = o.writeTo(out)
	if err = errors.Join(err, out.err, file.Close()); err != nil {
		return fmt.Errorf("--record: %w", err)
	}
	if flags.force {
		if err := os.Rename(file.Name(), path); err != nil {
			return fmt.Errorf("--record: %w", err)
		}
		return nil
	}
	// Unlike a rename, a link never replaces what came there meanwhile.
	switch err := os.Link(file.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return failf(exitRefused, "--force replaces it", "--record: %s is there already", path)
	case err != nil:
		return fmt.Errorf("--record: %w", err)
	}
	return nil
}

// replayed returns the request that the file of --replay holds, as it is. Unless
// its answer is to be printed raw, it has to be one whole request: an app would
// wait for the rest of it until the time is up.
func (e *env) replayed(ctx context.Context, flags *requestFlags) (*outgoing, error) {
	body, err := e.openBody(ctx, flags.replay)
	if err != nil {
		return nil, fmt.Errorf("--replay: %w", err)
	}
	o := &outgoing{body: body}
	if flags.raw {
		return o, nil
	}
	if o.protocol, err = inspect(body); err != nil {
		o.close()
		return nil, failf(exitFailed, "--raw sends it all the same, and prints what comes back", "--replay: %s: %w", body.name, err)
	}
	return o, nil
}

// inspect returns the protocol of a recorded request. It keeps no more than the
// parameters in memory.
func inspect(b *requestBody) (protocol string, err error) {
	in := bufio.NewReader(io.NewSectionReader(b.from, 0, b.size))
	first, err := in.Peek(1)
	switch {
	case errors.Is(err, io.EOF):
		return "", errors.New("it is empty")
	case err != nil:
		return "", err
	case first[0] == fastcgi.Version:
		return protocolFastCGI, inspectFastCGI(in)
	}
	return protocolSCGI, inspectSCGI(in, b.size)
}

func inspectSCGI(in *bufio.Reader, size int64) error {
	counted := &countingReader{r: in}
	request, err := scgi.ReadRequest(counted)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends inside the parameters of an SCGI request")
	case err != nil:
		return fmt.Errorf("no SCGI or FastCGI request: %w", err)
	}
	switch left := size - counted.n - request.ContentLength; {
	case left < 0:
		return fmt.Errorf("the body of its SCGI request ends %d bytes early", -left)
	case left > 0:
		return fmt.Errorf("it has %d bytes after its SCGI request", left)
	}
	return nil
}

// inspectFastCGI follows the records to the end of standard input, which is that
// of the request.
func inspectFastCGI(in *bufio.Reader) error {
	var d fastcgi.Decoder
	ended := false
	for {
		// A head of a record has to be there as a whole.
		data, err := in.Peek(max(1, min(in.Buffered(), in.Size())))
		if len(data) == 0 {
			switch {
			case !errors.Is(err, io.EOF):
				return err
			case !ended || !d.Clean():
				return errors.New("it ends inside a FastCGI request")
			}
			return nil
		}
		piece, n, err := d.Next(data)
		if err == nil && n == 0 {
			if _, err = in.Peek(len(data) + 1); err != nil {
				return errors.New("it ends inside a record of FastCGI")
			}
			continue
		}
		if err != nil {
			return err
		}
		if ended && piece.Kind != 0 {
			return errors.New("it has more after its FastCGI request")
		}
		if _, err := in.Discard(n); err != nil {
			return err
		}
		ended = ended || (piece.Kind == fastcgi.Stdin && piece.First && piece.Length == 0)
	}
}

// countingReader counts what is read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
