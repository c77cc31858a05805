//go:build linux || freebsd || netbsd

package install

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// keepAttributes gives a file the extended attributes of the one that it replaces:
// labels of SELinux, access control lists, and what an administrator put there. Those
// that sign the bytes of a file are the kernel's to make.
//
// Source: xattr(7), acl(5); Linux Documentation/ABI/testing/evm.
func keepAttributes(from, to *os.File) error {
	names, err := attributes(from)
	if err != nil {
		return fmt.Errorf("list its extended attributes: %w", err)
	}
	for _, name := range names {
		if slices.Contains([]string{"security.evm", "security.ima"}, name) {
			continue
		}
		value, err := attribute(from, name)
		if errors.Is(err, noAttribute) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read its extended attribute %s: %w", name, err)
		}
		// A new file may have it by itself, and not let anybody set it.
		if now, err := attribute(to, name); err == nil && bytes.Equal(now, value) {
			continue
		}
		if err := unix.Fsetxattr(int(to.Fd()), name, value, 0); err != nil {
			return fmt.Errorf("its extended attribute %s can not be kept: %w", name, err)
		}
	}
	return nil
}

func attributes(f *os.File) ([]string, error) {
	list, err := sized(func(to []byte) (int, error) { return unix.Flistxattr(int(f.Fd()), to) })
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	names := strings.FieldsFunc(string(list), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	return names, err
}

func attribute(f *os.File, name string) ([]byte, error) {
	return sized(func(to []byte) (int, error) { return unix.Fgetxattr(int(f.Fd()), name, to) })
}

// sized asks for a size, and then for that many bytes; again where it grew meanwhile.
func sized(call func(to []byte) (int, error)) ([]byte, error) {
	for {
		n, err := call(nil)
		if err != nil || n == 0 {
			return nil, err
		}
		to := make([]byte, n)
		n, err = call(to)
		if !errors.Is(err, unix.ERANGE) {
			return to[:max(n, 0)], err
		}
	}
}
