package servertest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
)

// launchdStandIn does with property lists what launchd.plist(5) says of their keys,
// as far as generated ones have them: a socket that it makes, and a program on each
// connection; or a program that it starts again, and ends with all that is left of its
// process group. A new file on macOS has the group of its folder, so the folders that
// programs make sockets in are made such here.
//
// Source: launchd.plist(5) of macOS.
const launchdStandIn = `import os, plistlib, signal, socket, subprocess, sys, threading, time, pwd, grp

KNOWN = {"Label", "ProgramArguments", "UserName", "GroupName", "InitGroups", "Umask", "Nice", "WorkingDirectory", "RunAtLoad",
         "KeepAlive", "ThrottleInterval", "ExitTimeOut", "inetdCompatibility", "Sockets"}

class Job:
    def __init__(self, file):
        with open(file, "rb") as f:
            self.plist = plistlib.load(f)
        if set(self.plist) - KNOWN or self.plist["Label"] + ".plist" != os.path.basename(file):
            raise SystemExit("%s: %s" % (file, self.plist))
        self.child, self.ending = None, False

    def become(self):
        user = pwd.getpwnam(self.plist["UserName"])
        group = grp.getgrnam(self.plist["GroupName"]).gr_gid if "GroupName" in self.plist else user.pw_gid
        os.setpgid(0, 0)
        os.nice(self.plist.get("Nice", 0))
        if self.plist.get("InitGroups"):
            os.initgroups(user.pw_name, group)
        else:
            os.setgroups([])
        os.setgid(group)
        os.setuid(user.pw_uid)
        os.umask(self.plist["Umask"])
        os.chdir(self.plist.get("WorkingDirectory", "/"))

    def start(self, **streams):
        return subprocess.Popen(self.plist["ProgramArguments"], preexec_fn=self.become, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}, **streams)

    def listen(self):
        where = self.plist["Sockets"]["Listeners"]
        if "SockPathName" in where:
            path = where["SockPathName"]
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            os.chown(path, where.get("SockPathOwner", 0), where.get("SockPathGroup", os.stat(os.path.dirname(path)).st_gid))
            os.chmod(path, where["SockPathMode"])
        else:
            family = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}[where["SockFamily"]]
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((where["SockNodeName"], int(where["SockServiceName"])))
        listener.listen()
        if self.plist["inetdCompatibility"] != {"Wait": False} or "KeepAlive" in self.plist or "RunAtLoad" in self.plist:
            raise SystemExit(str(self.plist))
        while True:
            conn, _ = listener.accept()
            child = self.start(stdin=conn, stdout=conn, stderr=conn)
            conn.close()
            threading.Thread(target=child.wait, daemon=True).start()

    def keep(self):
        while not self.ending:
            began = time.monotonic()
            with open(os.devnull, "r+b") as null:
                self.child = self.start(stdin=null, stdout=null, stderr=null)
            code = self.child.wait()
            self.clear()
            alive = self.plist.get("KeepAlive", False)
            if alive is not True and (not alive or alive["SuccessfulExit"] is False and code == 0):
                return
            time.sleep(max(0, self.plist["ThrottleInterval"] - (time.monotonic() - began)))

    def clear(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def end(self):
        self.ending = True
        if self.child:
            self.child.terminate()
            try:
                self.child.wait(self.plist["ExitTimeOut"])
            except subprocess.TimeoutExpired:
                self.child.kill()
                print(self.plist["Label"], "did not end", flush=True)
            self.clear()

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
jobs = [Job(file) for file in sys.argv[1:]]
for job in jobs:
    run = job.listen if "Sockets" in job.plist else job.keep
    threading.Thread(target=run, daemon=True).start()
stop.wait()
ends = [threading.Thread(target=job.end) for job in jobs]
for end in ends:
    end.start()
for end in ends:
    end.join()
`

// matrixRun stands for the folder of the sockets where /tmp is refused, because
// macOS empties it.
const matrixRun = "/run-of-the-matrix"

// moved puts the folders of the test in the place of those that descriptions name.
func (m *matrix) moved(files []fileset.File) []fileset.File {
	for i := range files {
		f := &files[i]
		f.Data = bytes.ReplaceAll(f.Data, []byte(matrixRun), []byte(filepath.Join(m.dir, "run")))
		f.Place = strings.Replace(f.Place, matrixRun, filepath.Join(m.dir, "run"), 1)
	}
	return files
}

// startLaunchd puts the files where the property lists say they are, and has the
// stand-in start what these say.
func (m *matrix) startLaunchd(t *testing.T, dir string, files []fileset.File) {
	t.Helper()
	lists := filepath.Join(dir, "LaunchDaemons")
	words := []string{"-c", launchdStandIn}
	for i := range files {
		f := &files[i]
		f.Data = bytes.ReplaceAll(f.Data, []byte(matrixLogs), []byte(m.logs()))
		path := filepath.Join(f.Place, filepath.Base(f.Path))
		switch {
		case f.Place == "LaunchDaemons":
			path = filepath.Join(lists, filepath.Base(f.Path))
			words = append(words, path)
		case f.Kind == fileset.Dir:
			path = strings.Replace(f.Place, matrixLogs, m.logs(), 1)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if f.Kind != fileset.Dir {
			f.User, f.Group = "root", "root" // there is no wheel
			if err := place(f, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		own(t, path, f.User, f.Group)
		if err := os.Chmod(path, f.Mode|os.ModeSetgid); err != nil {
			t.Fatal(err)
		}
	}
	Start(t, dir, need.Program(t, "python3"), words...)
}
