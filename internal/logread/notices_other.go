//go:build !linux

package logread

import (
	"context"
	"time"
)

// notices are for systems that tell of changes in folders: none, here.
type notices struct{}

func newNotices([]*Source) *notices { return nil }

func (*notices) watch([]*Source) bool { return false }

func (*notices) wait(context.Context, time.Duration) {}

func (*notices) close() {}
