//go:build !linux

package supervise

import "errors"

// Run needs Linux: it knows processes by descriptors.
func Run(Config, Role) (int, error) {
	return 0, errors.New("supervising needs Linux; elsewhere use daemontools, runit or s6 on the same folders")
}
