package main

import (
	"testing"
	"time"
)

func TestPausesGrowToACapAndBeginAgain(t *testing.T) {
	var pauses backoff
	for turn := range 20 {
		whole := min(firstPause<<turn, longestPause)
		if pause := pauses.after(); pause < whole/2 || pause > whole {
			t.Errorf("turn %d: %v is not between half and whole of %v", turn, pause, whole)
		}
	}
	pauses.reset()
	if pause := pauses.after(); pause > firstPause || longestPause > 5*time.Second {
		t.Errorf("%v after a success", pause)
	}
}
