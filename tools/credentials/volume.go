package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/vault/api"
	"golang.org/x/sys/unix"
)

// keyBits is the length of a volume's key; fscrypt's AES-256-XTS wants 512.
const keyBits = 512

// volume is a folder with a subfolder "data" that the kernel encrypts. Beside it, ".key" holds the key as Vault's
// transit engine wrapped it: whoever destroys the transit key destroys the data.
type volume struct {
	config     volumeConfig
	isOpen     bool
	identifier keyIdentifier
}

func (v *volume) data() string    { return filepath.Join(v.config.Path, "data") }
func (v *volume) keyFile() string { return filepath.Join(v.config.Path, ".key") }

// unlock makes the data readable. Errors of Vault pass; those of the folder are for an operator to mend.
func (v *volume) unlock(ctx context.Context, client *api.Client) error {
	able, err := canEncrypt(v.config.Path)
	if err != nil {
		return fatal{fmt.Errorf("volume.path: %w", err)}
	}
	if !able {
		return v.goPlain()
	}
	key, err := v.key(ctx, client)
	if err != nil {
		return err
	}
	defer clear(key)
	if err := v.open(key); err != nil {
		return fatal{fmt.Errorf("volume %s: %w", v.config.Path, err)}
	}
	v.isOpen = true
	return nil
}

// goPlain is for file systems that cannot encrypt, where the configuration allows it.
func (v *volume) goPlain() error {
	if v.config.Required == nil || *v.config.Required {
		return fatal{fmt.Errorf("the file system of %s cannot encrypt: use ext4 with the feature encrypt, "+
			"or set volume.required to false", v.config.Path)}
	}
	if _, err := os.Stat(v.keyFile()); err == nil {
		return fatal{fmt.Errorf("%s belongs to encrypted data, and this file system cannot encrypt: "+
			"use ext4 with the feature encrypt", v.keyFile())}
	}
	slog.Warn("the data are not encrypted: the file system cannot", "path", v.config.Path)
	v.isOpen = true
	if err := os.Mkdir(v.data(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fatal{err}
	}
	return nil
}

// key reads the wrapped key and has Vault unwrap it; on first use it has Vault make one.
func (v *volume) key(ctx context.Context, client *api.Client) ([]byte, error) {
	wrapped, err := os.ReadFile(v.keyFile())
	if errors.Is(err, fs.ErrNotExist) {
		return v.firstKey(ctx, client)
	}
	if err != nil {
		return nil, fatal{err}
	}
	if err := v.rewrap(ctx, client, string(wrapped)); err != nil {
		return nil, err
	}
	return v.ask(ctx, client, "decrypt", map[string]any{"ciphertext": string(wrapped)}, nil)
}

// firstKey stores the wrapped key on the disk before any data can depend on it.
func (v *volume) firstKey(ctx context.Context, client *api.Client) ([]byte, error) {
	if inside, err := os.ReadDir(v.data()); err == nil && len(inside) > 0 {
		return nil, fatal{fmt.Errorf("%s has data but %s is missing: restore it", v.data(), v.keyFile())}
	}
	var wrapped string
	key, err := v.ask(ctx, client, "datakey/plaintext", map[string]any{"bits": keyBits}, &wrapped)
	if err != nil {
		return nil, err
	}
	if err := replace(v.keyFile(), wrapped, 0o600); err != nil {
		return nil, fatal{err}
	}
	return key, nil
}

// rewrap has the newest version of the transit key wrap the volume's key, so that older versions can be retired.
func (v *volume) rewrap(ctx context.Context, client *api.Client, wrapped string) error {
	var renewed string
	if _, err := v.ask(ctx, client, "rewrap", map[string]any{"ciphertext": wrapped}, &renewed); err != nil {
		return err
	}
	if wrappedBy(renewed) == wrappedBy(wrapped) {
		return nil
	}
	if err := replace(v.keyFile(), renewed, 0o600); err != nil {
		return fatal{err}
	}
	return nil
}

// wrappedBy is the version of the transit key in a ciphertext: vault:v2:...
func wrappedBy(ciphertext string) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(ciphertext, "vault:"), ":")
	return version
}

// ask makes one request to the transit engine. It returns the plaintext, if the answer has one, and stores the
// ciphertext, if one is wanted.
func (v *volume) ask(
	ctx context.Context, client *api.Client, verb string, body map[string]any, ciphertext *string,
) ([]byte, error) {
	path := fmt.Sprintf("%s/%s/%s", v.config.Transit, verb, v.config.Key)
	answer, err := client.Logical().WriteWithContext(ctx, path, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if ciphertext != nil {
		*ciphertext, _ = answer.Data["ciphertext"].(string)
	}
	plaintext, _ := answer.Data["plaintext"].(string)
	return base64.StdEncoding.DecodeString(plaintext)
}

// open gives the kernel the key and makes sure that it is the one of the data.
func (v *volume) open(key []byte) error {
	identifier, err := insertKey(v.config.Path, key)
	if err != nil {
		return fmt.Errorf("the kernel does not take the key: %w", err)
	}
	v.identifier = identifier
	if err := os.Mkdir(v.data(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := v.encrypt(); err != nil {
		return err
	}
	return v.try()
}

func (v *volume) encrypt() error {
	present, encrypted, err := policyOf(v.data())
	if err != nil {
		return err
	}
	if !encrypted {
		if err := setPolicy(v.data(), v.identifier); err != nil {
			return fmt.Errorf("data cannot be encrypted: %w: it must be an empty folder of this user", err)
		}
		return nil
	}
	if present != v.identifier {
		return errors.New("data is encrypted with another key than the one in .key: restore the right one")
	}
	return nil
}

// try opens a nameless file inside, which needs the key and leaves nothing.
func (v *volume) try() error {
	descriptor, err := unix.Open(v.data(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("no file can be opened in data: %w", err)
	}
	return unix.Close(descriptor)
}

// lock takes the key out of the kernel.
func (v *volume) lock() error {
	if v.identifier == (keyIdentifier{}) {
		return nil
	}
	busy, err := withdrawKey(v.config.Path, v.identifier)
	if busy {
		slog.Warn("files of the volume are still open: the kernel keeps their keys", "path", v.config.Path)
	}
	return err
}
