package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// What a key pair's data hold in the place of its halves, and what makes a path one of the KV v2 engine.
const (
	accessMark = "{access}"
	secretMark = "{secret}"
	kvData     = "/data/"
	kvMetadata = "/metadata/"
)

// minimalSecretBytes is the least that a drawn secret may have: 128 bits.
const minimalSecretBytes = 16

// keyPair is drawn here. Its two paths take turns, so the former pair stands while the new one takes over.
type keyPair struct {
	config keyPairConfig
	turn   int
	values map[string]any
	life   lifetime
	err    error
}

// draw writes a new pair to the path whose turn it is.
func (k *keyPair) draw(ctx context.Context, client *api.Client) error {
	place := k.config.Paths[k.turn]
	access, secret := path.Base(place), randomText(k.config.Bytes)
	body := filled(k.config.Data, strings.NewReplacer(accessMark, access, secretMark, secret))
	if _, err := client.Logical().WriteWithContext(ctx, place, map[string]any{"data": body}); err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	k.turn = 1 - k.turn
	k.values = map[string]any{"access": access, "secret": secret}
	k.life = newLifetime(time.Duration(k.config.Lifetime), false)
	return nil
}

// remove deletes both pairs with all their versions: a plain deletion in KV v2 could be undone.
func (k *keyPair) remove(ctx context.Context, client *api.Client) error {
	var errs []error
	for _, place := range k.config.Paths {
		whole := strings.Replace(place, kvData, kvMetadata, 1)
		if _, err := client.Logical().DeleteWithContext(ctx, whole); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", whole, err))
		}
	}
	return errors.Join(errs...)
}

func (k *keyPair) isDue() bool {
	return k.values == nil || k.life.isDue()
}

// randomText is a random secret in letters, digits, - and _.
func randomText(bytes int) string {
	drawn := make([]byte, bytes)
	rand.Read(drawn)
	return base64.RawURLEncoding.EncodeToString(drawn)
}

// filled copies nested data with the marks replaced, in names too.
func filled(value any, marks *strings.Replacer) any {
	switch value := value.(type) {
	case string:
		return marks.Replace(value)
	case map[string]any:
		copied := make(map[string]any, len(value))
		for name, each := range value {
			copied[marks.Replace(name)] = filled(each, marks)
		}
		return copied
	case []any:
		copied := make([]any, len(value))
		for index, each := range value {
			copied[index] = filled(each, marks)
		}
		return copied
	}
	return value
}

// mentions tells whether a mark stands anywhere in the values of nested data.
func mentions(value any, mark string) bool {
	switch value := value.(type) {
	case string:
		return strings.Contains(value, mark)
	case map[string]any:
		for _, each := range value {
			if mentions(each, mark) {
				return true
			}
		}
	case []any:
		for _, each := range value {
			if mentions(each, mark) {
				return true
			}
		}
	}
	return false
}
