package main

import (
	"math/rand/v2"
	"time"
)

// The pauses between attempts: each twice the one before, up to a cap that keeps recovery within seconds.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
)

// backoff counts failures in a row.
type backoff struct{ next time.Duration }

// after gives the pause after another failure, between half and the whole of its turn, so that many agents that lost
// the same Vault do not come back at once.
func (b *backoff) after() time.Duration {
	b.next = min(max(b.next*2, firstPause), longestPause)
	return b.next/2 + rand.N(b.next/2+1)
}

func (b *backoff) reset() {
	b.next = 0
}
