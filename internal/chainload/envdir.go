package chainload

import (
	"bytes"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// variable is a change to an environment.
type variable struct {
	name, value string
	set         bool // false removes it
}

// edit changes an environment as pathexec_env does, which decides the order of
// the variables: the last takes the place of one that goes, a new one is the
// last. A name with "=" in it is the name before that, and the rest is value.
func edit(env []string, changes []variable) []string {
	for _, c := range changes {
		text := c.name
		if c.set {
			text += "=" + c.value
		}
		name, _, assigns := strings.Cut(text, "=")
		for i, old := range env {
			if strings.HasPrefix(old, name+"=") {
				env[i] = env[len(env)-1]
				env = env[:len(env)-1]
				break
			}
		}
		if assigns {
			env = append(env, text)
		}
	}
	return env
}

// EnvDir runs "dir child…": child with a variable for each file of dir whose name
// has no dot in front. Its value is the first line of the file, without blanks
// and tabs at the end and with newlines for NULs; an empty file removes the
// variable. So does a link to nothing, where the original has the value of the
// file before.
//
// Source: https://cr.yp.to/daemontools/envdir.html
func EnvDir(args []string) error {
	const program = "envdir"
	if len(args) < 2 {
		return &Error{ExitTemporary, "envdir: usage: envdir dir child"} // 111, not 100
	}
	start, err := unix.Open(".", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fatal(program, "unable to switch to current directory: ", err)
	}
	changes, err := readVariables(program, args[0])
	if err != nil {
		return err
	}
	if err := unix.Fchdir(start); err != nil {
		return fatal(program, "unable to switch to starting directory: ", err)
	}
	return newRequest(args[1:], edit(os.Environ(), changes)).become(program)
}

// readVariables goes to dir and reads its files, in the order that the folder
// has them: the first that can not be read is the one that is complained of.
func readVariables(program, dir string) ([]variable, error) {
	if err := unix.Chdir(dir); err != nil {
		return nil, fatal(program, "unable to switch to directory "+dir+": ", err)
	}
	folder, err := os.Open(".")
	if err != nil {
		return nil, fatal(program, "unable to read directory "+dir+": ", err)
	}
	names, err := folder.Readdirnames(-1)
	_ = folder.Close() // nothing was written
	if err != nil {
		return nil, fatal(program, "unable to read directory "+dir+": ", err)
	}
	var changes []variable
	for _, name := range names {
		if name[0] == '.' {
			continue
		}
		text, err := readFile(name)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, fatal(program, "unable to read "+dir+"/"+name+": ", err)
		}
		changes = append(changes, variable{name, valueOf(text), len(text) > 0})
	}
	return changes, nil
}

// valueOf makes the value of a variable from the text of its file.
func valueOf(text []byte) string {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(bytes.ReplaceAll(bytes.TrimRight(line, " \t"), []byte{0}, []byte("\n")))
}

// readFile reads a file without waiting for anybody: a FIFO is empty.
func readFile(name string) ([]byte, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var text []byte
	var b [4096]byte
	for {
		n, err := unix.Read(fd, b[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			return text, nil
		default:
			text = append(text, b[:n]...)
		}
	}
}
