package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// The two states of an agent.
const (
	stateFresh   = "fresh"
	stateWaiting = "waiting"
)

// statusMode lets a portal or a notebook read the status: no secret is in it.
const statusMode = 0o644

// report is what the status file says.
type report struct {
	State   string       `json:"state"`
	Reason  string       `json:"reason"`
	Sources []itemReport `json:"sources"`
}

// itemReport is one source or key pair. Expires is empty for what has no end.
type itemReport struct {
	Name    string `json:"name"`
	Expires string `json:"expires"`
	Error   string `json:"error"`
}

// item is what a report is made from.
type item struct {
	name    string
	fetched bool
	life    lifetime
	err     error
}

// compose puts into words how things stand; since is when the present trouble began.
func compose(err error, since time.Time, items []item) report {
	made := report{State: stateFresh, Sources: []itemReport{}}
	var reasons []string
	if err != nil {
		reasons = append(reasons, plainWords(err, since))
	}
	for _, each := range items {
		made.Sources = append(made.Sources, each.report(since))
		if each.fetched && each.life.isOver() {
			reasons = append(reasons, fmt.Sprintf("%s has ended at %s", each.name, stamp(each.life.expires)))
		}
	}
	if len(reasons) > 0 || slices.ContainsFunc(items, func(each item) bool { return !each.fetched }) {
		made.State, made.Reason = stateWaiting, strings.Join(reasons, "; ")
	}
	return made
}

func (i item) report(since time.Time) itemReport {
	made := itemReport{Name: i.name, Expires: stamp(i.life.expires)}
	if i.err != nil {
		made.Error = plainWords(i.err, since)
	}
	return made
}

func stamp(moment time.Time) string {
	if moment.IsZero() {
		return ""
	}
	return moment.UTC().Format(time.RFC3339)
}

// status is the status file; it is written when something in it changes.
type status struct {
	path string
	last string
	said string
}

// tell writes a report to the file, and to the log when state or reason are new.
func (s *status) tell(made report) {
	if said := made.State + made.Reason; said != s.said {
		slog.Info(made.State, "reason", made.Reason)
		s.said = said
	}
	text, _ := json.MarshalIndent(made, "", "  ")
	if s.path == "" || string(text) == s.last {
		return
	}
	if err := replace(s.path, string(text)+"\n", statusMode); err != nil {
		slog.Error("the status cannot be written", "error", err)
		return
	}
	s.last = string(text)
}

// remove deletes the file: after the agent has ended nobody keeps what it says true.
func (s *status) remove() error {
	if s.path == "" {
		return nil
	}
	return removed(s.path)
}
