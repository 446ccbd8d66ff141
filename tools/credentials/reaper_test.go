package main

import "testing"

func TestAnOrphanIsAZombieOfTheFirstProcess(t *testing.T) {
	for statistics, wanted := range map[string]bool{
		"12 (sh) Z 1 12 12":        true,
		"12 (a) S 7 (x) Z 1 12 12": true,
		"12 (sh) S 1 12 12":        false,
		"12 (sh) Z 7 12 12":        false,
		"":                         false,
	} {
		if pid, got := orphan(statistics); got != wanted || (got && pid != 12) {
			t.Errorf("%q: %v", statistics, got)
		}
	}
}
