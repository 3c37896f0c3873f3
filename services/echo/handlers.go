package main

import (
	"context"

	"example.com/grpc-edge/services/echo/api"
)

// handlers answers the calls of api.Echo.
type handlers struct {
	api.UnimplementedEchoServer
}

// Echo returns the content of the request.
func (handlers) Echo(_ context.Context, request *api.EchoRequest) (*api.EchoResponse, error) {
	return &api.EchoResponse{Content: request.GetContent()}, nil
}
