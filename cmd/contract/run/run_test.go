package run

import (
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	image := v1.Config{Entrypoint: []string{"/shop"}, Cmd: []string{"help"}}
	for _, test := range []struct{ command, args, want []string }{
		{nil, nil, []string{"/shop", "help"}},
		{nil, []string{"serve"}, []string{"/shop", "serve"}},
		{[]string{"/tool"}, nil, []string{"/tool"}},
		{[]string{"/tool"}, []string{"serve"}, []string{"/tool", "serve"}},
	} {
		if got := program(image, Options{Command: test.command, Args: test.args}); !slices.Equal(got, test.want) {
			t.Errorf("program(command %q, args %q) = %q, want %q", test.command, test.args, got, test.want)
		}
	}
}
