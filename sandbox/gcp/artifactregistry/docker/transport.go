package docker

import (
	"io"
	"net/http"
	"sync"
)

// transport lets a client talk to a handler of this process without a network.
// Answers are streamed, because layers are large.
type transport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, pipe := io.Pipe()
	w := &streamedResponse{
		pipe:    pipe,
		started: make(chan struct{}),
		response: &http.Response{
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{}, Body: body, Request: r, ContentLength: -1,
		},
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	go func() {
		defer in.Body.Close()
		t.handler.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK)
		_ = pipe.Close() // never fails
	}()
	select {
	case <-w.started:
		return w.response, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// streamedResponse is an http.ResponseWriter whose status and headers become a
// response as soon as they are known.
type streamedResponse struct {
	response *http.Response
	header   http.Header
	pipe     *io.PipeWriter
	once     sync.Once
	started  chan struct{}
}

// Header implements http.ResponseWriter. The handler's map is its own: it may be
// changed while the client reads the response.
func (w *streamedResponse) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter.
func (w *streamedResponse) WriteHeader(status int) {
	w.once.Do(func() {
		w.response.StatusCode = status
		w.response.Status = http.StatusText(status)
		w.response.Header = w.Header().Clone()
		close(w.started)
	})
}

// Write implements http.ResponseWriter.
func (w *streamedResponse) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.response.Request.Method == http.MethodHead {
		return len(b), nil
	}
	return w.pipe.Write(b)
}
