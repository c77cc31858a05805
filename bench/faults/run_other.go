//go:build !linux

package main

import "errors"

func run(int, string) error {
	return errors.Join(errBad, errors.New("the supervisor is for Linux"))
}
