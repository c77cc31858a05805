package appfile

import "scgikit/internal/diag"

// projectRules checks what no single app shows.
func projectRules(apps []*loaded) diag.List { return nil }
