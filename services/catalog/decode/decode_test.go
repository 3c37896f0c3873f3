package decode

import (
	"slices"
	"testing"
	"time"
)

// short is an object that also has a short form.
type short struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

func (s *short) UnmarshalText(text []byte) error {
	s.Name = string(text)
	return nil
}

// TestValue reports every mistake in one round, by its path.
func TestValue(t *testing.T) {
	t.Parallel()
	var into struct {
		Text  string           `json:"text"`
		Items []short          `json:"items"`
		By    map[string]*bool `json:"by"`
		At    time.Time        `json:"at"`
		Left  string
	}
	value := map[string]any{
		"text": "a", "items": []any{"one", map[string]any{"namr": "two", "count": "many"}}, "by": map[string]any{"x": true, "y": 1},
		"at": "2026-01-03T02:00:00Z", "Left": "x",
	}
	var got []string
	Value("key", value, &into, func(path, message string) { got = append(got, path+" "+message) })
	slices.Sort(got)
	want := []string{
		"key.Left is unknown; there may be text, items, by, at",
		"key.by.y is 1; it must be true or false",
		"key.items[1].count is \"many\"; it must be a whole number",
		"key.items[1].namr is unknown; did you mean name? there may be name, count",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if into.Text != "a" || len(into.Items) != 2 || into.Items[0].Name != "one" || !*into.By["x"] || into.At.Year() != 2026 {
		t.Errorf("got %+v, want the values that are right", into)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"authority", "envoyReplicas", "region"}
	for word, want := range map[string]string{"athority": "authority", "rgeion": "region", "EnvoyReplicas": "envoyReplicas", "zone": "", "": ""} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
