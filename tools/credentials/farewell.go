package main

import (
	"context"
	"log/slog"
	"time"
)

// farewellTimeout bounds the requests at the end: Kubernetes waits 30 seconds before it kills, and the child has had
// its share of them.
const farewellTimeout = 5 * time.Second

// leave gives everything back. What fails is logged and ends by itself in time; the rest is done all the same.
func (a *agent) leave() {
	ctx, stop := context.WithTimeout(context.Background(), farewellTimeout)
	defer stop()
	if a.volume != nil {
		complain("the volume stays open", a.volume.lock())
	}
	if a.session != nil {
		a.removePairs(ctx)
		a.revokeTokens(ctx)
	}
	complain("a file is left", a.files.remove())
	complain("the status is left", a.status.remove())
}

func (a *agent) removePairs(ctx context.Context) {
	for _, each := range a.pairs {
		if each.values != nil {
			complain("a key pair is left", each.remove(ctx, a.session.client))
		}
	}
}

// revokeTokens ends former sessions too: their leases were left for what was open then, and nothing is open now.
func (a *agent) revokeTokens(ctx context.Context) {
	for _, each := range append(a.former, a.session) {
		if !each.life.isOver() {
			complain("a token is left", each.revoke(ctx))
		}
	}
}

func complain(what string, err error) {
	if err != nil {
		slog.Warn(what, "reason", plainWords(err, time.Now()))
	}
}
