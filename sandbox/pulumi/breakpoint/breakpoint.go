// Package breakpoint pauses the engine while it waits for a provider, resource by resource, so that
// it can be killed while each of them is being made or removed.
package breakpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// Point is the moment in a call at which the engine waits.
type Point string

// Request is the point before the provider does anything; Answer is the point after it is done.
const (
	Request Point = "request"
	Answer  Point = "answer"
)

// Breakpoint describes which calls pause: the first call of each resource, as long as it is set.
type Breakpoint struct {
	At   Point
	Verb string // create, update or delete
}

func parse(text string) (Breakpoint, error) {
	at, verb, _ := strings.Cut(text, " ")
	b := Breakpoint{Point(at), verb}
	return b, b.check()
}

func (b Breakpoint) check() error {
	if !slices.Contains([]Point{Request, Answer}, b.At) || !slices.Contains([]string{"create", "update", "delete"}, b.Verb) {
		return fmt.Errorf("no call pauses at %q of %q: it may be request or answer, of create, update or delete", b.At, b.Verb)
	}
	return nil
}

const (
	setFile    = "breakpoint" // in a state folder
	pausedFile = "paused"
)

// Set pauses calls to the providers that run on a state folder, from the next one on.
func Set(dir string, b Breakpoint) error {
	if err := b.check(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, setFile), []byte(string(b.At)+" "+b.Verb), 0o600)
}

// Clear lets all later calls go on.
func Clear(dir string) error {
	if err := os.Remove(filepath.Join(dir, setFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Paused returns the URNs of the resources whose calls are paused, sorted.
func Paused(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, pausedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(text)), err
}

// Interceptor pauses the calls to a provider as the state folder says, each until its
// caller has gone. One serves all providers.
func Interceptor(dir string) grpc.UnaryServerInterceptor {
	s := &server{dir: dir, now: map[string]bool{}, met: map[string]bool{}}
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		of, ok := request.(interface{ GetUrn() string })
		if trial, may := request.(interface{ GetPreview() bool }); !ok || may && trial.GetPreview() {
			return handle(ctx, request)
		}
		b := s.match(strings.ToLower(path.Base(info.FullMethod)), of.GetUrn())
		if b.At == Answer {
			_, _ = handle(context.WithoutCancel(ctx), request)
		}
		if b.At == "" {
			return handle(ctx, request)
		}
		s.pause(of.GetUrn(), true)
		<-ctx.Done()
		s.pause(of.GetUrn(), false)
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

type server struct {
	dir string
	mu  sync.Mutex
	set string          // the breakpoint that met belongs to
	met map[string]bool // URNs whose first call has come
	now map[string]bool // URNs whose calls are paused
}

// match returns the breakpoint of a call, or the zero Breakpoint if the call may go on.
func (s *server) match(verb, urn string) Breakpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, _ := os.ReadFile(filepath.Join(s.dir, setFile)) // there is none most of the time
	if string(text) != s.set {
		s.set = string(text)
		clear(s.met)
	}
	b, err := parse(s.set)
	if err != nil || b.Verb != verb || s.met[urn] {
		return Breakpoint{}
	}
	s.met[urn] = true
	return b
}

func (s *server) pause(urn string, paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now[urn] = paused; !paused {
		delete(s.now, urn)
	}
	var list []string
	for urn := range s.now {
		list = append(list, urn)
	}
	slices.Sort(list)
	_ = os.WriteFile(filepath.Join(s.dir, pausedFile), []byte(strings.Join(list, "\n")), 0o600)
}
