// Package hold keeps the engine waiting for a provider, resource by resource, so that
// it can be killed while each of them is being made or removed.
package hold

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

// Request is the point before the provider does anything; Answer is the point after it has done all.
const (
	Request Point = "request"
	Answer  Point = "answer"
)

// Hold describes which calls are held: the first call of each resource, as long as the hold is set.
type Hold struct {
	Point Point
	Verb  string // create, update or delete
}

// Parse reads a hold from two words.
func Parse(words []string) (Hold, error) {
	if len(words) == 2 && slices.Contains([]Point{Request, Answer}, Point(words[0])) && slices.Contains([]string{"create", "update", "delete"}, words[1]) {
		return Hold{Point(words[0]), words[1]}, nil
	}
	return Hold{}, fmt.Errorf("%q is no hold: it may be request or answer, and create, update or delete", strings.Join(words, " "))
}

const (
	setFile  = "hold" // in a state folder
	heldFile = "held"
)

// Set holds calls to the providers that run on a state folder, from the next one on.
func Set(dir string, h Hold) error {
	return os.WriteFile(filepath.Join(dir, setFile), []byte(string(h.Point)+" "+h.Verb), 0o600)
}

// Clear lets all later calls go on.
func Clear(dir string) error {
	if err := os.Remove(filepath.Join(dir, setFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Held returns the URNs of the resources that are being held, sorted.
func Held(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, heldFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(text)), err
}

// Interceptor holds the calls to a provider as the state folder says, each until its
// caller has gone. One serves all providers.
func Interceptor(dir string) grpc.UnaryServerInterceptor {
	s := &server{dir: dir, now: map[string]bool{}, met: map[string]bool{}}
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		of, ok := request.(interface{ GetUrn() string })
		if trial, may := request.(interface{ GetPreview() bool }); !ok || may && trial.GetPreview() {
			return handle(ctx, request)
		}
		h := s.match(strings.ToLower(path.Base(info.FullMethod)), of.GetUrn())
		if h.Point == Answer {
			_, _ = handle(context.WithoutCancel(ctx), request)
		}
		if h.Point == "" {
			return handle(ctx, request)
		}
		s.hold(of.GetUrn(), true)
		<-ctx.Done()
		s.hold(of.GetUrn(), false)
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

type server struct {
	dir string
	mu  sync.Mutex
	set string          // the hold that met belongs to
	met map[string]bool // URNs whose first call has come
	now map[string]bool // URNs that are held
}

// match returns the hold of a call, or the zero Hold if the call may go on.
func (s *server) match(verb, urn string) Hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, _ := os.ReadFile(filepath.Join(s.dir, setFile)) // there is none most of the time
	if string(text) != s.set {
		s.set = string(text)
		clear(s.met)
	}
	h, err := Parse(strings.Fields(s.set))
	if err != nil || h.Verb != verb || s.met[urn] {
		return Hold{}
	}
	s.met[urn] = true
	return h
}

func (s *server) hold(urn string, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now[urn] = held; !held {
		delete(s.now, urn)
	}
	var list []string
	for urn := range s.now {
		list = append(list, urn)
	}
	slices.Sort(list)
	_ = os.WriteFile(filepath.Join(s.dir, heldFile), []byte(strings.Join(list, "\n")), 0o600)
}
