package main

import (
	"context"

	"github.com/rivo/uniseg"

	"example.com/grpc-edge/services/reverse/api"
)

// handlers answers the calls of api.Reverse.
type handlers struct {
	api.UnimplementedReverseServer
}

// Reverse returns the content of the request with its grapheme clusters
// (Unicode Standard Annex 29) in reverse order. Reversing code points, as the
// sample does, would take an accent from its letter and turn a flag into
// another country's.
func (handlers) Reverse(_ context.Context, request *api.ReverseRequest) (*api.ReverseResponse, error) {
	return &api.ReverseResponse{Content: uniseg.ReverseString(request.GetContent())}, nil
}
