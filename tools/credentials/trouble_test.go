package main

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

func TestTroubleInPlainWords(t *testing.T) {
	since := time.Date(2026, 5, 4, 14, 2, 0, 0, time.Local)
	answer := func(code int, said ...string) error {
		return fmt.Errorf("role reader: %w", &api.ResponseError{StatusCode: code, Errors: said})
	}
	for wanted, err := range map[string]error{
		"the key store is sealed":                                answer(503, "Vault is sealed"),
		"the key store does not answer since 14:02":              &url.Error{Op: "Get", Err: errors.New("refused")},
		"the key store refuses role reader: permission denied":   answer(403, "permission denied"),
		"the key store is not ready (500): 1 error: no database": answer(500, "1 error:\n\tno database"),
		"a file cannot be written: no space":                     errors.New("a file cannot be written: no space"),
	} {
		if got := plainWords(err, since); got != wanted {
			t.Errorf("%q instead of %q", got, wanted)
		}
	}
}

func TestAForbiddenPathIsNotAnInvalidToken(t *testing.T) {
	forbidden := &api.ResponseError{StatusCode: 403, Errors: []string{"permission denied"}}
	invalid := &api.ResponseError{StatusCode: 403, Errors: []string{"permission denied", "invalid token"}}
	if invalidToken(forbidden) || !invalidToken(invalid) {
		t.Error("the two are not told apart")
	}
}
