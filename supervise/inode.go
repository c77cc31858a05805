package supervise

// inode names a folder, or a FIFO.
type inode struct{ dev, ino uint64 }
