package main

import (
	"context"

	"example.com/grpc-edge/services/greeter/api"
)

// handlers answers the calls of api.Greeter.
type handlers struct {
	api.UnimplementedGreeterServer
}

// Greeter returns the content of the request after the name of the service.
func (handlers) Greeter(_ context.Context, request *api.GreeterRequest) (*api.GreeterResponse, error) {
	return &api.GreeterResponse{Content: "greeter: " + request.GetContent()}, nil
}
