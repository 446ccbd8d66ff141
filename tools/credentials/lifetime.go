package main

import "time"

// lifetime says when something ends, and when to do something about it: after two thirds of what it has left.
type lifetime struct {
	whole     time.Duration
	expires   time.Time
	due       time.Time
	renewable bool
}

// newLifetime begins now. Something without an end is never due.
func newLifetime(whole time.Duration, renewable bool) lifetime {
	life := lifetime{whole: whole, renewable: renewable}
	life.begin(whole)
	return life
}

func (l *lifetime) begin(left time.Duration) {
	if left <= 0 {
		return
	}
	now := time.Now()
	l.expires = now.Add(left)
	l.due = now.Add(left * 2 / 3)
}

// extend takes note of a renewal. It reports false if Vault gave less than half of the first lifetime: the end of
// what can be extended is near, and a replacement is needed while this one still serves.
func (l *lifetime) extend(left time.Duration) bool {
	l.begin(left)
	return left >= l.whole/2
}

func (l *lifetime) isDue() bool {
	return !l.due.IsZero() && !time.Now().Before(l.due)
}

func (l *lifetime) isOver() bool {
	return !l.expires.IsZero() && !time.Now().Before(l.expires)
}
