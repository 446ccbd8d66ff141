package main

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"
)

// Defaults of the configuration. The token file is where Kubernetes mounts a service account's token.
const (
	defaultMount     = "kubernetes"
	defaultTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	defaultTransit   = "transit"
	defaultCheck     = 10 * time.Second
	defaultGrace     = 20 * time.Second
	defaultRefresh   = 5 * time.Minute
	defaultMode      = 0o600
	defaultBytes     = 30
)

func defaults() *config {
	settings := &config{Check: duration(defaultCheck)}
	settings.Vault = vaultConfig{Mount: defaultMount, TokenFile: defaultTokenFile}
	settings.Child.Grace = duration(defaultGrace)
	return settings
}

// complete fills in the defaults of what a list or an optional section left out.
func (c *config) complete() {
	for index := range c.Sources {
		source := &c.Sources[index]
		source.Method = either(source.Method, methodRead)
		source.Refresh = either(source.Refresh, duration(defaultRefresh))
	}
	for index := range c.KeyPairs {
		c.KeyPairs[index].Bytes = either(c.KeyPairs[index].Bytes, defaultBytes)
	}
	for index := range c.Files {
		c.Files[index].Mode = either(c.Files[index].Mode, defaultMode)
	}
	if c.Volume != nil {
		c.Volume.Transit = either(c.Volume.Transit, defaultTransit)
	}
}

func either[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// duration is written as Go writes it: 90s, 1h30m.
type duration time.Duration

// UnmarshalYAML reads a duration, which must be longer than nothing.
func (d *duration) UnmarshalYAML(node *yaml.Node) error {
	value, err := time.ParseDuration(node.Value)
	if err != nil || value <= 0 {
		return complaint(node, "a duration such as 90s or 1h")
	}
	*d = duration(value)
	return nil
}

// fileMode is written in octal digits.
type fileMode fs.FileMode

// UnmarshalYAML reads permission bits.
func (m *fileMode) UnmarshalYAML(node *yaml.Node) error {
	value, err := strconv.ParseUint(node.Value, 8, 32)
	if err != nil || value == 0 || value > 0o777 {
		return complaint(node, "permissions in octal digits, such as 0600")
	}
	*m = fileMode(value)
	return nil
}

// signalName is a signal, written with or without SIG.
type signalName struct{ number syscall.Signal }

// UnmarshalYAML reads the name of a signal.
func (s *signalName) UnmarshalYAML(node *yaml.Node) error {
	s.number = unix.SignalNum("SIG" + strings.TrimPrefix(node.Value, "SIG"))
	if s.number == 0 {
		return complaint(node, "the name of a signal, such as HUP")
	}
	return nil
}

func complaint(node *yaml.Node, wanted string) error {
	text := fmt.Sprintf("line %d: %q is not %s", node.Line, node.Value, wanted)
	return &yaml.TypeError{Errors: []string{text}}
}

func sortedKeys[V any](values map[string]V) []string {
	return slices.Sorted(maps.Keys(values))
}
