package appfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The names of descriptions in a project's folder.
const (
	singleFile = "scgikit.yaml"
	appsDir    = "apps"
)

// ErrNoDescription is what Find returns, wrapped, where a folder has no
// description.
var ErrNoDescription = errors.New("no description")

// ArgumentError is what Find returns for names that it can not take, whatever
// the project holds.
type ArgumentError struct{ message string }

// Error says what is wrong.
func (e *ArgumentError) Error() string { return e.message }

// Find reads the descriptions of a project: the files that are named, in
// order, where "-" is standard input; and without any, scgikit.yaml or else
// apps/*.yaml in the folder. The file NAME.PROFILE.yaml next to NAME.yaml comes
// with it as its profile. Names in the sources are relative to the folder,
// with slashes, as they were given.
//
// Of a file that is larger than a description can be no more is read than
// shows it.
func Find(dir string, files []string, profile string, stdin io.Reader) ([]Source, error) {
	if profile != "" && !nameSyntax.MatchString(profile) {
		return nil, &ArgumentError{fmt.Sprintf("%q is not the name of a profile: use small letters, digits and -", profile)}
	}
	if len(files) == 0 {
		found, err := projectFiles(dir)
		if err != nil {
			return nil, err
		}
		files = found
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

// projectFiles returns the descriptions of a folder, sorted.
func projectFiles(dir string) ([]string, error) {
	_, err := os.Stat(filepath.Join(dir, singleFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	single := err == nil
	entries, err := os.ReadDir(filepath.Join(dir, appsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		stem, ext := strings.TrimSuffix(e.Name(), path.Ext(e.Name())), path.Ext(e.Name())
		switch {
		case e.IsDir() || strings.HasPrefix(stem, "."):
		case ext == ".yml":
			return nil, fmt.Errorf("%s/%s: a description's file ends in .yaml; rename it", appsDir, e.Name())
		case ext == ".yaml" && !strings.Contains(stem, "."):
			files = append(files, appsDir+"/"+e.Name())
		}
	}
	switch {
	case single && len(files) > 0:
		return nil, fmt.Errorf("there are %s and %s/*.yaml; keep one of them, or choose with -f", singleFile, appsDir)
	case single:
		return []string{singleFile}, nil
	case len(files) == 0:
		return nil, fmt.Errorf("%w: neither %s nor %s/*.yaml is here; name a file with -f", ErrNoDescription, singleFile, appsDir)
	}
	slices.Sort(files)
	return files, nil
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
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; name the descriptions in it, or start in the folder that holds %s or %s", file, singleFile, appsDir)
	}
	return io.ReadAll(io.LimitReader(f, maxSource+1))
}
