package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// config is the whole configuration file.
type config struct {
	Vault       vaultConfig       `yaml:"vault"`
	Status      string            `yaml:"status"`
	Check       duration          `yaml:"check"`
	Child       childConfig       `yaml:"child"`
	Sources     []sourceConfig    `yaml:"sources"`
	KeyPairs    []keyPairConfig   `yaml:"keypairs"`
	Files       []fileConfig      `yaml:"files"`
	OnChange    changeConfig      `yaml:"on_change"`
	Environment map[string]string `yaml:"environment"`
	Volume      *volumeConfig     `yaml:"volume"`
}

// vaultConfig says where Vault is and how to log in: a file with the authority of its certificate, a role of its
// Kubernetes auth method, and the file with the service account's token.
type vaultConfig struct {
	Address   string `yaml:"address"`
	Authority string `yaml:"authority"`
	Role      string `yaml:"role"`
	Mount     string `yaml:"mount"`
	TokenFile string `yaml:"token_file"`
}

// childConfig says how a child is stopped: by which signal (the one that came in, if empty) and after which time it
// is killed.
type childConfig struct {
	Grace duration   `yaml:"grace"`
	Stop  signalName `yaml:"stop"`
}

// sourceConfig is one thing to fetch from Vault. Refresh is for answers that carry neither a lease nor an expiration.
type sourceConfig struct {
	Name    string         `yaml:"name"`
	Path    string         `yaml:"path"`
	Method  string         `yaml:"method"`
	Data    map[string]any `yaml:"data"`
	Refresh duration       `yaml:"refresh"`
}

// keyPairConfig is a key pair drawn here and written to two KV v2 paths by turns. In Data, at any depth and in names
// too, {access} and {secret} stand for the two halves.
type keyPairConfig struct {
	Name     string         `yaml:"name"`
	Paths    []string       `yaml:"paths"`
	Bytes    int            `yaml:"bytes"`
	Lifetime duration       `yaml:"lifetime"`
	Data     map[string]any `yaml:"data"`
}

// fileConfig is one file to write.
type fileConfig struct {
	Path     string   `yaml:"path"`
	Template string   `yaml:"template"`
	Mode     fileMode `yaml:"mode"`
}

// changeConfig says who is told after files have changed: the child, by a signal, or a command.
type changeConfig struct {
	Signal  signalName `yaml:"signal"`
	Command []string   `yaml:"command"`
}

// volumeConfig is a folder whose subfolder "data" is encrypted with a key that only Vault can unwrap.
type volumeConfig struct {
	Path     string `yaml:"path"`
	Transit  string `yaml:"transit"`
	Key      string `yaml:"key"`
	Required *bool  `yaml:"required"`
}

// load reads and checks the configuration. Each error names the file, the field and the remedy.
func load(path string, command []string) (*config, error) {
	if path == "" {
		return nil, errors.New("--config is missing: name the configuration file")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: give --config a file that can be read", err)
	}
	settings := defaults()
	if err := decode(text, settings); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	settings.complete()
	if err := settings.check(command); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return settings, nil
}

func decode(text []byte, settings *config) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(settings); err != nil {
		return explain(err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return errors.New("a second document: keep one in a file")
	}
	return nil
}

var unknownField = regexp.MustCompile(`^line (\d+): field (\S+) not found in type main\.(\w+)$`)

// explain turns the first complaint of the YAML library into a sentence with a remedy.
func explain(err error) error {
	var several *yaml.TypeError
	if !errors.As(err, &several) {
		return fmt.Errorf("%w: write YAML or JSON", err)
	}
	found := unknownField.FindStringSubmatch(several.Errors[0])
	if found == nil {
		return fmt.Errorf("%s: correct the value", several.Errors[0])
	}
	known := strings.Join(fieldNames(reflect.TypeFor[config](), found[3]), ", ")
	return fmt.Errorf("line %s: field %q is unknown: remove it or choose one of %s", found[1], found[2], known)
}

// fieldNames lists the fields of the configuration's type with this name, looked for below another type.
func fieldNames(within reflect.Type, name string) []string {
	for within.Kind() == reflect.Slice || within.Kind() == reflect.Pointer {
		within = within.Elem()
	}
	if within.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for field := range within.Fields() {
		if below := fieldNames(field.Type, name); below != nil {
			return below
		}
		names = append(names, field.Tag.Get("yaml"))
	}
	if within.Name() != name {
		return nil
	}
	return names
}

