package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"
)

const (
	methodRead  = "read"
	methodWrite = "write"
)

// source is one thing fetched from Vault, with its lease if it has one.
type source struct {
	config sourceConfig
	values map[string]any
	lease  string
	life   lifetime
	err    error
}

// refresh extends the lease, or fetches anew where that cannot be done. The former lease is left to end by itself,
// because sessions may be open with it.
func (s *source) refresh(ctx context.Context, client *api.Client) error {
	if s.lease != "" && s.life.renewable {
		kept, err := s.renew(ctx, client)
		if kept || err != nil {
			return err
		}
	}
	return s.fetch(ctx, client)
}

func (s *source) renew(ctx context.Context, client *api.Client) (bool, error) {
	answer, err := client.Sys().RenewWithContext(ctx, s.lease, int(s.life.whole.Seconds()))
	if refused(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", s.config.Path, err)
	}
	return s.life.extend(time.Duration(answer.LeaseDuration) * time.Second), nil
}

func (s *source) fetch(ctx context.Context, client *api.Client) error {
	answer, err := s.ask(ctx, client)
	if err != nil {
		return fmt.Errorf("%s: %w", s.config.Path, err)
	}
	if answer == nil || answer.Data == nil {
		return fmt.Errorf("the key store has nothing at %s", s.config.Path)
	}
	s.values, s.lease, s.life = valuesOf(answer), answer.LeaseID, s.lifeOf(answer)
	return nil
}

func (s *source) ask(ctx context.Context, client *api.Client) (*api.Secret, error) {
	if s.config.Method == methodWrite {
		return client.Logical().WriteWithContext(ctx, s.config.Path, s.config.Data)
	}
	return client.Logical().ReadWithContext(ctx, s.config.Path)
}

// valuesOf takes the inner data of a KV v2 answer, so that a template need not know the engine.
func valuesOf(answer *api.Secret) map[string]any {
	inner, nested := answer.Data["data"].(map[string]any)
	if _, described := answer.Data["metadata"].(map[string]any); nested && described {
		return inner
	}
	return answer.Data
}

// lifeOf finds the end of an answer: of its lease, of its certificate, or none; then it is only read again.
func (s *source) lifeOf(answer *api.Secret) lifetime {
	if end, ok := expiration(answer.Data); ok && answer.LeaseID == "" {
		return newLifetime(time.Until(end), false)
	}
	if answer.LeaseID != "" {
		return newLifetime(time.Duration(answer.LeaseDuration)*time.Second, answer.Renewable)
	}
	return lifetime{due: time.Now().Add(time.Duration(s.config.Refresh))}
}

// expiration reads what the PKI engine says of a certificate's end, in seconds since 1970.
func expiration(data map[string]any) (time.Time, bool) {
	number, ok := data["expiration"].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Int64()
	return time.Unix(seconds, 0), err == nil
}

// stands asks whether the lease is still known; where Vault does not say, it is taken to stand.
func (s *source) stands(ctx context.Context, client *api.Client) (bool, error) {
	_, err := client.Sys().LookupWithContext(ctx, s.lease)
	if answer := answerOf(err); answer != nil && answer.StatusCode == 400 {
		return false, nil
	}
	if refused(err) {
		return true, nil
	}
	return true, err
}

// expire makes the source due now, and its lease one that is not worth extending.
func (s *source) expire() {
	s.lease = ""
	s.life.due = time.Now()
}

func (s *source) isDue() bool {
	return s.values == nil || s.life.isDue()
}
