package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// askLimit is the timeout of one request to the admin interface, which answers from memory.
const askLimit = 2 * time.Second

// admin is a client of Envoy's admin interface (Envoy, docs/root/operations/admin.rst).
type admin struct {
	address string
	client  *http.Client
}

func newAdmin(address string) *admin {
	return &admin{address: address, client: &http.Client{Timeout: askLimit}}
}

func (a *admin) post(ctx context.Context, path string) error {
	_, err := a.ask(ctx, http.MethodPost, path)
	return err
}

func (a *admin) ask(ctx context.Context, method, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+a.address+path, nil)
	if err != nil {
		return "", err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("reading the answer to %s %s: %w", method, path, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s answered %s", method, path, response.Status)
	}
	return string(body), nil
}

// pods counts the pods of a backend.
type pods struct{ found, healthy int64 }

// pods counts the pods of each backend. Only backends have health checks, and so
// Envoy's statistics of them.
func (a *admin) pods(ctx context.Context) (map[string]pods, error) {
	stats, err := a.stats(ctx, `^cluster\..+\.(membership_total|health_check\.healthy)$`)
	if err != nil {
		return nil, err
	}
	backends := map[string]pods{}
	for stat, healthy := range stats {
		if cluster, ok := strings.CutSuffix(stat, ".health_check.healthy"); ok {
			backends[strings.TrimPrefix(cluster, "cluster.")] = pods{stats[cluster+".membership_total"], healthy}
		}
	}
	if len(backends) == 0 {
		return nil, errors.New("GET /stats knows no backend")
	}
	return backends, nil
}

// servesTLS reports whether Envoy has accepted a certificate at least once. If Envoy
// refuses a later one, it keeps the one it has, and counts that in
// sds.server.key_rotation_failed.
func (a *admin) servesTLS(ctx context.Context) (bool, error) {
	stats, err := a.stats(ctx, `^listener\..+\.server_ssl_socket_factory\.ssl_context_update_by_sds$`)
	if err != nil {
		return false, err
	}
	for _, accepted := range stats {
		if accepted > 0 {
			return true, nil
		}
	}
	return false, nil
}

// traffic describes the load from clients. Its statistics come from the clients'
// listener, which package envoy names https.
type traffic struct {
	connections int64 // open
	active      int64 // calls under way
	calls       int64 // since the start
}

func (t traffic) String() string {
	return fmt.Sprintf("%d calls on %d connections", t.active, t.connections)
}

func (a *admin) traffic(ctx context.Context) (traffic, error) {
	const prefix = "http.https.downstream_"
	stats, err := a.stats(ctx, `^http\.https\.downstream_(cx_active|rq_active|rq_total)$`)
	if err != nil {
		return traffic{}, err
	}
	if len(stats) != 3 {
		return traffic{}, fmt.Errorf("GET /stats has %d of 3 statistics of clients: %v", len(stats), stats)
	}
	return traffic{
		connections: stats[prefix+"cx_active"],
		active:      stats[prefix+"rq_active"],
		calls:       stats[prefix+"rq_total"],
	}, nil
}

// stats returns the statistics whose names match the regular expression.
func (a *admin) stats(ctx context.Context, filter string) (map[string]int64, error) {
	body, err := a.ask(ctx, http.MethodGet, "/stats?filter="+url.QueryEscape(filter))
	if err != nil {
		return nil, err
	}
	stats := map[string]int64{}
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if stats[name], err = strconv.ParseInt(value, 10, 64); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return stats, nil
}
