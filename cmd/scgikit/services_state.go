package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"time"

	"scgikit/internal/servicedir"
)

// What a service may do besides the states of servicedir.
const (
	stateUnsupervised servicedir.State = "unsupervised"
	stateUnknown      servicedir.State = "unknown"
	stateAbsent       servicedir.State = "absent"
)

// supervisorKind is a family of supervisors, by what they write.
type supervisorKind string

// The families. daemontools-encore is told by its longer status file.
const (
	kindScgikit     supervisorKind = "scgikit"
	kindDaemontools supervisorKind = "daemontools"
	kindEncore      supervisorKind = "daemontools-encore"
	kindRunit       supervisorKind = "runit"
)

// serviceState is what a service does now. Its keys in JSON only grow.
type serviceState struct {
	Name       string           `json:"name"`
	Dir        string           `json:"dir"`
	Supervisor supervisorKind   `json:"supervisor"` // "" where there is none
	State      servicedir.State `json:"state"`
	AsWanted   bool             `json:"as_wanted"` // it runs and is ready, or is down as somebody told it to be
	Want       string           `json:"want"`
	PID        int              `json:"pid"`
	Paused     bool             `json:"paused"`
	Since      *time.Time       `json:"since"` // of this state
	Seconds    float64          `json:"seconds"`
	Restarts   *int             `json:"restarts"`  // null where the supervisor does not count
	LastExit   *servicedir.Exit `json:"last_exit"` // null where nobody knows
	Next       float64          `json:"next_seconds"`
	Why        string           `json:"why"`
	LogState   servicedir.State `json:"log_state"` // of its logger; "" where it has none
	Log        string           `json:"log"`       // the folder of its log, "" where none was found
	Lines      []logLine        `json:"lines"`

	ready  bool   // it has said so
	logDir string // as the supervisor says
	denied bool
}

// running reports whether there is a process of ./run.
func (s *serviceState) running() bool {
	return s.PID != 0 && s.State != servicedir.Finish
}

// readState looks at a service.
func readState(p servicePlace, now time.Time) serviceState {
	s := serviceState{Name: p.name, Dir: p.dir, Lines: []logLine{}}
	if p.absent != nil {
		s.State, s.Why = stateAbsent, "there is no service folder"
		return s
	}
	s.readFolder(now)
	log := serviceState{}
	if err := isFolder(filepath.Join(p.dir, "log")); err == nil && s.LogState == "" && s.Supervisor != "" {
		log.Dir = filepath.Join(p.dir, "log")
		log.readFolder(now)
		s.LogState = log.State
	}
	if s.AsWanted && s.LogState != "" && s.LogState != servicedir.Running && s.running() {
		s.AsWanted, s.Why = false, "its logger is "+string(s.LogState)
	}
	return s
}

func (s *serviceState) readFolder(now time.Time) {
	ok, err := servicedir.Supervised(s.Dir)
	if err == nil && !ok {
		s.State, s.Why = stateUnsupervised, "no supervisor runs there"
		if isS6(s.Dir) {
			s.State, s.Why = stateUnknown, "s6 has it: s6-svstat shows it"
		}
		return
	}
	var raw []byte
	if err == nil {
		raw, err = readRegular(filepath.Join(s.Dir, servicedir.Stat))
	}
	var status servicedir.Status
	if err == nil {
		if status, err = servicedir.ParseStatus(raw); err == nil {
			err = status.Check()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", filepath.Join(s.Dir, servicedir.Stat), err)
		}
	}
	if err != nil {
		s.State, s.Why, s.denied = stateUnknown, err.Error(), errors.Is(err, fs.ErrPermission)
		return
	}
	s.Supervisor = familyOf(s.Dir, len(raw))
	if s.Supervisor == kindScgikit {
		var detail servicedir.Detail
		// The file is written behind the status file; until it is there, that is all.
		if text, err := readRegular(filepath.Join(s.Dir, servicedir.More)); err == nil && json.Unmarshal(text, &detail) == nil && detail.Check() == nil {
			s.setDetail(&detail, now)
			return
		}
	}
	s.setStatus(&status, now)
}

// setStatus takes what every supervisor writes.
func (s *serviceState) setStatus(st *servicedir.Status, now time.Time) {
	s.PID, s.Paused = st.PID, st.Paused && st.PID != 0
	s.setSince(st.Since, now)
	switch st.Want {
	case servicedir.WantUp:
		s.Want = "up"
	case servicedir.WantDown:
		s.Want = "down"
	case servicedir.WantOnce:
		s.Want = "once"
	}
	switch {
	case st.PID == 0:
		s.State = servicedir.Down
	case isZombie(st.PID):
		s.State, s.PID, s.Paused = servicedir.Down, 0, false
	case st.Run == servicedir.RunFinish:
		s.State = servicedir.Finish
	case st.GotTERM || st.Want == servicedir.WantDown && s.Supervisor != kindRunit:
		s.State = servicedir.Stopping
	default:
		s.State = servicedir.Running
	}
	s.judge()
	if s.Why == "" && !s.AsWanted && s.State == servicedir.Down {
		s.Why = "it ended, and is started again"
	}
}

// setDetail takes what scgikit's own supervisor writes.
func (s *serviceState) setDetail(d *servicedir.Detail, now time.Time) {
	s.PID, s.Paused, s.Want, s.State = d.PID, d.Paused, d.Want, d.State
	s.ready = d.Ready && saysReady(s.Dir)
	s.LogState, s.logDir = d.LogState, d.Log
	s.setSince(stampOf(d.Since), now)
	restarts := max(0, d.Starts-1)
	s.Restarts = &restarts
	if d.Last.At != 0 {
		s.LastExit = &d.Last
	}
	if d.Next != 0 {
		s.Next = math.Max(0, stampOf(d.Next).Sub(now).Seconds())
	}
	s.judge()
	if s.Why == "" {
		s.Why = whyNot(d, s)
	}
}

// setSince takes a time; a clock that was set back shows none in the future.
func (s *serviceState) setSince(t, now time.Time) {
	if t.Unix() <= 0 || t.Year() > 9999 {
		return
	}
	t = t.UTC()
	s.Since = &t
	s.Seconds = math.Max(0, now.Sub(t).Seconds())
}

// stampOf reads a time of Detail.
func stampOf(seconds float64) time.Time {
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9))
}

// judge says whether the service is as it was told to be.
func (s *serviceState) judge() {
	up := s.Want == "up" || s.Want == "once" && s.running()
	switch {
	case s.Paused:
		s.Why = "it is paused, CONT wakes it"
	case up:
		s.AsWanted = s.State == servicedir.Running
	default:
		s.AsWanted = s.State == servicedir.Down
	}
}
