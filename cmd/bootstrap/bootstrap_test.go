package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"google.golang.org/api/option"
	"gotest.tools/v3/golden"

	"example.com/grpc-edge/internal/deliverynames"
)

// one is one run of the command in a test.
type one struct {
	options options
	answers string
	// before changes the cloud, or the file of the stack.
	before func(t *testing.T, f *fake, file string)
}

var defaults = options{project: fakeProject, repository: "owner/name", stack: "dev", yes: true}

func with(change func(*options)) options {
	o := defaults
	change(&o)
	return o
}

// ready prepares a cloud and a file with nothing left to do.
func ready(t *testing.T, f *fake, file string) {
	t.Helper()
	for _, api := range apis {
		f.on[api] = true
	}
	name := deliverynames.Bucket(fakeProject)
	f.buckets[name] = merge(newBucket(name, fakeNumber), object{
		"location":         "US-CENTRAL1",
		"iamConfiguration": object{"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": object{"enabled": true}},
		"versioning":       object{"enabled": true},
		"lifecycle": object{"rule": []any{object{"action": object{"type": "Delete"}, "condition": object{"daysSinceNoncurrentTime": 90}},
			object{"action": object{"type": "Delete"}, "condition": object{"age": 90, "matchesPrefix": []any{"delivery/"}}}}},
	})
	b := &bootstrap{options: defaults, region: "us-central1"}
	f.rings[b.ringName()] = object{"name": b.ringName()}
	f.keys[b.keyName()] = object{
		"name": b.keyName(), "purpose": "ENCRYPT_DECRYPT", "rotationPeriod": "7776000s",
		"nextRotationTime": "2100-01-01T00:00:00Z", "primary": object{"name": "cryptoKeyVersions/1", "state": "ENABLED"},
	}
	change(t, file, "config:\n", "secretsprovider: "+b.secretsProvider()+"\nconfig:\n")
	change(t, file, "my-grpc-edge-dev", fakeProject)
	change(t, file, "gcp:region: us-central1\n", "gcp:region: us-central1\n  grpc-edge:githubRepository: owner/name\n  grpc-edge:projectNumber: \""+fakeNumber+"\"\n")
}

