package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fakeEnvoy answers as the admin interface does.
type fakeEnvoy struct {
	began time.Time
	asked []string                                // POSTs, with when they came
	state func(at time.Duration) (traffic, error) // what there is so long after the start
}

func (f *fakeEnvoy) RoundTrip(request *http.Request) (*http.Response, error) {
	at := time.Since(f.began)
	now, err := f.state(at)
	if err != nil {
		return nil, err
	}
	body := "OK\n"
	if request.Method == http.MethodPost {
		f.asked = append(f.asked, fmt.Sprint(at, " ", request.URL.RequestURI()))
	} else {
		body = fmt.Sprintf("http.https.downstream_cx_active: %d\nhttp.https.downstream_rq_active: %d\nhttp.https.downstream_rq_total: %d\n",
			now.connections, now.active, now.calls)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// TestDrain has a budget of 20 s: 8 s for the load balancer, 10 s for clients.
func TestDrain(t *testing.T) {
	t.Parallel()
	asked := []string{"0s /healthcheck/fail", "8s /drain_listeners?graceful&skip_exit"}
	for name, test := range map[string]struct {
		state func(at time.Duration) (traffic, error)
		took  time.Duration
		asked []string
		log   string
	}{
		"nobody is there": {
			func(time.Duration) (traffic, error) { return traffic{}, nil },
			8 * time.Second, asked, `"drained"`,
		},
		"clients leave": {
			func(at time.Duration) (traffic, error) {
				if at < 12*time.Second {
					return traffic{connections: 3, active: 1, calls: int64(at)}, nil
				}
				return traffic{calls: 99}, nil
			},
			12 * time.Second, asked, `"drained"`,
		},
		"an idle client stays": {
			func(time.Duration) (traffic, error) { return traffic{connections: 1}, nil },
			16 * time.Second, asked, `"drained"`,
		},
		"a client calls now and then": {
			func(at time.Duration) (traffic, error) {
				return traffic{connections: 1, calls: int64(min(at, 9*time.Second) / (3 * time.Second))}, nil
			},
			17 * time.Second, asked, `"drained"`,
		},
		"a call hangs": {
			func(time.Duration) (traffic, error) { return traffic{connections: 2, active: 1, calls: 5}, nil },
			18 * time.Second, asked, `"left":"1 calls on 2 connections"`,
		},
		"Envoy is gone": {
			func(time.Duration) (traffic, error) { return traffic{}, errors.New("no such thing") },
			18 * time.Second, nil, `"left":"unknown"`,
		},
		"Envoy comes late": {
			func(at time.Duration) (traffic, error) {
				if at < 3*time.Second {
					return traffic{}, errors.New("no such thing")
				}
				return traffic{}, nil
			},
			8 * time.Second, []string{"3s /healthcheck/fail", asked[1]}, `"drained"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				envoy := &fakeEnvoy{began: time.Now(), state: test.state}
				var log bytes.Buffer
				idle := idleClients(filepath.Join(t.TempDir(), "idle"))
				if err := idle.stay(); err != nil {
					t.Fatal(err)
				}
				drain(&admin{address: "envoy", client: &http.Client{Transport: envoy}}, idle, splitBudget(20*time.Second), newLogger(&log))
				if text, err := os.ReadFile(string(idle)); string(text) != "1" {
					t.Errorf("idle clients are not told: %q, %v", text, err)
				}
				if took := time.Since(envoy.began); took != test.took {
					t.Errorf("draining took %v, want %v", took, test.took)
				}
				if !slices.Equal(envoy.asked, test.asked) {
					t.Errorf("Envoy was asked %q, want %q", envoy.asked, test.asked)
				}
				if !strings.Contains(log.String(), test.log) || strings.Count(log.String(), "no such thing") > 3 {
					t.Errorf("the log has no %s, or too many errors:\n%s", test.log, &log)
				}
			})
		})
	}
}

func TestTrafficNeedsAllStatistics(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "http.https.downstream_cx_active: 1\n", "http.https.downstream_cx_active: many\n"} {
		client := &http.Client{Transport: answer(func(string) string { return body })}
		if got, err := (&admin{address: "envoy", client: client}).traffic(t.Context()); err == nil {
			t.Errorf("traffic() of %q = %v and no error", body, got)
		}
	}
}

// answer gives the body for the query of a request.
type answer func(query string) string

func (a answer) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(a(request.URL.RawQuery)))}, nil
}

// accepted returns the statistic of a listener that has taken so many certificates.
func accepted(certificates int) string {
	return fmt.Sprintf("listener.0.0.0.0_8443.server_ssl_socket_factory.ssl_context_update_by_sds: %d\n", certificates)
}

// TestAwait has a budget of 20 s, and two pods of a backend.
func TestAwait(t *testing.T) {
	t.Parallel()
	const serving = `"WARNING","message":"serving without a healthy pod of some backends: calls to them are answered UNAVAILABLE"`
	for name, test := range map[string]struct {
		healthy func(at time.Duration) int // of 2; -1 has Envoy give no answer
		took    time.Duration
		log     string
	}{
		"all are there":    {func(time.Duration) int { return 2 }, 0, `"after":"0s"`},
		"they come later":  {func(at time.Duration) int { return int(at / (2 * time.Second)) }, 4 * time.Second, `"after":"4s"`},
		"one never comes":  {func(time.Duration) int { return 1 }, 10 * time.Second, `"after":"10s"`},
		"none ever comes":  {func(time.Duration) int { return 0 }, 20 * time.Second, serving + `,"backends":"echo"`},
		"Envoy is gone":    {func(time.Duration) int { return -1 }, 20 * time.Second, serving + `,"backends":"unknown"`},
		"Envoy comes late": {func(at time.Duration) int { return min(int(at/time.Second), 3) - 1 }, 3 * time.Second, `"after":"3s"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				var log bytes.Buffer
				err := await(t.Context(), &admin{address: "envoy", client: &http.Client{Transport: answer(func(query string) string {
					if strings.Contains(query, "ssl_context") {
						return accepted(1)
					}
					healthy := test.healthy(time.Since(begun))
					if healthy < 0 {
						return ""
					}
					return fmt.Sprintf("cluster.echo.health_check.healthy: %d\ncluster.echo.membership_total: 2\n"+
						"cluster.reverse-canary.health_check.healthy: 1\ncluster.reverse-canary.membership_total: 1\n"+
						"cluster.envoy_admin.membership_total: 0\n", healthy)
				})}}, 20*time.Second, newLogger(&log))
				if took := time.Since(begun); took != test.took || err != nil {
					t.Errorf("it took %v, want %v; %v", took, test.took, err)
				}
				if !strings.Contains(log.String(), test.log) {
					t.Errorf("the log has no %s:\n%s", test.log, &log)
				}
			})
		})
	}
}

