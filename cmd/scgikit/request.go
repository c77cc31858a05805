package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// requestFlags are the flags of request.
type requestFlags struct {
	method   string
	headers  []string
	data     string
	hasData  bool
	include  bool
	raw      bool
	fail     bool
	time     bool
	protocol string
	mount    string
	host     string
	params   []string
	record   string
	force    bool
	replay   string
	timeout  time.Duration
}

// builds are the flags that say what the request is, which a replayed one is
// already.
var builds = [...]string{"request", "header", "data", "protocol", "mount", "host", "param", "record"}

func newRequestCmd(e *env) *cobra.Command {
	var flags requestFlags
	cmd := &cobra.Command{
		Use:   "request ADDR [PATH]",
		Short: "send one SCGI request to an app",
		Long: `Sends one SCGI request, as a web server would, and prints the body of the answer:
curl for SCGI. ADDR is host:port, unix:/path, or fd:N for a connection that the
caller has opened. PATH is a request target, with its query. With --protocol
fastcgi the request is one of FastCGI; what the app writes to its standard error
then goes to that of this command.

--record keeps the request in a file, byte by byte as it is sent, body and all; it
is written before anybody is asked, so that it is there whatever becomes of it.
--replay sends such a file in place of a request of its own, without PATH, to any
app, or to "scgi-run bridge" on its standard input. It refuses a file that is no
whole request, unless --raw is given, which sends and prints anything.

An answer with any status is exit code 0, unless --fail is given; no connection,
or an answer that no web server would accept, is 1. On a terminal, what a terminal
would obey is written as \xNN.`,
		Example: `  scgikit request 127.0.0.1:8040 --mount /blog '/blog/?page=2' -i
  scgikit request unix:/run/blog.sock / -H 'Accept-Language: de' -d text=hello --time
  scgikit request 127.0.0.1:8040 / --param REMOTE_USER=ann -o json
  scgikit request 127.0.0.1:8040 /upload -d @photo.jpg --record upload.scgi
  scgikit request 127.0.0.1:8041 --replay upload.scgi`,
		GroupID: groupRun,
		Args: func(cmd *cobra.Command, args []string) error {
			if flags.replay == "" {
				return wants(2, 2)(cmd, args)
			}
			for _, name := range builds {
				if cmd.Flags().Changed(name) {
					return usagef("leave one of them out", "--replay sends a request as it is, so --%s has no meaning", name)
				}
			}
			return wants(1, 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.hasData = cmd.Flags().Changed("data")
			return e.request(cmd.Context(), &flags, args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&flags.method, "request", "X", "", "`METHOD`; default GET, or POST with --data")
	f.StringArrayVarP(&flags.headers, "header", "H", nil, "header field, `NAME: VALUE`; repeatable")
	f.StringVarP(&flags.data, "data", "d", "", "request body: `TEXT`, @FILE for what a file holds, or @- for standard input")
	f.BoolVarP(&flags.include, "include", "i", false, "print the head of the answer as well")
	f.BoolVar(&flags.time, "time", false, "say how long it took, on standard error")
	f.BoolVar(&flags.raw, "raw", false, "print the answer byte by byte as it comes, whether it is one or not")
	f.BoolVar(&flags.fail, "fail", false, "exit code 1 for a status of 400 or more")
	f.StringVar(&flags.protocol, "protocol", "scgi", "`PROTOCOL`: scgi or fastcgi")
	f.StringVar(&flags.mount, "mount", "/", "`PREFIX` that becomes SCRIPT_NAME; the rest of the path is PATH_INFO")
	f.StringVar(&flags.host, "host", "localhost", "`HOST`, with a port if there is one, for HTTP_HOST and SERVER_NAME")
	f.StringArrayVar(&flags.params, "param", nil, "SCGI parameter, `NAME=VALUE`, in place of what it would be; repeatable")
	f.StringVar(&flags.record, "record", "", "keep the request in a new `FILE`, which only you may read")
	f.BoolVar(&flags.force, "force", false, "let --record replace a file")
	f.StringVar(&flags.replay, "replay", "", "send the request that a `FILE` holds, or - for standard input")
	f.DurationVar(&flags.timeout, "timeout", time.Minute, "`TIME` for all of it; 0 is no limit")
	return cmd
}

// request sends the request and prints the answer.
func (e *env) request(ctx context.Context, flags *requestFlags, args []string) error {
	if flags.raw && (flags.include || flags.fail || e.settings.Output != "text") {
		return usagef("leave one of them out", "--raw prints the answer without looking at it, so --include, --fail and -o have no meaning")
	}
	limit := ctx
	if flags.timeout > 0 {
		var cancel context.CancelFunc
		limit, cancel = context.WithTimeout(ctx, flags.timeout)
		defer cancel()
	}
	err := e.sendRequest(limit, flags, args)
	if err != nil && ctx.Err() == nil && errors.Is(limit.Err(), context.DeadlineExceeded) && !errors.Is(err, errSlowInput) {
		return failf(exitFailed, "raise --timeout", "%s did not answer within %v", args[0], flags.timeout)
	}
	return err
}

// sendRequest is request within the time that it has.
func (e *env) sendRequest(ctx context.Context, flags *requestFlags, args []string) error {
	message, err := e.requestToSend(ctx, flags, args)
	if err != nil {
		return err
	}
	defer message.close()
	watch := stopwatch{began: time.Now()}
	conn, err := dialSCGI(ctx, args[0])
	if err != nil {
		return err
	}
	watch.connected = time.Now()
	// Ends both directions in time, or at a Control-C.
	release := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer release()
	var sender sync.WaitGroup
	var source error
	sender.Go(func() {
		// An app may answer without reading all of it; the answer counts. But a
		// request that cannot be read to its end is none.
		if source = message.writeTo(conn); source != nil {
			_ = conn.Close()
		}
	})
	err = e.printAnswer(flags, message.protocol, &watchedReader{conn: conn, watch: &watch}, &watch)
	_ = conn.Close() // whatever there was to read is read
	sender.Wait()
	if source != nil {
		return source
	}
	return err
}

// requestToSend returns the request of the flags and of PATH, or the one to
// replay.
func (e *env) requestToSend(ctx context.Context, flags *requestFlags, args []string) (*outgoing, error) {
	if flags.replay != "" {
		return e.replayed(ctx, flags)
	}
	message, err := e.newRequest(ctx, flags, args[1])
	if err != nil || flags.record == "" {
		return message, err
	}
	if err := e.recordRequest(flags, message); err != nil {
		message.close()
		return nil, err
	}
	return message, nil
}

// maxSocketPath is what Linux takes: sun_path has 108 bytes, with a NUL at the end.
// Where it is shorter the system says that the argument is invalid.
const maxSocketPath = 107

// dialSCGI connects to an ADDR of the command line.
func dialSCGI(ctx context.Context, addr string) (net.Conn, error) {
	if text, ok := strings.CutPrefix(addr, "fd:"); ok {
		fd, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, usagef("for example fd:3", "%s names no descriptor", addr)
		}
		return inherited(uintptr(fd), addr)
	}
	network, place := "tcp", addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, place = "unix", path
		if len(path) > maxSocketPath {
			return nil, usagef("connect to a shorter link to it, or from its folder", "%s: the path of a socket has at most %d bytes", addr, maxSocketPath)
		}
	} else if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, usagef("write host:port, unix:/path or fd:N", "%q is not an address", addr)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, place)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, os.ErrPermission):
		return nil, failf(exitPermission, "look at the owner and mode of the socket, and of the folders above it", "%w", err)
	}
	return nil, failf(exitFailed, "does the app run, and listen there?", "%w", err)
}

// inherited returns a connection that the caller has opened.
func inherited(fd uintptr, addr string) (net.Conn, error) {
	file := os.NewFile(fd, addr)
	if file == nil {
		return nil, usagef("", "%s is not open", addr)
	}
	defer file.Close() //nolint:errcheck // FileConn has a copy
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, usagef("", "%s is no connected socket: %w", addr, err)
	}
	return conn, nil
}
