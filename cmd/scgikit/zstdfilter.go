package main

import (
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"
)

// zstdWindow is how far back the compression looks. With it and one thread the
// command needs less than 16 MiB, however large a log file is.
const zstdWindow = 1 << 20

// newZstdFilterCmd returns the hidden command that loggers start for zzstd. The
// library is here because scgi-run, which is started for every request, would
// pay for its initialization each time (docs/adr/0006-zstd-is-a-child.md).
func newZstdFilterCmd(e *env) *cobra.Command {
	return &cobra.Command{
		Use:         "zstd-filter",
		Short:       "compress standard input to standard output with zstd",
		Long:        `Compresses for "scgi-run multilog … zzstd", which starts it for each finished file.`,
		Example:     "  scgikit zstd-filter <access.log >access.log.zst",
		Hidden:      true,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{settingsOptional: "yes"},
		RunE: func(*cobra.Command, []string) error {
			return zstdTo(e.stdout, e.stdin)
		},
	}
}

func zstdTo(to io.Writer, from io.Reader) error {
	w, err := zstd.NewWriter(to,
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, from); err != nil {
		return failf(exitFailed, "", "compress standard input: %w", err)
	}
	if err := w.Close(); err != nil {
		return failf(exitFailed, "", "compress standard input: %w", err)
	}
	return nil
}
