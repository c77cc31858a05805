package appfile

import (
	"fmt"
	"slices"
	"strings"
)

// Code explains the stable word of a problem.
type Code struct {
	Name    string `json:"code"`    // "bad-mode"
	Title   string `json:"title"`   // half a line
	Text    string `json:"text"`    // why it is refused, and what to do
	Example string `json:"example"` // a description, or a part of one, that is refused
}

// Codes returns every code that a problem can have, sorted by name. A code
// keeps its meaning for ever; its message may improve.
func Codes() []Code { return slices.Clone(codes) }

// ExplainCode returns the explanation of a code, for "scgikit explain CODE".
func ExplainCode(name string) (string, bool) {
	i := slices.IndexFunc(codes, func(c Code) bool { return c.Name == name })
	if i < 0 {
		return "", false
	}
	c := codes[i]
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n%s\n", c.Name, c.Title, wrap(c.Text, 76, ""))
	if c.Example != "" {
		fmt.Fprintf(&b, "\nFor example:\n\n")
		for line := range strings.SplitSeq(c.Example, "\n") {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return b.String(), true
}

// wrap breaks a text into lines of at most a number of characters.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
			b.WriteString(indent)
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// codes is the one table of codes, sorted by name: those of this package and
// those of the targets.
var codes = []Code{
	{
		"anchor", "an anchor, an alias or a merge key",
		"A description is read by people before it is installed, and an alias shows a value where it is not written. Write the value out. One value for several places is a variable: put it in vars and write ${vars.NAME}.",
		"run: &base\n  user: www",
	},
	{
		"bad-address", "listen.tcp is not an address with a port",
		"listen.tcp takes an IP address or localhost, a colon, and a port from 1 to 65535; an IPv6 address stands in brackets. Other host names are refused, because a name can mean another address tomorrow, and then the app is open to the world.",
		"listen:\n  tcp: \"8040\"",
	},
	{
		"bad-character", "a character that has no place in a description",
		"Control characters, tabs and line ends in a value, characters that reorder text on the screen (CVE-2021-42574), and line separators that editors count differently are refused in every value. Most of the formats that are generated cannot hold them, and a reviewer does not see them. A value of several lines belongs in a file.",
		"description: \"two\\nlines\"",
	},
	{
		"bad-duration", "not a duration",
		"A duration is a number with a unit, ms, s, m, h or d, and several of these may follow each other, whole days first: 90s, 1m30s, 7d. It is not negative, and where zero would switch a limit off by accident it is not zero.",
		"run:\n  stop_timeout: 10",
	},
	{
		"bad-encoding", "the file is not UTF-8",
		"A description is UTF-8, with or without a byte order mark. Save it again as UTF-8; the message names the first byte that is none.",
		"",
	},
	{
		"bad-enum", "not one of the words of a field",
		"The field takes one of a few words. The hint names the nearest one, or all of them.",
		"type: sever",
	},
	{
		"bad-env-name", "not the name of an environment variable",
		"A name has letters, digits and _, and no digit first. Some starters corrupt or drop other names without a word: a = in the name of an envdir file, or a dot under systemd. Upper and lower case are kept.",
		"run:\n  env:\n    MY-NAME: x",
	},
	{
		"bad-expect", "not a status code or a range",
		"health.expect is one HTTP status code, or two with a minus between, the smaller one first.",
		"health:\n  expect: 399-200",
	},
	{
		"bad-filter", "not a log filter",
		"An entry of log.filter begins with + (keep the line) or - (drop it); the rest is a pattern as multilog knows it. The last entry that matches decides.",
		"log:\n  filter: [\"debug*\"]",
	},
	{
		"bad-header", "not a header name",
		"A header name has letters, digits and a few signs such as -. Proxy is refused: CGI turns it into HTTP_PROXY, which many programs take for the proxy to use (httpoxy, CVE-2016-5385), so it is always dropped.",
		"http:\n  pass_headers: [Proxy]",
	},
	{
		"bad-host", "not a host name",
		"A host name has small letters, digits, - and dots, without a scheme and without a port; an IP address is good too. In http.host *. may stand before it. Write other letters in their xn-- form.",
		"http:\n  host: Example.org:81",
	},
	{
		"bad-label", "not the name of a label",
		"A label's name has letters, digits and . _ / -, and begins and ends with a letter or digit, as orchestrators ask.",
		"labels:\n  \"-team\": web",
	},
	{
		"bad-mode", "not an octal file mode",
		"A mode is a zero and three octal digits: 0660, with or without quotes. YAML would read 0660, 0o660 and 432 as one number, and 660 as another, so the text itself is read, and everything else is refused.",
		"listen:\n  mode: 0999",
	},
	{
		"bad-module", "not module:callable",
		"wsgi.module is a Python module with dots, a colon, and the name of the WSGI callable in it, as in PEP 3333 servers.",
		"wsgi:\n  module: blog.wsgi",
	},
	{
		"bad-mount", "not a mount or a URL prefix",
		"A mount is / or segments of letters, digits and . _ ~ - behind a slash each, without . and .. segments and without empty ones: web servers read other characters, and their %XX forms, differently. The prefix of a static folder ends in /.",
		"http:\n  mount: blog",
	},
	{
		"bad-name", "not a name",
		"An app's name begins with a small letter and has small letters, digits and -, at most 31 characters: it becomes the name of files, services, and with _ for -, of shell variables. The names of profiles keep the same rule.",
		"name: My_Blog",
	},
	{
		"bad-network", "not an address or a network",
		"http.allow and http.deny take IP addresses, and networks as address/bits whose bits behind the mask are zero.",
		"http:\n  allow: [192.0.2.1/24]",
	},
	{
		"bad-number", "not a whole number in its range",
		"The field takes a whole decimal number; the message names the smallest or the largest.",
		"run:\n  instances: 100",
	},
	{
		"bad-param", "a parameter that cannot be a constant",
		"http.params adds constants to what the web server passes on. The names that come from the request itself (SCRIPT_NAME, CONTENT_LENGTH, HTTP_... and so on) are refused: the app would get two answers to one question.",
		"http:\n  params:\n    PATH_INFO: /x",
	},
	{
		"bad-path", "not a path of the kind that is needed",
		"Paths are absolute and in their shortest form, without . and .. and without //. A folder whose files are served or run ends in /; a program, and a file, does not.",
		"cgi:\n  directory: cgi-bin",
	},
	{
		"bad-profile", "a profile in the wrong place",
		"A profile cannot hold profiles, and the file NAME.PROFILE.yaml holds one document and changes the one app of NAME.yaml.",
		"profiles:\n  prod:\n    profiles: {}",
	},
	{
		"bad-set", "--set with something else than path=value",
		"--set takes the path of a field, = and a value. A value in brackets, braces or quotes is read as YAML, every other one as it stands; null removes the key. [N] counts from 0 and may be one behind the last element.",
		"scgikit --set listen.mode validate",
	},
	{
		"bad-setting", "a setting of the tool with a value that it does not take",
		"Settings of scgikit itself (.scgikit.yaml and config.yaml) are few, and their types are fixed; scgikit help files lists them, and scgikit config view shows those in force. A description's fields are no settings.",
		"",
	},
	{
		"bad-size", "not a size",
		"A size is a whole number of bytes, or with the unit KiB, MiB or GiB. KB and MB are refused, because programs do not agree on what they are.",
		"http:\n  max_body: 10MB",
	},
	{
		"bad-socket", "not the path of a socket",
		"A socket's path is absolute and has at most 103 bytes on every system (sun_path is 104 bytes with the final NUL on the BSDs). Of several instances the longest numbered path counts.",
		"listen:\n  unix: run/blog.sock",
	},
	{
		"bad-text", "a line that is empty or too long",
		"description is one line of at most 120 characters.",
		"description: \"\"",
	},
	{
		"bad-url", "not a URL of the kind that is needed",
		"http.base_url is scheme, host and port, without a path. health.path is a URL path that begins with /; other characters are written %XX.",
		"http:\n  base_url: http://example.org/blog",
	},
	{
		"bad-user", "not a user or group",
		"A user or group is a name (a small letter or _, then small letters, digits and _ . -, at most 32 characters) or a number.",
		"run:\n  user: www:www",
	},
	{
		"bad-variable", "a variable where none can be, or a lone dollar sign",
		"Variables are ${vars.NAME}, ${name}, ${instance} and ${port}; they stand in values, not in keys, and not in other variables. ${instance} and ${port} have a value only in run, wsgi, cgi, log and (instance) listen. No shell reads a description, so $HOME would stay as it is; $$ is a dollar sign.",
		"run:\n  env:\n    DIR: $HOME/x",
	},
	{
		"bad-version", "not a version that is known",
		"apiVersion is scgikit/v1. An option that names the version of a program takes that program's own form, such as 1.4.65.",
		"apiVersion: v2",
	},
	{
		"cannot-carry", "a target cannot express a field",
		"The field is set, the target has nothing like it, and leaving it out would change what the app does or who may reach it. Remove the field, or take another target. The matrix of fields and targets: scgikit explain --matrix.",
		"",
	},
	{
		"cannot-quote", "a value that a target's syntax cannot hold",
		"The syntax of the target has no way to write the value: inetd.conf of OpenBSD cannot hold a space, and lighttpd.conf no backslash. The message names the value and the character, the hint the way out.",
		"",
	},
	{
		"conflict", "two fields that contradict each other",
		"Both fields are set, and they cannot both be meant. The message shows both places. Keep one.",
		"listen:\n  tcp: 127.0.0.1:8040\n  unix: /run/blog.sock",
	},
	{
		"contradiction", "a header that is both passed and hidden",
		"The header stands in http.pass_headers and in http.hide_headers. Take it out of one of the two.",
		"",
	},
	{
		"duplicate-key", "a key that stands twice in one mapping",
		"YAML leaves open which of the two counts. Keep one; the message shows both.",
		"run:\n  user: www\n  user: blog",
	},
	{
		"duplicate-listener", "two apps on one socket or port",
		"Each backend needs its own listener; several instances of an app take successive ports or numbered sockets, which count as well. /var/run is /run, and an address for all interfaces takes the port on each.",
		"",
	},
	{
		"duplicate-log-dir", "two apps with one log folder",
		"A log folder takes one logger: it is locked, so the second one never starts. Each app needs its own.",
		"",
	},
	{
		"duplicate-mount", "two answers for one URL",
		"Two apps are mounted at one URL of one host, or two static folders of an app stand at one URL, or one stands at the mount itself. An app without http.host is there on every host, and *.example.org is a.example.org too. Mounts may be nested: the longest wins.",
		"",
	},
	{
		"duplicate-name", "two apps with one name",
		"The name of an app is also the name of its files and services.",
		"",
	},
	{
		"empty", "there is no description in the file",
		"The file has nothing but comments. scgikit explain lists the fields.",
		"",
	},
	{
		"file-name", "the file is not named like its app",
		"apps/NAME.yaml holds the app NAME, so that the list of files is the list of apps.",
		"",
	},
	{
		"machine-setting", "a setting that a project's file may not hold",
		"A setting that names a program to run or a place of the machine is not taken from .scgikit.yaml: that file comes with a repository, and looking at a stranger's repository would run the stranger's program. Put it in your own settings; scgikit config path names the file.",
		"",
	},
	{
		"missing", "a field that is needed is not there",
		"Some fields are needed always (apiVersion, name, type, run.user, http.mount), some by another field: a server needs run.command, an app of type cgi its script or folder, one of type wsgi its callable, and each a listener.",
		"type: server\nlisten:\n  tcp: 127.0.0.1:8040",
	},
	{
		"mod-scgi", "what Apache's mod_scgi does differently",
		"A warning: with options.apache.module: mod_scgi some requests are answered differently than by other web servers; the message says which. mod_proxy_scgi, the default, has none of this.",
		"",
	},
	{
		"nobody-user", "an app that shares its user with everything that has none",
		"A warning of systemd, in its own words as well: nobody is whom the kernel shows as the owner of files that belong to no user here, such as those of NFS and of containers, and whom other programs run as that have no user of their own. Each of them could end the app, read its secrets or change its files. Give the app a user of its own.",
		"",
	},
	{
		"not-carried", "a target does not carry a field",
		"A warning: the target has nothing like the field, and leaving it out does no harm; or it is in the output, and one of the programs that read that ignores it. It is named so that nobody relies on it.",
		"",
	},
	{
		"not-here", "something that this machine does not have",
		"validate --system compares a description with the machine it runs on: users, groups, programs, folders, and files of secrets, which others may not read. On another machine than the app's own its findings say little.",
		"",
	},
	{
		"open-socket", "a socket that every user may connect to",
		"A warning: with the write bit for others in listen.mode each user of the machine can send requests to the app as if it were the web server, and so run its scripts as the app's user. Give the socket the web server's group, and the mode 0660.",
		"listen:\n  unix: /run/blog.sock\n  mode: \"0666\"",
	},
	{
		"outside-mount", "health.path is not below the mount",
		"The request that checks the app would be answered by another one.",
		"http:\n  mount: /blog/\nhealth:\n  path: /health",
	},
	{
		"port-taken", "a port that can not be listened on",
		"A warning of validate --system: another program has the port, or it is the app itself, running; or the port is below 1024 and you are not root.",
		"",
	},
	{
		"public-listen", "a TCP listener that other machines can reach",
		"SCGI and its kin have no authentication: whoever reaches the port can send any request, with any user name in it. Listen on a loopback address or on a unix socket, or set security.allow_public_listen: true where a firewall stands before the port.",
		"listen:\n  tcp: 0.0.0.0:8040",
	},
	{
		"render", "a target could not be rendered",
		"A template, built in or of the project's own, failed; the message says which and why.",
		"",
	},
	{
		"root-user", "a program that would run as root",
		"What the app can be made to do, root can do. Give the app a user of its own, or set security.allow_root: true.",
		"run:\n  user: root",
	},
	{
		"rounded", "a value that a target can hold only approximately",
		"A warning: the target counts in whole seconds or KiB. The message names the value that it gets.",
		"",
	},
	{
		"server-conflict", "two apps want different things of one web server block",
		"Apps on one host share a server block of the web server, and some settings there are one for all of them. The message shows both places.",
		"",
	},
	{
		"server-setting", "a web server needs a setting that is not in the files",
		"A warning: the files are right, but the web server takes them only with a setting in its own configuration, which scgikit does not write. The message names the reason, the hint the setting.",
		"",
	},
	{
		"shared-folder", "two apps serve one folder with different rules",
		"Apache keeps rules by folder on disk and not by URL, so two apps that serve one folder must agree on them. Give both the same, or separate the folders.",
		"",
	},
	{
		"socket-mode", "a unix socket that the web server cannot open",
		"Connecting to a socket needs the write permission of its mode: 0200 for its owner, 0020 for its group. The web server is taken to be listen.user where that is set, else a member of listen.group (by default the web server's own group). 0660, and with listen.user 0600 and 0200, are good.",
		"listen:\n  unix: /run/blog.sock\n  mode: \"0600\"",
	},
	{
		"static-overlap", "a static folder inside another app's mount",
		"The longest URL prefix wins. The rules of an app stand together, and those of apps with deeper mounts come first; so of two prefixes of different apps, one inside the other, the longer one must be that of the app with the deeper mount. Move the static URL below its own app's mount, or declare the folder in the app that owns the URL.",
		"",
	},
	{
		"syntax", "not YAML",
		"The file could not be parsed; the message is the parser's, with the place where it gave up, which may be a little behind the mistake. Tabs do not indent, and a value with ': ' or ' #' in it needs quotes.",
		"run:\n\tuser: www",
	},
	{
		"tag", "a YAML tag",
		"Tags such as !!str or !include are not read: the field says what type its value has.",
		"name: !!str blog",
	},
	{
		"too-big", "a file that is too big for a description",
		"A file has at most 1 MiB, an app at most 10,000 values, and variables put in at most 4 MiB. Several apps belong in apps/NAME.yaml, one file each.",
		"",
	},
	{
		"too-deep", "too many levels",
		"Lists and mappings nest at most 32 deep, and no field needs half of it. Of a URL, more segments than a web server's patterns can hold.",
		"vars: {a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
	},
	{
		"too-many", "too many problems",
		"The search ends after 100 problems in a file. Mend these, then look again.",
		"",
	},
	{
		"undefined-variable", "a variable without a value",
		"${vars.NAME} must be in vars, or in vars_from_env and then in the environment; ${port} is the port of listen.tcp. Nothing is put in for a variable that is not there.",
		"log:\n  dir: ${vars.logs}/blog",
	},
	{
		"unknown-key", "a key that no field has",
		"Nothing would read it, so it is most likely misspelt or in the wrong place. The hint names the nearest key, or where the key belongs. All fields: scgikit explain.",
		"run:\n  usr: www",
	},
	{
		"unknown-profile", "a profile that no description has",
		"--profile NAME needs profiles.NAME in a description, or a file APP.NAME.yaml next to one.",
		"",
	},
	{
		"unknown-service", "a service that no app has",
		"A warning: options.daemontools.after names apps, or services that stand in the scan folder without scgikit. A name that is nearly that of an app is likely meant to be it; the app would wait until the folder has a service of the name as it is written.",
		"",
	},
	{
		"unknown-setting", "a setting that does not exist",
		"Nothing would read it, so it is most likely misspelt. The list of settings is closed; scgikit help files shows it.",
		"",
	},
	{
		"unknown-target", "a target that does not exist",
		"targets and options name programs that scgikit writes configuration for; scgikit generate --help lists them.",
		"targets: [ngnix]",
	},
	{
		"unsafe-log-dir", "a log folder that the program could replace",
		"root creates the log folder and gives it to the logger. Where the program may write the folder above it, it can put a link there, and root would change what the link leads to (CVE-2011-1154 and kin). This is refused for folders in security.writable and those for everyone (/tmp), and a warning for run.directory, whose owner a description does not show.",
		"log:\n  dir: /tmp/blog",
	},
	{
		"wrong-section", "a section for another type of app",
		"cgi is for type cgi, wsgi for type wsgi, and run.command for server (and wsgi with wsgi.server: custom). In another type nothing would read it.",
		"type: server\ncgi:\n  script: /srv/x.cgi",
	},
	{
		"wrong-target", "a target that cannot run the app at all",
		"A super-server starts programs for each connection, a supervisor keeps them running; type and run.mode say which the app is. \"generate all\" leaves such pairs out; naming the target makes it an error.",
		"",
	},
	{
		"wrong-type", "a value of the wrong type",
		"A list is needed and text is there, or the other way round; or a number, or true or false. Of YAML's words for truth only true and false are read. An empty value is no text: write \"\" for that.",
		"run:\n  command: /srv/blog --port 1",
	},
}
