// Package templates holds the built-in templates, one folder a target. It has
// no logic: Go code decides, a template lays out.
package templates

import "embed"

// FS holds TARGET/NAME.tmpl for every target.
//
//go:embed all:*
var FS embed.FS