func change(t *testing.T, file, old, new string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, []byte(old)) {
		t.Fatalf("%s does not have %q", file, old)
	}
	if err := os.WriteFile(file, bytes.Replace(content, []byte(old), []byte(new), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

func then(steps ...func(*testing.T, *fake, string)) func(*testing.T, *fake, string) {
	return func(t *testing.T, f *fake, file string) {
		for _, step := range steps {
			step(t, f, file)
		}
	}
}

func cloudly(step func(f *fake)) func(*testing.T, *fake, string) {
	return func(_ *testing.T, f *fake, _ string) { step(f) }
}

func edited(old, new string) func(*testing.T, *fake, string) {
	return func(t *testing.T, _ *fake, file string) { t.Helper(); change(t, file, old, new) }
}

// asksToSign prepares a stack that asks for a signing key.
func asksToSign(key string) func(*testing.T, *fake, string) {
	return edited("  gcp:region: us-central1\n", "  gcp:region: us-central1\n  grpc-edge:signingKey: projects/my-project/locations/us-central1/keyRings/"+key+"/cryptoKeyVersions/1\n")
}

const keyPath = "projects/my-project/locations/us-central1/keyRings/pulumi/cryptoKeys/dev"

func setBucket(patch object) func(*testing.T, *fake, string) {
	return cloudly(func(f *fake) {
		f.buckets[deliverynames.Bucket(fakeProject)] = merge(f.buckets[deliverynames.Bucket(fakeProject)], patch)
	})
}

// TestRuns does whole runs, one after the other in the same cloud. Their output, the calls
// that changed something, and the final state of the cloud are in testdata.
func TestRuns(t *testing.T) {
	t.Parallel()
	tests := map[string][]one{
		"fresh":                        {{options: with(func(o *options) { o.yes = false }), answers: "y\n", before: cloudly(func(f *fake) { f.polls, f.settling = 3, 4 })}, {options: defaults}},
		"ready":                        {{options: defaults, before: ready}},
		"plan":                         {{options: with(func(o *options) { o.planOnly = true })}},
		"plan of nothing":              {{options: with(func(o *options) { o.planOnly = true }), before: ready}},
		"nobody answers":               {{options: with(func(o *options) { o.yes = false })}},
		"no":                           {{options: with(func(o *options) { o.yes = false }), answers: "n\n"}},
		"a region that is not allowed": {{options: defaults, before: cloudly(func(f *fake) { f.regions = "europe-west1" })}},
		"plans kept forever": {{options: defaults, before: then(ready, setBucket(object{"lifecycle": object{"rule": []any{
			object{"action": object{"type": "Delete"}, "condition": object{"daysSinceNoncurrentTime": 400}}}}}))}, {options: defaults}},
		"no repository": {{options: with(func(o *options) { o.repository = "" })}},
		"weak bucket": {{options: defaults, before: then(ready, setBucket(object{
			"iamConfiguration": object{"publicAccessPrevention": "inherited", "uniformBucketLevelAccess": object{"enabled": false}},
			"versioning":       nil, "softDeletePolicy": object{"retentionDurationSeconds": "0"}, "lifecycle": nil,
		}))}, {options: defaults}},
		"rules that delete the state": {{options: defaults, before: then(ready, setBucket(object{"lifecycle": object{"rule": []any{
			object{"action": object{"type": "Delete"}, "condition": object{"age": 30}},
			object{"action": object{"type": "Delete"}, "condition": object{"numNewerVersions": 3, "isLive": false}},
			object{"action": object{"type": "AbortIncompleteMultipartUpload"}, "condition": object{"age": 1}},
			object{"action": object{"type": "Delete"}, "condition": object{"daysSinceNoncurrentTime": 365}},
		}}}))}, {options: defaults}},
		"bucket elsewhere":  {{options: defaults, before: then(ready, setBucket(object{"location": "EUROPE-WEST1"}))}},
		"bucket of another": {{options: defaults, before: then(ready, setBucket(object{"projectNumber": "666"}))}},
		"bucket unseen":     {{options: defaults, before: then(ready, setBucket(object{"secret": true}))}},
		"weak behind an API": {
			// The user agreed to make the bucket. That it exists, and is weak, is new to them.
			{options: with(func(o *options) { o.yes = false }), answers: "y\nn\n", before: then(ready, setBucket(object{"versioning": nil}), cloudly(func(f *fake) { delete(f.on, storageAPI) }))},
			{options: with(func(o *options) { o.yes = false }), answers: "y\n"},
		},
		"key never rotated":  {{options: defaults, before: then(ready, cloudly(func(f *fake) { f.keys[keyPath] = merge(f.keys[keyPath], object{"rotationPeriod": nil}) }))}, {options: defaults}},
		"key seldom rotated": {{options: defaults, before: then(ready, cloudly(func(f *fake) { f.keys[keyPath]["rotationPeriod"] = "31536000s" }))}},
		"key for signing":    {{options: defaults, before: then(ready, cloudly(func(f *fake) { f.keys[keyPath]["purpose"] = "ASYMMETRIC_SIGN" }))}},
		"key disabled":       {{options: defaults, before: then(ready, cloudly(func(f *fake) { f.keys[keyPath]["primary"].(object)["state"] = "DISABLED" }))}},
		"key not to be used": {{options: defaults, before: then(ready, cloudly(func(f *fake) { f.denied["cloudkms.cryptoKeyVersions.useToEncrypt"] = true }))}},
		"signing key":        {{options: defaults, before: then(ready, asksToSign("pulumi/cryptoKeys/dev-images"))}, {options: defaults}},
		"signing key to encrypt": {{options: defaults, before: then(ready, asksToSign("pulumi/cryptoKeys/dev-images"), cloudly(func(f *fake) {
			f.keys[keyPath+"-images"] = merge(f.keys[keyPath], object{"name": keyPath + "-images"})
		}))}},
		"signing key of their own": {{options: defaults, before: then(ready, asksToSign("ours/cryptoKeys/dev-images"))}},
		"no billing":               {{options: defaults, before: cloudly(func(f *fake) { f.billing = false })}},
		"may not enable":           {{options: defaults, before: cloudly(func(f *fake) { f.denied["serviceusage.services.enable"] = true })}},
		"may not look at keys":     {{options: defaults, before: then(ready, cloudly(func(f *fake) { f.denied["cloudkms.keyRings.get"] = true }))}},
		"may not make buckets": {{options: defaults, before: cloudly(func(f *fake) {
			f.denied["storage.buckets.get"], f.denied["storage.buckets.create"] = true, true
		})}},
		"Service Usage off":     {{options: defaults, before: cloudly(func(f *fake) { clear(f.on) })}},
		"project missing":       {{options: with(func(o *options) { o.project = "other-project" })}},
		"another provider":      {{options: defaults, before: edited("config:\n", "secretsprovider: awskms://alias/a\nencryptedkey: AAA\nconfig:\n")}},
		"passphrase":            {{options: defaults, before: edited("config:\n", "encryptionsalt: v1:AAA\nconfig:\n")}},
		"another project":       {{options: with(func(o *options) { o.project = "other-project" }), before: ready}},
		"no region":             {{options: defaults, before: edited("  gcp:region: us-central1\n", "")}},
		"no file":               {{options: with(func(o *options) { o.stack = "test" })}},
		"prod":                  {{options: with(func(o *options) { o.stack = "prod" })}},
		"bad options":           {{options: options{project: "My Project", repository: "https://github.com/o/n", stack: "a/b"}}},
		"initialised by Pulumi": {{options: defaults, before: then(ready, edited("config:\n", "encryptedkey: QUJD\nconfig:\n"))}},
	}
	for name, runs := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden.Assert(t, play(t, runs), strings.ReplaceAll(name, " ", "-")+".txt")
		})
	}
}

