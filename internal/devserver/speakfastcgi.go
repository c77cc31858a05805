package devserver

import (
	"io"
	"strconv"

	"scgikit/internal/fastcgi"
)

// onlyRequest is the number of the one request on a FastCGI connection.
const onlyRequest = 1

// speakFastCGI sends the parameters as they are. What the program writes on its
// standard error there is in the log.
func speakFastCGI(x *translation) error {
	x.send(func() error {
		list := fastcgi.AppendPair(nil, "CONTENT_LENGTH", strconv.FormatInt(x.request.ContentLength, 10))
		for _, h := range x.request.Headers {
			if h.Name != "CONTENT_LENGTH" && h.Name != "SCGI" {
				list = fastcgi.AppendPair(list, h.Name, h.Value)
			}
		}
		if _, err := x.app.Write(fastcgi.AppendBegin(nil, onlyRequest)); err != nil {
			return err
		}
		params := &fastcgi.Stream{W: x.app, Kind: fastcgi.Params, ID: onlyRequest}
		if _, err := params.Write(list); err != nil {
			return err
		}
		if err := params.Close(); err != nil {
			return err
		}
		stdin := &fastcgi.Stream{W: x.app, Kind: fastcgi.Stdin, ID: onlyRequest}
		if _, err := io.Copy(stdin, x.body); err != nil {
			return err
		}
		return stdin.Close()
	})
	// Lines come whole from one writer to the log.
	lines, stderr := io.Pipe()
	x.senders.Go(func() { x.log.copy(lines) })
	answer := &fastcgi.Answer{Source: x.app, ID: onlyRequest, Stderr: func(text []byte) {
		_, _ = stderr.Write(text) // its reader reads to the end
	}}
	_, err := io.Copy(x.answer, answer)
	_ = stderr.Close() // it never fails
	return err
}