// TestAwaitCertificate has a budget of 20 s, and all pods are healthy.
func TestAwaitCertificate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after time.Duration // until Envoy accepts a certificate
		took  time.Duration
		want  error
	}{
		"it is there":     {0, 0, nil},
		"it comes later":  {5 * time.Second, 5 * time.Second, nil},
		"it never comes":  {time.Hour, 20 * time.Second, errCertificate},
		"it is too late ": {21 * time.Second, 20 * time.Second, errCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				err := await(t.Context(), &admin{address: "envoy", client: &http.Client{Transport: answer(func(query string) string {
					if !strings.Contains(query, "ssl_context") {
						return "cluster.echo.health_check.healthy: 2\ncluster.echo.membership_total: 2\n"
					}
					if time.Since(begun) < test.after {
						return accepted(0)
					}
					return accepted(1)
				})}}, 20*time.Second, newLogger(io.Discard))
				if took := time.Since(begun); took != test.took || !errors.Is(err, test.want) {
					t.Errorf("it took %v with %v, want %v with %v", took, err, test.took, test.want)
				}
			})
		})
	}
}

// TestAwaitEnds checks that await ends with its pod, and does not log that Envoy serves.
func TestAwaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		var log bytes.Buffer
		err := await(ctx, &admin{address: "envoy", client: &http.Client{Transport: answer(func(string) string { return "" })}}, 20*time.Second, newLogger(&log))
		if took := time.Since(begun); err != nil || took != time.Second || strings.Contains(log.String(), "serving") {
			t.Errorf("it took %v, and said:\n%s", took, &log)
		}
	})
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"wait"}, {"drain", "-budget", "0s"}, {"await", "-budget", "soon"}, {"drain", "-nonsense"}, {"drain", "more"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("run(%q) gave no error", args)
		}
	}
}

func TestSplitBudget(t *testing.T) {
	t.Parallel()
	for budget, want := range map[time.Duration]phases{
		5 * time.Second:   {2 * time.Second, 2500 * time.Millisecond},
		25 * time.Second:  {10 * time.Second, 12500 * time.Millisecond},
		100 * time.Second: {10 * time.Second, 80 * time.Second}, // the load balancer drops a drained node's connections after 30 s
	} {
		if got := splitBudget(budget); got != want {
			t.Errorf("splitBudget(%v) = %v, want %v", budget, got, want)
		}
	}
}
