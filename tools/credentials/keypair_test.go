package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestMarksAreReplacedAtAnyDepth(t *testing.T) {
	data := map[string]any{accessMark: map[string]any{"secret": secretMark, "id": 7, "all": []any{accessMark}}}
	marks := strings.NewReplacer(accessMark, "A", secretMark, "S")
	wanted := map[string]any{"A": map[string]any{"secret": "S", "id": 7, "all": []any{"A"}}}
	if got := filled(data, marks); !reflect.DeepEqual(got, wanted) {
		t.Errorf("got %v", got)
	}
	if !mentions(data, secretMark) || mentions(wanted, secretMark) {
		t.Error("the mark is found where it is not, or not where it is")
	}
}

func TestSecretsDiffer(t *testing.T) {
	if one := randomText(30); len(one) != 40 || one == randomText(30) {
		t.Errorf("%q", one)
	}
}
