package main

import (
	"context"

	greeterv1 "example.com/grpc-edge/services/greeter/greeter/v1"
)

// handlers answers the calls of greeter.v1.GreeterService.
type handlers struct {
	greeterv1.UnimplementedGreeterServiceServer
}

// Say returns the content of the request after the name of the service.
func (handlers) Say(_ context.Context, request *greeterv1.SayRequest) (*greeterv1.SayResponse, error) {
	return &greeterv1.SayResponse{Content: "greeter: " + request.GetContent()}, nil
}
