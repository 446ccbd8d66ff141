package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// answerOf is what Vault answered, if an error is an answer and not silence.
func answerOf(err error) *api.ResponseError {
	var answer *api.ResponseError
	errors.As(err, &answer)
	return answer
}

// refused tells whether Vault understood a request and said no.
func refused(err error) bool {
	answer := answerOf(err)
	return answer != nil && answer.StatusCode >= http.StatusBadRequest && answer.StatusCode < http.StatusInternalServerError &&
		answer.StatusCode != http.StatusTooManyRequests
}

// invalidToken tells whether Vault no longer knows the token; a policy that forbids a path is not meant.
func invalidToken(err error) bool {
	answer := answerOf(err)
	return answer != nil && answer.StatusCode == http.StatusForbidden &&
		strings.Contains(strings.Join(answer.Errors, " "), "invalid token")
}

// plainWords says what is wrong to somebody who does not know Vault; since is when it began.
func plainWords(err error, since time.Time) string {
	answer := answerOf(err)
	switch {
	case isStranger(err):
		return "the key store's certificate is not one of the configured authority"
	case answer == nil && isSilence(err):
		return fmt.Sprintf("the key store does not answer since %s", since.Format("15:04"))
	case answer == nil:
		return oneLine(err.Error())
	case sealed(answer):
		return "the key store is sealed"
	case refused(err):
		return fmt.Sprintf("the key store refuses %s: %s", subject(err), said(answer))
	}
	return fmt.Sprintf("the key store is not ready (%d): %s", answer.StatusCode, said(answer))
}

func sealed(answer *api.ResponseError) bool {
	return answer.StatusCode == http.StatusServiceUnavailable && strings.Contains(said(answer), "sealed")
}

// isSilence tells whether an error came from the way to Vault.
func isSilence(err error) bool {
	var way *url.Error
	return errors.As(err, &way)
}

// isStranger tells whether somebody answered whose certificate the authority did not sign.
func isStranger(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

// subject is what our own code put before the answer: the role or path that was refused.
func subject(err error) string {
	before, _, _ := strings.Cut(err.Error(), ": ")
	return before
}

func said(answer *api.ResponseError) string {
	return oneLine(strings.Join(answer.Errors, "; "))
}

func oneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}
