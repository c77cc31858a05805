package importer_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"scgikit/generate"
	"scgikit/internal/importer"
)

// unitTree is a machine with units: a text that begins with "->" is a link.
func unitTree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		if target, link := strings.CutPrefix(text, "->"); link {
			m[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		} else {
			m[name] = &fstest.MapFile{Data: []byte(text), Mode: map[bool]fs.FileMode{true: 0o600, false: 0o644}[strings.HasSuffix(name, "/private")]}
		}
	}
	return m
}

// TestSystemdNames reads units by all that systemd knows of their names: sockets
// that start another service, masked ones, other names, templates, and drop-ins.
func TestSystemdNames(t *testing.T) {
	t.Parallel()
	const service = "[Service]\nUser=www\nExecStart=/srv/x %i\nRestart=always\nStartLimitIntervalSec=0\n"
	const plain = "[Service]\nUser=www\nExecStart=/srv/x\n"
	tests := []struct {
		name  string
		path  string
		files map[string]string
		apps  []string // names, each with a part of the description behind a blank
		notes []string // parts, one for each note but those that every app has
	}{
		{
			"a socket of another service", "u",
			map[string]string{"u/a.socket": "[Socket]\nListenStream=127.0.0.1:81\nService=b.service\n", "u/b.service": plain},
			[]string{"b tcp: 127.0.0.1:81"},
			nil,
		},
		{
			"the service of a socket with another name", "u/b.service",
			map[string]string{"u/a.socket": "[Socket]\nListenStream=127.0.0.1:81\nService=b.service\n", "u/b.service": plain},
			[]string{"b tcp: 127.0.0.1:81"},
			nil,
		},
		{
			"a socket that is not of the service with its name", "u/a.service",
			map[string]string{"u/a.socket": "[Socket]\nListenStream=127.0.0.1:81\nService=b.service\n", "u/a.service": plain, "u/b.service": plain},
			[]string{"a tcp: 127.0.0.1:8040"},
			nil,
		},
		{
			"two sockets", "u/b.service",
			map[string]string{"u/a.socket": "[Socket]\nListenStream=127.0.0.1:81\nService=b.service\n", "u/b.service": plain, "u/b.socket": "[Socket]\nListenStream=127.0.0.1:82\n"},
			[]string{"b tcp: 127.0.0.1:81"},
			[]string{"u/b.socket:2: lost: ListenStream=127.0.0.1:82 of the socket: a description has one listener"},
		},
		{
			"masked", "u",
			map[string]string{"u/a.service": "->/dev/null", "u/b.socket": "->/dev/null", "u/b.service": plain, "u/c.service": "", "dev/null": ""},
			[]string{"b tcp: 127.0.0.1:8040"},
			[]string{"u/a.service: skipped: it is masked", "u/b.socket: skipped: it is masked", "u/c.service: skipped: it is masked"},
		},
		{
			"another name", "u",
			map[string]string{"u/a.service": "->b.service", "u/b.service": plain},
			[]string{"b -"},
			[]string{"u/a.service: skipped: it is another name of b.service"},
		},
		{
			"the instances of a template", "u",
			map[string]string{
				"u/x@.service": service + "[Install]\nDefaultInstance=d\n", "u/x@7.service": service, "u/x@8.service": "->x@.service", "u/multi-user.target.wants/x@9.service": "->../x@.service",
				"u/x@.service.d/a.conf": "[Service]\nNice=1\n", "u/x@9.service.d/b.conf": "[Service]\nNice=9\n",
			},
			[]string{`x-9 command: [/srv/x, "9"]`, "x-9 nice: 9", "x-d command: [/srv/x, d]", "x-d nice: 1", `x-7 command: [/srv/x, "7"]`, "x-8 nice: 1"},
			nil,
		},
		{
			"instances that are those of one app", "u",
			map[string]string{
				"u/x@.service": "[Unit]\nDescription=x on %i\n[Service]\nUser=www\nExecStart=/srv/x --port=%i --log=/l/%i\n", "u/m.wants/x@8001.service": "->../x@.service", "u/m.wants/x@8002.service": "->../x@.service",
			},
			[]string{"x instances: 2", `x command: [/srv/x, "--port=${port}", "--log=/l/${port}"]`, "x tcp: 127.0.0.1:8001"},
			[]string{"u/x@.service: lost: Description=x on 8001"},
		},
		{
			"services of scgi-run, which have no instances", "u",
			map[string]string{
				"u/x-1.service": "[Service]\nUser=www\nExecStart=/usr/local/bin/scgi-run wsgi --listen 127.0.0.1:8041 --path /srv x:app\n", "u/x-2.service": "[Service]\nUser=www\nExecStart=/usr/local/bin/scgi-run wsgi --listen 127.0.0.1:8042 --path /srv x:app\n",
			},
			[]string{"x-1 tcp: 127.0.0.1:8041", "x-2 tcp: 127.0.0.1:8042"},
			nil,
		},
		{
			"instances of scgi-run", "u",
			map[string]string{
				"u/x@.service": "[Service]\nUser=www\nExecStart=/usr/local/bin/scgi-run bridge --listen 127.0.0.1:%i /srv/x/\n", "u/m.wants/x@8001.service": "->../x@.service", "u/m.wants/x@8002.service": "->../x@.service",
			},
			[]string{"x-8001 tcp: 127.0.0.1:8001", "x-8002 tcp: 127.0.0.1:8002"},
			nil,
		},
		{
			"limits of requests", "u",
			map[string]string{
				"u/x@.service": "[Service]\nUser=www\nExecStart=/usr/local/bin/scgi-run bridge --limit=nofile=99 /srv/x/\nStandardInput=socket\nLimitNOFILE=100\nLimitNPROC=20\nLimitAS=1.5G\n",
				"u/x.socket":   "[Socket]\nListenStream=127.0.0.1:81\nAccept=yes\n",
			},
			[]string{"x nofile: 99", "x nproc: 20", "x memory: 1536MiB"},
			[]string{"u/x@.service:5: lost: LimitNOFILE=100 of the section Service"},
		},
		{
			"limits as systemd reads them", "u",
			map[string]string{"u/x.service": plain + "LimitAS=1G 512M\nLimitCORE=100B:200B\nLimitCPU=1min 500ms:2h\nLimitNOFILE=1K\nLimitNPROC=infinity:infinity\n"},
			[]string{"x memory: 1536MiB", "x core: 100", "x cpu_seconds: 61"},
			[]string{
				"LimitCORE=100B:200B: a description has one limit", "LimitCPU=1min 500ms:2h: a description has one limit", "LimitNOFILE=1K is no limit, and systemd ignores it", "LimitNPROC=infinity",
			},
		},
		{
			"limits of starts that are none", "u",
			map[string]string{"u/x.service": "[Unit]\nStartLimitIntervalSec=soon\nStartLimitBurst=many\n" + plain + "Restart=always\n"},
			[]string{"x give_up: true", "x window: 10s"},
			[]string{"u/x.service:2: lost: StartLimitIntervalSec=soon", "u/x.service:3: lost: StartLimitBurst=many"},
		},
		{
			"a mode that is none", "u",
			map[string]string{"u/x.service": plain, "u/x.socket": "[Socket]\nListenStream=/run/x.sock\nSocketMode=0999\n"},
			[]string{`x mode: "0666"`},
			[]string{"u/x.socket:3: lost: SocketMode=0999 is no mode"},
		},
		{
			"a policy that is none", "u",
			map[string]string{"u/x.service": plain + "Restart=sometimes\n"},
			[]string{"x policy: never"},
			[]string{"u/x.service:4: lost: Restart=sometimes is no policy"},
		},
		{
			"a port in the command", "u",
			map[string]string{"u/x.service": "[Service]\nUser=www\nExecStart=/srv/x --port=9001\n", "u/y.service": "[Service]\nUser=www\nExecStart=/usr/bin/uvicorn y:app\n"},
			[]string{"x tcp: 127.0.0.1:9001", "y tcp: 127.0.0.1:8000"},
			nil,
		},
		{"an instance alone", "u/x@9.service", map[string]string{"u/x@.service": service}, []string{`x-9 command: [/srv/x, "9"]`}, nil},
		{"a template by its name", "u/x@.service", map[string]string{"u/x@.service": plain}, nil, []string{"u/x@.service: refused: it is a template"}},
		{
			"a template with instances by its name", "u/x@.service",
			map[string]string{"u/x@.service": service, "u/x.wants/x@1.service": "->../x@.service"},
			[]string{`x-1 command: [/srv/x, "1"]`},
			nil,
		},
		{
			"a template of a socket by its name", "u/x@.service",
			map[string]string{
				"u/x@.service": "[Service]\nUser=www\nExecStart=/usr/local/bin/scgi-run bridge /srv/x/\nStandardInput=socket\n", "u/x.socket": "[Socket]\nListenStream=127.0.0.1:81\nAccept=yes\n",
			},
			[]string{"x tcp: 127.0.0.1:81"},
			nil,
		},
		{"a template alone", "u", map[string]string{"u/x@.service": service, "u/y.service": plain}, []string{"y -"}, []string{"u/x@.service: refused: it is a template"}},
		{
			"drop-ins for many units", "u/a-b.service",
			map[string]string{
				"u/a-b.service": plain, "u/service.d/10.conf": "[Service]\nNice=1\nUMask=0001\n", "u/a-.service.d/20.conf": "[Service]\nNice=2\n", "u/a-b.service.d/05.conf": "[Service]\nUMask=0005\nNice=5\n",
				"u/service.d/30.conf": "[Service]\nNice=3\n", "u/a-b.service.d/30.conf": "->/dev/null", "u/a-b.service.d/README": "[Service]\nNice=6\n", "dev/null": "",
			},
			[]string{"a-b nice: 2", `a-b umask: "0001"`},
			nil,
		},
		{
			"drop-ins of the administrator", "lib/systemd/system/a.service",
			map[string]string{
				"lib/systemd/system/a.service": plain, "etc/systemd/system/a.service.d/override.conf": "[Service]\nExecStart=\nExecStart=/srv/y\n", "etc/systemd/system/a.socket": "[Socket]\nListenStream=127.0.0.1:81\n",
			},
			[]string{"a command: [/srv/y]", "a tcp: 127.0.0.1:81"},
			nil,
		},
		{
			"a unit that another one hides", "lib/systemd/system/a.service",
			map[string]string{"lib/systemd/system/a.service": plain, "etc/systemd/system/a.service": plain},
			[]string{"a -"},
			[]string{"lib/systemd/system/a.service: lost: /etc/systemd/system/a.service counts in the place of this unit"},
		},
		{
			"several commands", "u",
			map[string]string{"u/a.service": "[Service]\nExecStart=/a b ; /c d\n", "u/b.service": "[Service]\nUser=www\nExecStart=/a \\; \";\" b;c ;\n"},
			[]string{`b command: [/a, ";", ";", "b;c"]`},
			[]string{"u/a.service:2: refused: ExecStart= has 2 commands"},
		},
		{
			"variables of files", "u/a.service",
			map[string]string{
				"u/a.service":   "[Service]\nUser=www\nEnvironment=A=1 'B=x y' C=\nEnvironmentFile=-/etc/none\nEnvironmentFile=/etc/default/a\nExecStart=/a ${A} $B $C ${C} --x=${D} p$A $$B\n",
				"etc/default/a": "# c\nA='2 3' \nD=\"a \\\"q\\\"\" b\\\nc\nnothing\n",
			},
			[]string{`a command: [/a, "2 3", x, "y", "", "--x=a \"q\" bc", "p$$A", "$$B"]`, "a env_file: /etc/default/a"},
			[]string{
				"$A is what /etc/default/a says now", "$B is what Environment= says; /etc/none, which may change it, is not there", "$C is what Environment= says", "$D is what /etc/default/a says now",
				"u/a.service:4: lost: EnvironmentFile=-/etc/none: the file is not there",
			},
		},
		{"a command without variables", "u/a.service", map[string]string{"u/a.service": "[Service]\nUser=www\nExecStart=:/a ${A} $B\n"}, []string{`a command: [/a, "$${A}", "$$B"]`}, nil},
		{
			"a folder of systemd under two names", "lib/systemd/system",
			map[string]string{
				"lib": "->usr/lib", "usr/lib/systemd/system/a.service": plain + "ExecReload=reload x\n", "usr/lib/systemd/system/a.socket": "[Socket]\nListenStream=127.0.0.1:81\n",
				"usr/lib/systemd/system/b@.socket": "[Socket]\nListenStream=127.0.0.1:82\nService=b@%i.service\n", "usr/lib/systemd/system/b@.service": service,
				"usr/lib/systemd/system/b@1.socket": "->b@.socket",
			},
			[]string{"a tcp: 127.0.0.1:81", "a reload: [/usr/bin/env, reload, x]", "b-1 tcp: 127.0.0.1:82", `b-1 command: [/srv/x, "1"]`},
			[]string{"b@.service: refused: it is a template", "b@.socket: refused: it is a template"},
		},
		{
			"folders, times and types", "u",
			map[string]string{
				"u/a.service": "[Service]\nUser=www\nType=notify\nTimeoutSec=30\nTimeoutStopSec=20\nRuntimeDirectory=a\nExecStart=/srv/x --socket 127.0.0.1:81\n",
				"u/b.service": "[Service]\nUser=www\nRuntimeDirectory=b c\nExecStart=/srv/x\nTimeoutStartSec=7\n", "u/c.service": "[Service]\nUser=www\nRuntimeDirectory=c\nExecStart=/srv/x --socket /run/d/x.sock\n",
				"u/d.service": "[Service]\nBusName=org.x\nExecStart=/srv/x\n",
			},
			[]string{
				"a start_timeout: 30s", "a stop_timeout: 20s", "a extra: [RuntimeDirectory=a]", `b extra: ["RuntimeDirectory=b c"]`, "c extra: [RuntimeDirectory=c]",
			},
			[]string{"u/b.service:5: lost: TimeoutStartSec=7", "u/d.service:2: refused: Type=dbus"},
		},
		{
			"files that are no units", "u",
			map[string]string{
				"u/a.service": plain, "u/a.service.bak": plain, "u/README": "x", "u/a.service.d/x.conf": "[Service]\nNice=1\n", "u/b.service.d/x.conf": "[Service]\nNice=1\n",
				"u/service.d/x.conf": "[Service]\nUMask=0\n", "u/b-.service.d/x.conf": "[Service]\nUMask=1\n", "u/x.wants/y.service": plain,
			},
			[]string{"a nice: 1"},
			[]string{"u/a.service.bak: skipped: it is no unit", "u/README: skipped: it is no unit", "u/b.service.d: skipped: the unit b.service of these drop-ins is not there"},
		},
		{
			"the text of an instance", "u/x@srv-a\\x2db.service",
			map[string]string{"u/x@.service": "[Service]\nUser=www\nExecStart=/srv/x /%I\n"},
			[]string{"x-srv-a-x2db command: [/srv/x, /srv/a-b]"},
			nil,
		},
		{
			"secrets in a command", "u/a.service",
			map[string]string{"u/a.service": "[Service]\nUser=www\nEnvironment=API_TOKEN=x\nExecStart=/srv/x ${API_TOKEN}\n"},
			[]string{"a command: [/srv/x, x]"},
			[]string{"a.service: secret: run.command: $API_TOKEN looks like a secret", "a.service:3: secret: run.env.API_TOKEN"},
		},
		{
			"a file that not everybody may read", "u/a.service",
			map[string]string{"u/a.service": "[Service]\nUser=www\nEnvironmentFile=/etc/private\nExecStart=/srv/x ${A}\n", "etc/private": "A=x\n"},
			nil,
			[]string{"a.service:4: refused: ExecStart=: $A is only known when the program starts"},
		},
		{
			"reloads by a signal", "u/a.service",
			map[string]string{"u/a.service": plain + "ExecReload=/srv/x -c\nExecReload=/bin/kill -USR2 $MAINPID\n"},
			[]string{"a reload_signal: USR2"},
			[]string{"u/a.service:4: lost: ExecReload=/srv/x -c"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result, err := importer.Read(t.Context(), importer.Systemd, unitTree(tt.files), tt.path, tt.path, &importer.Options{Targets: generate.OptionTypes()})
			if err != nil {
				t.Fatal(err)
			}
			texts := make(map[string]string)
			for _, a := range result.Apps {
				texts[a.Name] = a.Text
			}
			wanted := make(map[string]bool)
			for _, want := range tt.apps {
				name, part, _ := strings.Cut(want, " ")
				wanted[name] = true
				if part != "-" && !strings.Contains(texts[name], part) {
					t.Errorf("%s is without %s:\n%s", name, part, texts[name])
				}
			}
			if len(wanted) != len(result.Apps) {
				t.Errorf("%d apps, not %d: %v", len(result.Apps), len(wanted), texts)
			}
			var notes []string
			for _, n := range result.Notes {
				if n.Class != importer.Assumed || n.Field == "run.command" {
					notes = append(notes, n.String())
				}
			}
			for _, want := range tt.notes {
				i := slices.IndexFunc(notes, func(n string) bool { return strings.Contains(n, want) })
				if i < 0 {
					t.Errorf("nothing says %q:\n%s", want, strings.Join(notes, "\n"))
					continue
				}
				notes = slices.Delete(notes, i, i+1)
			}
			if len(notes) > 0 {
				t.Errorf("it says besides\n%s", strings.Join(notes, "\n"))
			}
		})
	}
}
