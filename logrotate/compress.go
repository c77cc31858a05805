package logrotate

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"scgikit/internal/tai64n"
)

// compressing is the name of what is being compressed to. It has no "@", so that
// no rotator counts, keeps or removes it as a finished file.
const compressing = "compressing"

// copyBytes is how much is compressed between two looks at whether to stop.
const copyBytes = 64 << 10

var (
	// errCompressionStopped says that the file is as it was.
	errCompressionStopped = errors.New("compression stopped")
	// errPruned says that the file was removed, or is another one, since its
	// compression began.
	errPruned = errors.New("removed while it was compressed")
)

// compressionJob is one finished file and what to make of it.
type compressionJob struct {
	dir   int         // descriptor of the folder; open until the end
	name  string      // of the file, compressible
	kind  Compression // Gzip or Zstd
	zstd  string      // what findZstd found; for Zstd
	names *sync.Mutex // held while names of finished files change
	owner *Owner      // of the files, if it is not this process's user
}

// compression is a job that is carried out.
type compression struct {
	cancel   chan struct{}
	stopping sync.Once
	done     chan struct{}
	err      error // of the job; set when done is closed
}

// startCompression replaces a finished file by its compressed form, NAME.gz or
// NAME.zst, in the background and with the lowest priority. When that is over
// it calls wake, unless that is nil.
//
// At every moment the folder has the whole file under one of its names, or
// under both. The error of a job may be errPruned or errCompressionStopped.
func startCompression(job compressionJob, wake func()) *compression {
	c := &compression{cancel: make(chan struct{}), done: make(chan struct{})}
	go func() {
		// The thread ends with the goroutine, because it is not unlocked: its
		// priority can not be raised again without privilege. A program that it
		// starts inherits the priority, and ends with it.
		runtime.LockOSThread()
		lowerPriority()
		c.err = job.run(c.cancel)
		close(c.done)
		if wake != nil {
			wake()
		}
	}()
	return c
}

// result returns whether the job is over, and how it ended. It does not wait.
func (c *compression) result() (done bool, err error) {
	select {
	case <-c.done:
		return true, c.err
	default:
		return false, nil
	}
}

// wait waits for the end of the job.
func (c *compression) wait() error {
	<-c.done
	return c.err
}

// stop ends the job soon, and waits for that.
func (c *compression) stop() error {
	c.stopping.Do(func() { close(c.cancel) })
	return c.wait()
}

// compressible returns whether a name is that of a finished file that is not
// compressed: a label, and .s or .u.
func compressible(name string) bool {
	if len(name) != tai64n.Size+2 || !strings.HasSuffix(name, ".s") && !strings.HasSuffix(name, ".u") {
		return false
	}
	_, err := tai64n.Parse(name[:tai64n.Size])
	return err == nil
}

// finishCompressions removes what a killed logger left of compressions, given
// the names in the folder. Where a file is there with and without its suffix,
// the one without goes on: it is whole for certain, whoever made the other.
func finishCompressions(dir int, names []string) error {
	err := unlinkIfThere(dir, compressing)
	for _, name := range names {
		base, ok := strings.CutSuffix(name, ".gz")
		if !ok {
			base, ok = strings.CutSuffix(name, ".zst")
		}
		if ok && compressible(base) && slices.Contains(names, base) {
			err = errors.Join(err, unlinkIfThere(dir, name))
		}
	}
	return err
}

// suffix is what the name of a compressed file ends in.
func (k Compression) suffix() string {
	switch k {
	case Gzip:
		return ".gz"
	case Zstd:
		return ".zst"
	case Uncompressed:
	}
	return ""
}

func (job compressionJob) run(cancel <-chan struct{}) error {
	if job.kind == Uncompressed || !compressible(job.name) {
		return fmt.Errorf("compress %s: %w", job.name, unix.EINVAL)
	}
	fd, info, err := openRegular(job.dir, job.name, unix.O_RDONLY, 0, job.owner)
	if errors.Is(err, unix.ENOENT) {
		return errPruned
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", job.name, err)
	}
	from := os.NewFile(uintptr(fd), job.name)
	defer from.Close() //nolint:errcheck // it was only read
	err = job.write(from, info, cancel)
	if err == nil {
		err = job.swap(info)
	}
	if err != nil {
		// What stays after a crash is removed at the next start.
		_ = unlinkIfThere(job.dir, compressing)
	}
	return err
}

