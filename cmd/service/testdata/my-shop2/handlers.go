package main

import (
	"context"

	myshop2v1 "example.com/grpc-edge/services/my-shop2/my_shop2/v1"
)

// handlers answers the calls of my_shop2.v1.MyShop2Service.
type handlers struct {
	myshop2v1.UnimplementedMyShop2ServiceServer
}

// Say returns the content of the request after the name of the service.
func (handlers) Say(_ context.Context, request *myshop2v1.SayRequest) (*myshop2v1.SayResponse, error) {
	return &myshop2v1.SayResponse{Content: "my-shop2: " + request.GetContent()}, nil
}