// play runs one after the other, and tells all of it.
func play(t *testing.T, runs []one) string {
	f, url := newFake(t)
	root := t.TempDir()
	for _, stack := range []string{"dev", "prod"} {
		content, err := os.ReadFile(filepath.Join("testdata", "Pulumi."+stack+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "Pulumi."+stack+".yaml"), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var told strings.Builder
	for _, r := range runs {
		if r.before != nil {
			r.before(t, f, filepath.Join(root, "Pulumi.dev.yaml"))
		}
		f.asked = nil
		r.options.root = root
		err := start(t, url, r, &told)
		if err != nil {
			fmt.Fprintf(&told, "bootstrap: %v\n", err)
		}
		fmt.Fprintln(&told, "--- changing calls:", len(f.asked))
		for _, call := range f.asked {
			fmt.Fprintln(&told, call)
		}
		if len(f.asked) > 0 {
			made(t, f, &told)
		}
		fmt.Fprintln(&told, "---")
	}
	return told.String()
}

// made prints what is in the cloud.
func made(t *testing.T, f *fake, out io.Writer) {
	t.Helper()
	for _, all := range []map[string]object{f.buckets, f.rings, f.keys} {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			content := maps.Clone(all[name])
			if _, set := content["nextRotationTime"]; set {
				content["nextRotationTime"] = "in the future"
			}
			text, err := json.Marshal(content)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(out, "%s\n", text)
		}
	}
}

func start(t *testing.T, url string, r one, out *strings.Builder) error {
	t.Helper()
	if err := r.options.check(); err != nil {
		return err
	}
	c := testCloud(t, url, r.options.project, out)
	b := &bootstrap{options: r.options, cloud: c, in: bufio.NewReader(strings.NewReader(r.answers)), out: out}
	return b.run(t.Context())
}

// testCloud returns a client of the fake, whose waits take no time.
func testCloud(t *testing.T, url, project string, out io.Writer) *cloud {
	t.Helper()
	c, err := newCloud(t.Context(), project, out, option.WithEndpoint(url), option.WithTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "token"})))
	if err != nil {
		t.Fatal(err)
	}
	c.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return c
}

// TestEveryFault lets each changing call of a run fail once: the next run must make
// what is missing, and nothing twice.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	calls := func(before func(*fake)) (*fake, string, []error) {
		f, url := newFake(t)
		root := t.TempDir()
		content, err := os.ReadFile("testdata/Pulumi.dev.yaml")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(root, "Pulumi.dev.yaml")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		before(f)
		var errs []error
		for range 2 {
			var out strings.Builder
			errs = append(errs, start(t, url, one{options: with(func(o *options) { o.root = root })}, &out))
		}
		if content, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		return f, string(content), errs
	}
	whole, file, errs := calls(func(*fake) {})
	if errs[0] != nil || errs[1] != nil || len(whole.asked) != 4 {
		t.Fatalf("without a fault: errors %v, calls %v; want those that enable, and make bucket, ring and key", errs, whole.asked)
	}
	for _, call := range whole.asked {
		f, got, errs := calls(func(f *fake) { f.faults[call] = 500 })
		if errs[0] == nil || !strings.Contains(errs[0].Error(), "Run the same command again") || errs[1] != nil {
			t.Errorf("%s fails once: errors %v; want one from the first run, that says how to go on, and none from the second", call, errs)
		}
		if diff := cmp.Diff(file, got); diff != "" {
			t.Errorf("%s fails once: the file afterwards is another (-want +got):\n%s", call, diff)
		}
		for what, pair := range map[string][2]map[string]object{"buckets": {whole.buckets, f.buckets}, "rings": {whole.rings, f.rings}, "keys": {whole.keys, f.keys}} {
			if diff := cmp.Diff(slices.Sorted(maps.Keys(pair[0])), slices.Sorted(maps.Keys(pair[1]))); diff != "" {
				t.Errorf("%s fails once: other %s (-want +got):\n%s", call, what, diff)
			}
		}
		if len(f.asked) != len(whole.asked)+1 {
			t.Errorf("%s fails once: calls %v; want each once, and this one twice", call, f.asked)
		}
		busy, _, errs := calls(func(f *fake) { f.faults[call] = 503 })
		if errs[0] != nil {
			t.Errorf("%s is busy once: error %v, calls %v; want another try", call, errs[0], busy.asked)
		}
	}
}

// TestCancel ends a run between two steps.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b := &bootstrap{out: &strings.Builder{}}
	done := 0
	one := step{text: "one", do: func(context.Context) error { done++; cancel(); return nil }}
	if _, err := b.apply(ctx, []step{one, one}); err == nil || done != 1 {
		t.Errorf("apply did %d steps with error %v, want 1 and an error", done, err)
	}
}

// TestCancelAtTheQuestion ends a run that waits for an answer.
func TestCancelAtTheQuestion(t *testing.T) {
	t.Parallel()
	silent, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := &bootstrap{in: bufio.NewReader(silent), out: &strings.Builder{}}
	if err := b.ask(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("ask = %v, want that it was cancelled", err)
	}
}
