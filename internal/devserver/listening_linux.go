package devserver

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"scgikit/internal/appfile"
)

// The columns and marks of a listening socket in /proc/net.
//
// Source: proc(5); Linux include/net/tcp_states.h (TCP_LISTEN is 10), and
// include/uapi/linux/net.h (__SO_ACCEPTCON is 1 << 16).
const (
	tcpLocal   = 1
	tcpState   = 3
	tcpListen  = "0A"
	unixFlags  = 3
	unixPath   = 7
	unixAccept = "00010000"
)

// listed reports whether the kernel lists a listener at the address. Where the
// list cannot be read, or does not have the path of a unix socket at all, known
// is false: a socket that is bound and does not listen yet is known.
func listed(addr appfile.Addr) (found, known bool) {
	if addr.Unix != "" {
		bound := false
		found, _ = scan("/proc/net/unix", func(columns []string) bool {
			same := len(columns) > unixPath && strings.Join(columns[unixPath:], " ") == addr.Unix
			bound = bound || same
			return same && columns[unixFlags] == unixAccept
		})
		return found, bound
	}
	takes := func(columns []string) bool {
		return len(columns) > tcpState && columns[tcpState] == tcpListen && isLocal(columns[tcpLocal], addr)
	}
	found4, known4 := scan("/proc/net/tcp", takes)
	// A kernel without IPv6 has no second list.
	found6, _ := scan("/proc/net/tcp6", takes)
	return found4 || found6, known4
}

// scan reports whether a line of a list satisfies a test of its columns.
func scan(path string, ok func(columns []string) bool) (found, known bool) {
	f, err := os.Open(path)
	if err != nil {
		return false, false
	}
	defer f.Close() //nolint:errcheck // only read from
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if ok(strings.Fields(lines.Text())) {
			return true, true
		}
	}
	return false, lines.Err() == nil
}

// isLocal compares an address as /proc/net/tcp writes it, 32-bit words in the
// machine's byte order as hexadecimal digits ("0100007F:1F68"), with ours. A
// listener on all addresses takes ours too.
func isLocal(column string, addr appfile.Addr) bool {
	words, portText, _ := strings.Cut(column, ":")
	port, err := strconv.ParseUint(portText, 16, 16)
	if err != nil || int(port) != addr.Port {
		return false
	}
	raw, err := hex.DecodeString(words)
	if err != nil || len(raw)%4 != 0 {
		return false
	}
	for at := 0; at < len(raw); at += 4 {
		binary.NativeEndian.PutUint32(raw[at:], binary.BigEndian.Uint32(raw[at:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	if !ok {
		return false
	}
	ip = ip.Unmap()
	if addr.Host == "localhost" {
		return ip.IsUnspecified() || ip.IsLoopback()
	}
	return ip.IsUnspecified() || ip.String() == addr.Host
}
