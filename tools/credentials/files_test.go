package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNoFileChangesWhenOneTemplateFails(t *testing.T) {
	folder := t.TempDir()
	one, two := filepath.Join(folder, "one"), filepath.Join(folder, "two")
	written := &files{written: map[string]string{}, configs: []fileConfig{
		{one, "{{ .a.value }}", 0o640}, {two, "{{ .a.other }}", 0o600},
	}}
	if changed, err := written.write(map[string]any{"a": map[string]any{"value": "x"}}); err == nil || changed {
		t.Fatal("a missing field went unnoticed")
	}
	if found, _ := os.ReadDir(folder); len(found) != 0 {
		t.Errorf("%v was written", found)
	}
}

func TestAFileIsWrittenOnceForOneContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	written := &files{written: map[string]string{}, configs: []fileConfig{{path, "{{ json .a }}", 0o640}}}
	data := map[string]any{"a": "\"x\""}
	first, _ := written.write(data)
	second, _ := written.write(data)
	info, err := os.Stat(path)
	if err != nil || !first || second || info.Mode() != 0o640 {
		t.Errorf("first %v, second %v, %v, %v", first, second, info, err)
	}
}
