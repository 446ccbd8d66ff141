package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// functions are what a template may use besides those of Go.
var functions = template.FuncMap{"json": toJSON}

// toJSON writes a value as JSON; a text comes out in quotes, with everything escaped that needs it.
func toJSON(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

// render fills a template. Its text was checked when the configuration was read.
func render(name, text string, data map[string]any) (string, error) {
	parsed, err := parse(name, text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = parsed.Execute(&out, data)
	return out.String(), err
}

// files are those of the configuration, with what was last written to them.
type files struct {
	configs []fileConfig
	written map[string]string
}

// write brings all files up to date and reports whether any changed. Nothing is put in place before every text is on
// the disk.
func (f *files) write(data map[string]any) (bool, error) {
	changed, err := f.changes(data)
	if err != nil || len(changed) == 0 {
		return false, err
	}
	for _, file := range f.configs {
		if text, ok := changed[file.Path]; ok {
			if err := stage(file.Path, text, fs.FileMode(file.Mode)); err != nil {
				return false, fmt.Errorf("a file cannot be written: %w", err)
			}
		}
	}
	for path, text := range changed {
		if err := publish(path); err != nil {
			return false, fmt.Errorf("a file cannot be put in place: %w", err)
		}
		f.written[path] = text
	}
	return true, nil
}

func (f *files) changes(data map[string]any) (map[string]string, error) {
	changed := map[string]string{}
	for _, file := range f.configs {
		text, err := render(file.Path, file.Template, data)
		if err != nil {
			return nil, fmt.Errorf("the template of a file does not fit the key store's answer: %w", err)
		}
		if before, ok := f.written[file.Path]; !ok || before != text {
			changed[file.Path] = text
		}
	}
	return changed, nil
}

// remove deletes what was written.
func (f *files) remove() error {
	var errs []error
	for path := range f.written {
		errs = append(errs, removed(path))
	}
	return errors.Join(errs...)
}

func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// replace writes one file so that a reader sees the whole of it or what was there before.
func replace(path, text string, mode fs.FileMode) error {
	if err := stage(path, text, mode); err != nil {
		return err
	}
	return publish(path)
}

// stagedName is the file beside path that will take its place; one name, so that what a crash left is overwritten.
func stagedName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

func stage(path, text string, mode fs.FileMode) error {
	staged := stagedName(path)
	if err := removed(staged); err != nil {
		return err
	}
	file, err := os.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	return errors.Join(file.Chmod(mode), file.Sync())
}

func publish(path string) error {
	if err := os.Rename(stagedName(path), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
