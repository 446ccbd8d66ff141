package main

import (
	"testing"
	"time"
)

func TestALifeIsDueAfterTwoThirds(t *testing.T) {
	life := newLifetime(3*time.Hour, true)
	left := time.Until(life.due)
	if left < 119*time.Minute || left > 2*time.Hour {
		t.Errorf("due in %v", left)
	}
}

func TestALifeWithoutAnEndIsNeverDue(t *testing.T) {
	life := newLifetime(0, false)
	if life.isDue() || life.isOver() {
		t.Error("something without an end has ended")
	}
}

func TestAnExtensionByLessThanHalfIsNotWorthIt(t *testing.T) {
	life := newLifetime(time.Hour, true)
	if !life.extend(time.Hour) || life.extend(29*time.Minute) {
		t.Error("a replacement is needed below half an hour, and not above")
	}
}
