package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// sockets reads who listens, from the tables of Linux. Other systems have none.
//
// Source: proc_pid_net(5).
func (m *Machine) sockets(t *tree) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for line := range strings.Lines(t.read(file)) {
			f := strings.Fields(line)
			if len(f) < 8 || f[3] != "0A" {
				continue
			}
			addr, ok := tcpAddress(f[1])
			uid, err := strconv.Atoi(f[7])
			if !ok || err != nil {
				continue
			}
			m.Sockets = append(m.Sockets, Socket{Address: addr.String(), User: m.userName(uid), Everyone: true, Public: !addr.Addr().Unmap().IsLoopback()})
		}
	}
	for line := range strings.Lines(t.read("/proc/net/unix")) {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		flags, err := strconv.ParseUint(f[3], 16, 32)
		const listens = 1 << 16
		if _, name, ok := strings.Cut(line, " "+f[6]+" "); err == nil && ok && flags&listens != 0 {
			m.unix(t, strings.TrimSuffix(name, "\n"))
		}
	}
	slices.SortFunc(m.Sockets, func(a, b Socket) int { return strings.Compare(a.Address, b.Address) })
	m.Sockets = slices.Compact(m.Sockets)
}

// unix adds a socket that has a name in the file system.
func (m *Machine) unix(t *tree, name string) {
	if !path.IsAbs(name) {
		return
	}
	s := Socket{Address: "unix:" + name}
	if info, err := t.stat(name); err == nil && info.Mode().Type() == fs.ModeSocket {
		s.Mode, s.Everyone = fmt.Sprintf("%04o", info.Mode().Perm()), info.Mode().Perm()&0o002 != 0
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			s.User = m.userName(int(st.Uid))
		}
	}
	m.Sockets = append(m.Sockets, s)
}

// tcpAddress reads "0100007F:1F90": words of 32 bits as the machine has them.
func tcpAddress(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr, uint16(n)), ok
}
