module grpc-edge/tools/preview

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/pmezard/go-difflib v1.0.0
	golang.org/x/mod v0.39.0
)
