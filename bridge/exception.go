package bridge

import "slices"

// Exception is a reason to refuse a script that is not one for this bridge.
type Exception string

// The exceptions.
const (
	AllowHidden   Exception = "hidden"   // names that begin with "."
	AllowBackup   Exception = "backup"   // names of copies that editors and package managers leave
	AllowWritable Exception = "writable" // scripts and folders that everybody may write to
	AllowSetuid   Exception = "setuid"   // programs with a set-uid or set-gid bit
	AllowOwner    Exception = "owner"    // scripts of users who own neither the folder nor this process
)

// Exceptions lists all of them.
func Exceptions() []Exception {
	return []Exception{AllowHidden, AllowBackup, AllowWritable, AllowSetuid, AllowOwner}
}

// checks is what is required of scripts.
type checks struct {
	allow []Exception
	log   *logger
}

// refuse refuses a script for a reason, unless that is none here.
func (c *checks) refuse(e Exception, name, reason string) error {
	if slices.Contains(c.allow, e) {
		return nil
	}
	return refuse(403, name, reason+"; --allow "+string(e)+" runs it nevertheless")
}
