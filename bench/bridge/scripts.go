//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// The CGI programs: one says hello, one prints megabytes, one counts what it is
// sent, one waits for a file beside it.
const (
	helloSource = `
#include <unistd.h>
int main(void) {
	static const char text[] = "Content-Type: text/plain\r\n\r\nhello\n";
	return write(1, text, sizeof text - 1) < 0;
}
`
	floodSource = `
#include <unistd.h>
int main(void) {
	static const char head[] = "Content-Type: application/octet-stream\r\n\r\n";
	static char block[65536];
	if (write(1, head, sizeof head - 1) < 0) return 1;
	for (long left = MEGABYTES * 16L; left > 0; left--)
		for (size_t at = 0; at < sizeof block;) {
			ssize_t n = write(1, block + at, sizeof block - at);
			if (n <= 0) return 1;
			at += n;
		}
	return 0;
}
`
	sinkSource = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) {
	static char block[65536];
	const char *length = getenv("CONTENT_LENGTH");
	long want = length ? atol(length) : 0, have = 0;
	while (have < want) {
		ssize_t n = read(0, block, sizeof block);
		if (n <= 0) break;
		have += n;
	}
	printf("Content-Type: text/plain\r\n\r\nread %ld\n", have);
	return 0;
}
`
	waitSource = `
#include <unistd.h>
int main(void) {
	static const char text[] = "Content-Type: text/plain\r\n\r\nhello\n";
	while (access("go-on", F_OK) != 0) usleep(100000);
	return write(1, text, sizeof text - 1) < 0;
}
`
	helloShell = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nhello\\n'\n"
)

// loopSource is the bare loop: WORKERS processes start PROGRAM for SECONDS, one
// after the other, and read what it says. It prints how often they did.
const loopSource = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}
static long work(double until, char *program) {
	static char block[65536];
	char *argv[] = {program, NULL}, *env[] = {"PATH=/usr/bin:/bin", "GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=GET", NULL};
	long done = 0;
	do {
		int fds[2], status;
		pid_t pid;
		posix_spawn_file_actions_t actions;
		if (pipe2(fds, O_CLOEXEC) != 0) exit(1);
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
		if (posix_spawn(&pid, program, &actions, NULL, argv, env) != 0) exit(1);
		posix_spawn_file_actions_destroy(&actions);
		close(fds[1]);
		while (read(fds[0], block, sizeof block) > 0)
			;
		close(fds[0]);
		if (waitpid(pid, &status, 0) != pid || status != 0) exit(1);
		done++;
	} while (now() < until);
	return done;
}
int main(int argc, char **argv) {
	if (argc != 4) return 2;
	double until = now() + atof(argv[1]);
	int workers = atoi(argv[2]), results[2];
	long sum = 0, one;
	if (pipe(results) != 0) return 1;
	for (int i = 0; i < workers; i++)
		if (fork() == 0) {
			one = work(until, argv[3]);
			_exit(write(results[1], &one, sizeof one) != sizeof one);
		}
	for (int i = 0; i < workers; i++) {
		if (read(results[0], &one, sizeof one) != sizeof one) return 1;
		sum += one;
	}
	while (wait(NULL) > 0)
		;
	printf("%ld\n", sum);
	return 0;
}
`

// scgiRunSource is the smallest program that inetd can start to run a script for
// an SCGI request: it becomes the script, which gets the connection itself.
const scgiRunSource = `
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void all(char *p, long size) {
	while (size > 0) {
		ssize_t n = read(0, p, size);
		if (n <= 0) exit(1);
		p += n, size -= n;
	}
}
int main(int argc, char **argv) {
	long size = 0;
	char c, path[4096];
	if (argc != 2) return 2;
	for (all(&c, 1); c != ':'; all(&c, 1)) {
		if (c < '0' || c > '9' || size > 26214) return 1;
		size = size * 10 + c - '0';
	}
	char *block = malloc(size + 2);
	if (!block) return 1;
	all(block, size + 1);
	if (block[size] != ',' || size == 0 || block[size - 1] != 0) return 1;
	block[size] = 0;
	for (char *name = block; name < block + size;) {
		char *value = name + strlen(name) + 1;
		if (value >= block + size) return 1;
		setenv(name, value, 1);
		name = value + strlen(value) + 1;
	}
	const char *script = getenv("SCRIPT_NAME");
	if (!script || strstr(script, "..")) return 1;
	snprintf(path, sizeof path, "%s%s", argv[1], script);
	dup2(0, 1);
	execl(path, path, (char *)NULL);
	return 1;
}
`

// build makes the programs.
func (b *bench) build() error {
	b.scripts = filepath.Join(b.dir, "scripts")
	if err := os.Mkdir(b.scripts, 0o755); err != nil {
		return err
	}
	for _, p := range []struct{ path, source string }{
		{"scripts/hello", helloSource},
		{"scripts/flood", floodSource},
		{"scripts/sink", sinkSource},
		{"scripts/wait", waitSource},
		{"loop", loopSource},
		{"scgi_run", scgiRunSource},
	} {
		program := filepath.Join(b.dir, p.path)
		source := filepath.Join(b.dir, filepath.Base(p.path)+".c")
		if err := os.WriteFile(source, []byte(p.source), 0o600); err != nil {
			return err
		}
		cmd := exec.Command("gcc", "-O2", "-static", "-DMEGABYTES="+strconv.Itoa(b.megabytes), "-o", program, source)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("gcc: %w\n%s", err, out)
		}
	}
	return os.WriteFile(filepath.Join(b.scripts, "hello.sh"), []byte(helloShell), 0o755)
}