// write makes the compressed file, complete and on disk.
func (job compressionJob) write(from *os.File, info fileInfo, cancel <-chan struct{}) error {
	if err := unlinkIfThere(job.dir, compressing); err != nil {
		return fmt.Errorf("remove %s: %w", compressing, err)
	}
	fd, err := openAt(job.dir, compressing, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create %s: %w", compressing, err)
	}
	to := os.NewFile(uintptr(fd), compressing)
	defer to.Close() //nolint:errcheck // it was written to disk before
	if err := job.owner.give(fd); err != nil {
		return fmt.Errorf("give %s to its owner: %w", compressing, err)
	}
	if job.kind == Zstd {
		err = zstdThrough(job.zstd, from, to, job.owner, cancel)
	} else {
		err = gzipTo(to, from, cancel)
	}
	if err != nil {
		return err
	}
	// A compressor that ended well without reading everything is none.
	if at, err := from.Seek(0, io.SeekCurrent); err != nil || at != info.size {
		return fmt.Errorf("compress %s: %w", job.name, io.ErrUnexpectedEOF)
	}
	if err := fchmod(fd, info.mode&0o777); err != nil {
		return fmt.Errorf("set mode of %s: %w", compressing, err)
	}
	if err := fsync(fd); err != nil {
		return fmt.Errorf("write %s to disk: %w", compressing, err)
	}
	return nil
}

// swap gives the compressed file its name and takes the other one's away.
func (job compressionJob) swap(info fileInfo) error {
	name := job.name + job.kind.suffix()
	if err := job.publish(name, info); err != nil {
		return err
	}
	// The new name must be on disk before the old one is not. A disk may take
	// long for that, so names is free meanwhile.
	err := syncFolder(job.dir)
	if err == nil {
		err = job.unlinkOriginal(info)
	}
	if err != nil {
		// Both stay, for the next start to choose: after an error nobody knows
		// whether the old name is there.
		return fmt.Errorf("replace %s by %s: %w", job.name, name, err)
	}
	return nil
}

// publish gives the compressed file its name if the other one is still there:
// what was pruned does not come back.
func (job compressionJob) publish(name string, info fileInfo) error {
	job.names.Lock()
	defer job.names.Unlock()
	if err := job.still(info); err != nil {
		return err
	}
	if err := again(func() error { return unix.Renameat(job.dir, compressing, job.dir, name) }); err != nil {
		return fmt.Errorf("rename %s to %s: %w", compressing, name, err)
	}
	return nil
}

// unlinkOriginal removes the file that was compressed, unless somebody did or
// put another one in its place.
func (job compressionJob) unlinkOriginal(info fileInfo) error {
	job.names.Lock()
	defer job.names.Unlock()
	err := job.still(info)
	if errors.Is(err, errPruned) {
		return nil
	}
	if err != nil {
		return err
	}
	return unlinkIfThere(job.dir, job.name)
}

// still returns nil if the file to compress is still under its name.
func (job compressionJob) still(info fileInfo) error {
	now, err := statAt(job.dir, job.name)
	if errors.Is(err, unix.ENOENT) || err == nil && (now.dev != info.dev || now.ino != info.ino) {
		return errPruned
	}
	if err != nil {
		return fmt.Errorf("stat %s: %w", job.name, err)
	}
	return nil
}

// gzipTo compresses here.
func gzipTo(to io.Writer, from io.Reader, cancel <-chan struct{}) error {
	w := bufio.NewWriterSize(to, copyBytes)
	z := gzip.NewWriter(w)
	buf := make([]byte, copyBytes)
	for {
		select {
		case <-cancel:
			return errCompressionStopped
		default:
		}
		n, err := from.Read(buf)
		if _, failed := z.Write(buf[:n]); failed != nil {
			return fmt.Errorf("write %s: %w", compressing, failed)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read the finished file: %w", err)
		}
	}
	if err := errors.Join(z.Close(), w.Flush()); err != nil {
		return fmt.Errorf("write %s: %w", compressing, err)
	}
	return nil
}
