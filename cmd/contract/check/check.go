// Package check reads the configuration of an image that was built elsewhere, and
// reports which rules of docs/contract.md it breaks, before a pod fails because of it.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// User is the user ID of pods, whatever the image says.
const User = 65532

// Port is the value of PORT in pods.
const Port = 8080

// timeout is the timeout of the whole check. A registry that does not answer must not block a
// preview.
const timeout = 10 * time.Second

// Problem describes one rule that an image breaks.
type Problem struct {
	// Text says what is wrong, what it must be and how to fix it.
	Text string
	// Warning is true if pods may run anyway, or if the image could not be read.
	Warning bool
}

// Image reports which rules the image breaks. The reference is
// REPOSITORY@sha256:…, and the architecture a GOARCH. The command is what pods run instead of the
// image's ENTRYPOINT and CMD; nil for these. Without options it asks the
// registry with the credentials of Docker's configuration, if there are any.
//
// A registry that cannot be reached, or that wants other credentials, is a
// warning: the nodes may be able to read what this machine cannot.
func Image(ctx context.Context, reference, architecture string, command []string, options ...remote.Option) []Problem {
	digest, err := name.NewDigest(reference)
	if err != nil {
		return []Problem{{Text: fmt.Sprintf("the image %q must be named by digest, such as registry/path@sha256:…: %v", reference, err)}}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if len(options) == 0 {
		options = []remote.Option{remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	}
	descriptor, err := remote.Get(digest, append(options, remote.WithContext(ctx))...)
	if err != nil {
		return []Problem{unreadable(err)}
	}
	image, problem := forArchitecture(descriptor, architecture)
	if problem != nil {
		return []Problem{*problem}
	}
	file, err := image.ConfigFile()
	if err != nil {
		return []Problem{unreadable(err)}
	}
	return Config(file, architecture, command)
}

func unreadable(err error) Problem {
	var answer *transport.Error
	switch {
	case errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound:
		return Problem{Text: "the registry does not have it: push it first, or correct the digest: " + err.Error()}
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return Problem{Warning: true, Text: "it could not be checked, as the registry refuses this machine's credentials: " + err.Error()}
	}
	return Problem{Warning: true, Text: "it could not be checked: " + err.Error()}
}

// forArchitecture returns the image itself or, of an index, the image for the architecture.
func forArchitecture(descriptor *remote.Descriptor, architecture string) (v1.Image, *Problem) {
	if !descriptor.MediaType.IsIndex() {
		if !descriptor.MediaType.IsImage() {
			return nil, &Problem{Text: fmt.Sprintf("it is no image, but %s", descriptor.MediaType)}
		}
		image, err := descriptor.Image()
		if err != nil {
			problem := unreadable(err)
			return nil, &problem
		}
		return image, nil
	}
	index, err := descriptor.ImageIndex()
	if err != nil {
		problem := unreadable(err)
		return nil, &problem
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		problem := unreadable(err)
		return nil, &problem
	}
	var offered []string
	for _, m := range manifest.Manifests {
		if m.Platform == nil {
			continue
		}
		if m.Platform.OS == "linux" && m.Platform.Architecture == architecture {
			image, err := index.Image(m.Digest)
			if err != nil {
				problem := unreadable(err)
				return nil, &problem
			}
			return image, nil
		}
		offered = append(offered, m.Platform.OS+"/"+m.Platform.Architecture)
	}
	return nil, &Problem{Text: fmt.Sprintf("it has no image for linux/%s, which the nodes are: only for %s", architecture, strings.Join(offered, ", "))}
}

// Config reports which rules the configuration of an image breaks. Pods run the command, or the
// image's own if it is nil.
func Config(file *v1.ConfigFile, architecture string, command []string) []Problem {
	var problems []Problem
	if file.OS != "linux" || file.Architecture != architecture {
		problems = append(problems, Problem{Text: fmt.Sprintf(
			"it is built for %s/%s, and the nodes are linux/%s: build it for them, such as with `docker build --platform linux/%s`",
			file.OS, file.Architecture, architecture, architecture)})
	}
	if len(command) == 0 && len(file.Config.Entrypoint) == 0 && len(file.Config.Cmd) == 0 {
		problems = append(problems, Problem{Text: "it does not say what to run: it has neither ENTRYPOINT nor CMD, and service.yaml no command"})
	}
	problems = append(problems, user(file.Config.User)...)
	return append(problems, ports(file.Config.ExposedPorts)...)
}

// user warns of images that were built for a user other than the pods' user. Kubernetes takes the
// pod's user and does not look at the image's (Kubernetes, "Configure a Security Context").
func user(text string) []Problem {
	who, _, _ := strings.Cut(text, ":")
	if who == strconv.Itoa(User) {
		return nil
	}
	if number, err := strconv.ParseUint(who, 10, 32); err == nil && number != 0 {
		return nil
	}
	return []Problem{{Warning: true, Text: fmt.Sprintf("its user is %q, and pods run as %d: that user has to be able to read all that it needs, "+
		"and can bind no port below 1024 (`USER %d:%d` in its Dockerfile says so)", cmp.Or(who, "root"), User, User, User)}}
}

// ports warns of ports that the image names and pods do not use: EXPOSE changes
// nothing, but whoever wrote it listens there.
func ports(exposed map[string]struct{}) []Problem {
	var others []string
	for port := range exposed {
		number, protocol, _ := strings.Cut(port, "/")
		if number == strconv.Itoa(Port) && (protocol == "" || protocol == "tcp") {
			return nil
		}
		others = append(others, port)
	}
	if len(others) == 0 {
		return nil
	}
	slices.Sort(others)
	return []Problem{{Warning: true, Text: fmt.Sprintf("it exposes %s and not %d: it has to listen on the port that the variable PORT says, which is %d",
		strings.Join(others, ", "), Port, Port)}}
}
