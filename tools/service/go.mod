module example.com/grpc-edge/tools/service

go 1.26.0
