package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// askLimit is for one question to the admin interface, which answers from memory.
const askLimit = 2 * time.Second

// admin is Envoy's admin interface (Envoy, docs/root/operations/admin.rst).
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

// traffic is what clients do. The statistics are those of the listener for
// clients, which package envoy names https.
type traffic struct {
	connections int64 // open
	active      int64 // calls under way
	calls       int64 // since the start
}

func (t traffic) String() string {
	return fmt.Sprintf("%d calls on %d connections", t.active, t.connections)
}

func (a *admin) traffic(ctx context.Context) (traffic, error) {
	var t traffic
	wanted := map[string]*int64{
		"http.https.downstream_cx_active": &t.connections,
		"http.https.downstream_rq_active": &t.active,
		"http.https.downstream_rq_total":  &t.calls,
	}
	body, err := a.ask(ctx, http.MethodGet, "/stats?filter="+url.QueryEscape(`^http\.https\.downstream_(cx_active|rq_active|rq_total)$`))
	if err != nil {
		return t, err
	}
	found := 0
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if into := wanted[name]; into != nil {
			if *into, err = strconv.ParseInt(value, 10, 64); err != nil {
				return t, fmt.Errorf("reading %s: %w", name, err)
			}
			found++
		}
	}
	if found != len(wanted) {
		return t, fmt.Errorf("GET /stats has %d of %d statistics of clients: %.200q", found, len(wanted), body)
	}
	return t, nil
}
