package importer

import (
	"slices"
	"strings"
)

// What security.hardening stands for, as settings of a unit. Where a unit has all
// of them it has the level; else its own lines are carried as they are.
//
// Source: systemd.exec(5) Sandboxing.
func standardSandbox() []string {
	return []string{
		"NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "PrivateDevices=yes", "PrivateMounts=yes", "ProtectKernelTunables=yes",
		"ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectControlGroups=yes", "ProtectClock=yes", "ProtectHostname=yes", "ProtectProc=invisible",
		"RestrictSUIDSGID=yes", "RestrictRealtime=yes", "RestrictNamespaces=yes", "LockPersonality=yes", "RemoveIPC=yes", "SystemCallArchitectures=native",
		"SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM",
	}
}

func strictSandbox() []string {
	return []string{"SystemCallFilter=~@privileged @resources", "PrivateUsers=yes", "ProcSubset=pid", "DevicePolicy=closed", "MemoryDenyWriteExecute=yes"}
}

// decidedSandbox are settings of the sandbox that follow from other fields.
func decidedSandbox() []string {
	return []string{"ProtectHome", "PrivateTmp", "RestrictAddressFamilies", "PrivateNetwork", "IPAddressDeny", "IPAddressAllow"}
}

// sandbox finds the level of security.hardening.
func (s *serviceReader) sandbox() {
	d := s.d
	if d.has("security.chroot") {
		s.known("Service", "MountAPIVFS", "yes")
	}
	level := "none"
	if s.hasAll(standardSandbox()) {
		level = "standard"
		if s.hasAll(strictSandbox()) {
			level = "strict"
		}
	}
	switch level {
	case "none":
		d.text("security.hardening", "none", d.at)
	case "strict":
		d.text("security.hardening", "strict", d.at)
	}
	if level == "none" {
		return
	}
	list := standardSandbox()
	if level == "strict" {
		list = append(list, strictSandbox()...)
	}
	for _, line := range list {
		key, value, _ := strings.Cut(line, "=")
		s.known("Service", key, value)
	}
	for _, key := range decidedSandbox() {
		s.u.all("Service", key)
	}
	writable, at := s.list("Service", "ReadWritePaths")
	for i := range writable {
		writable[i] = strings.TrimPrefix(writable[i], "+")
	}
	if len(writable) > 0 {
		d.words("security.writable", writable, at)
	}
}

// hasAll reports whether a unit has all lines.
func (s *serviceReader) hasAll(list []string) bool {
	for _, line := range list {
		key, value, _ := strings.Cut(line, "=")
		if !slices.ContainsFunc(s.u.lines, func(l unitLine) bool { return l.section == "Service" && l.key == key && l.value == value }) {
			return false
		}
	}
	return true
}

// rest carries the lines of the service that nothing has read as they are, and
// tells of the others.
func (s *serviceReader) rest() {
	d := s.d
	var extra []string
	var at place
	for _, l := range s.u.lines {
		switch {
		case l.used:
		case l.section == "Service" && !strings.HasSuffix(l.value, `\`) && carriable(l.value) == "" && !ownSetting(l.key):
			extra, at = append(extra, l.key+"="+l.value), l.at
		case l.section == "Install":
			d.lost(l.at, "%s=%s: generated units are wanted by multi-user.target", l.key, l.value)
		default:
			d.lost(l.at, "%s=%s of the section %s", l.key, l.value, l.section)
		}
	}
	if len(extra) > 0 {
		d.words("options.systemd.extra", extra, at)
	}
}

// ownSetting reports whether fields of the description decide a setting, so that
// options.systemd.extra can not hold it.
func ownSetting(key string) bool {
	return slices.Contains([]string{
		"Type", "ExecStart", "ExecReload", "User", "Group", "SupplementaryGroups", "UMask", "WorkingDirectory", "RootDirectory", "Nice", "Environment",
		"EnvironmentFile", "LoadCredential", "LimitCORE", "LimitCPU", "LimitNOFILE", "LimitNPROC", "LimitAS", "Restart", "RestartSec", "RestartSteps",
		"RestartMaxDelaySec", "KillMode", "KillSignal", "TimeoutStartSec", "TimeoutStopSec", "StandardInput", "StandardOutput", "StandardError",
	}, key)
}