var (
	plainName    = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// check finds the first thing that can be seen to be wrong without asking Vault.
func (c *config) check(command []string) error {
	checks := []func() error{
		c.checkVault, c.checkSources, c.checkKeyPairs, c.checkNames, c.checkFiles, c.checkEnvironment, c.checkVolume,
		func() error { return c.checkChild(len(command) > 0) },
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) checkVault() error {
	if !strings.HasPrefix(c.Vault.Address, "https://") {
		return fmt.Errorf("vault.address is %q: give an address that begins with https://", c.Vault.Address)
	}
	return needed("vault", map[string]string{
		"authority": c.Vault.Authority, "role": c.Vault.Role, "token_file": c.Vault.TokenFile,
	})
}

func (c *config) checkSources() error {
	for index, source := range c.Sources {
		field := fmt.Sprintf("sources[%d]", index)
		if err := needed(field, map[string]string{"path": source.Path}); err != nil {
			return err
		}
		if source.Method != methodRead && source.Method != methodWrite {
			return fmt.Errorf("%s.method is %q: choose read or write", field, source.Method)
		}
		if source.Method == methodRead && len(source.Data) > 0 {
			return fmt.Errorf("%s.data is sent with method write only: set the method or remove data", field)
		}
	}
	return nil
}

func (c *config) checkKeyPairs() error {
	for index, pair := range c.KeyPairs {
		field := fmt.Sprintf("keypairs[%d]", index)
		if len(pair.Paths) != 2 || pair.Paths[0] == pair.Paths[1] {
			return fmt.Errorf("%s.paths: give two different paths, which take turns", field)
		}
		for _, path := range pair.Paths {
			if !strings.Contains(path, kvData) {
				return fmt.Errorf("%s.paths has %q: give a path of a KV v2 engine, MOUNT/data/NAME", field, path)
			}
		}
		if pair.Bytes < minimalSecretBytes {
			return fmt.Errorf("%s.bytes is %d: give at least %d", field, pair.Bytes, minimalSecretBytes)
		}
		if pair.Lifetime <= 0 {
			return fmt.Errorf("%s.lifetime is missing: give a duration such as 1h", field)
		}
		if !mentions(pair.Data, secretMark) {
			return fmt.Errorf("%s.data does not hold %s: put it where the secret belongs", field, secretMark)
		}
	}
	return nil
}

func (c *config) checkNames() error {
	seen := map[string]bool{tokenName: true}
	for _, name := range c.names() {
		if !plainName.MatchString(name) {
			return fmt.Errorf("name %q: use small letters, digits and _, beginning with a letter", name)
		}
		if seen[name] {
			return fmt.Errorf("name %q is taken: choose another", name)
		}
		seen[name] = true
	}
	return nil
}

func (c *config) names() []string {
	var names []string
	for _, source := range c.Sources {
		names = append(names, source.Name)
	}
	for _, pair := range c.KeyPairs {
		names = append(names, pair.Name)
	}
	return names
}

func (c *config) checkFiles() error {
	seen := map[string]bool{c.Status: true}
	for index, file := range c.Files {
		field := fmt.Sprintf("files[%d]", index)
		if err := needed(field, map[string]string{"path": file.Path, "template": file.Template}); err != nil {
			return err
		}
		if seen[file.Path] {
			return fmt.Errorf("%s.path %s is written twice: choose another", field, file.Path)
		}
		seen[file.Path] = true
		if _, err := parse(file.Path, file.Template); err != nil {
			return fmt.Errorf("%s.template: %w: correct it as Go's text/template", field, err)
		}
	}
	return nil
}

func (c *config) checkEnvironment() error {
	for name, text := range c.Environment {
		if !variableName.MatchString(name) {
			return fmt.Errorf("environment has %q: use letters, digits and _", name)
		}
		if _, err := parse(name, text); err != nil {
			return fmt.Errorf("environment.%s: %w: correct it as Go's text/template", name, err)
		}
	}
	return nil
}

func (c *config) checkVolume() error {
	if c.Volume == nil {
		return nil
	}
	return needed("volume", map[string]string{"path": c.Volume.Path, "key": c.Volume.Key})
}

func (c *config) checkChild(present bool) error {
	if c.OnChange.Signal.number != 0 && len(c.OnChange.Command) > 0 {
		return errors.New("on_change has signal and command: keep one")
	}
	if present {
		return nil
	}
	if c.OnChange.Signal.number != 0 {
		return errors.New("on_change.signal has nobody to go to: add -- COMMAND or use on_change.command")
	}
	if len(c.Environment) > 0 {
		return errors.New("environment has no process to go to: add -- COMMAND or remove it")
	}
	return nil
}

// needed refuses the first empty one of some fields.
func needed(section string, fields map[string]string) error {
	for _, name := range sortedKeys(fields) {
		if fields[name] == "" {
			return fmt.Errorf("%s.%s is missing: give it", section, name)
		}
	}
	return nil
}

// parse reads a template; a field that the data lack is an error, never an empty text in a file.
func parse(name, text string) (*template.Template, error) {
	return template.New(name).Option("missingkey=error").Funcs(functions).Parse(text)
}
