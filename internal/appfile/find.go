package appfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ArgumentError is what Find returns for names that it can not take, whatever
// the project holds.
type ArgumentError struct{ message string }

// Error says what is wrong.
func (e *ArgumentError) Error() string { return e.message }

// Find reads the descriptions that are named, in order, where "-" is standard
// input. The file NAME.PROFILE.yaml next to NAME.yaml comes with it as its
// profile. Names in the sources are relative to the folder, with slashes, as
// they were given.
//
// Of a file that is larger than a description can be no more is read than
// shows it.
func Find(dir string, files []string, profile string, stdin io.Reader) ([]Source, error) {
	if profile != "" && !nameSyntax.MatchString(profile) {
		return nil, &ArgumentError{fmt.Sprintf("%q is not the name of a profile: use small letters, digits and -", profile)}
	}
	if i := slices.Index(files, "-"); i >= 0 && slices.Contains(files[i+1:], "-") {
		return nil, &ArgumentError{"standard input is named twice"}
	}
	sources := make([]Source, 0, len(files))
	for _, name := range files {
		src, err := readSource(dir, name, profile, stdin)
		if err != nil {
			return nil, err
		}
		sources = append(sources, src)
	}
	return sources, nil
}

func readSource(dir, name, profile string, stdin io.Reader) (Source, error) {
	if name == "-" {
		if stdin == nil {
			return Source{}, errors.New("standard input cannot be read here")
		}
		data, err := io.ReadAll(io.LimitReader(stdin, maxSource+1))
		if err != nil {
			return Source{}, fmt.Errorf("read standard input: %w", err)
		}
		return Source{Name: "-", Data: data}, nil
	}
	data, err := readLimited(inDir(dir, name))
	if err != nil {
		return Source{}, err
	}
	src := Source{Name: filepath.ToSlash(name), Data: data}
	if profile == "" {
		return src, nil
	}
	other := strings.TrimSuffix(name, ".yaml") + "." + profile + ".yaml"
	data, err = readLimited(inDir(dir, other))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Source{}, err
	default:
		src.Profile = &Source{Name: filepath.ToSlash(other), Data: data}
	}
	return src, nil
}

func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func readLimited(file string) ([]byte, error) {
	// A FIFO in a folder of descriptions, which nobody writes to, holds nobody up.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; name the descriptions in it", file)
	}
	return io.ReadAll(io.LimitReader(f, maxSource+1))
}
