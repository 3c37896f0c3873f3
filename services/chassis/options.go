package chassis

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha" // all that older clients speak
)

// Option changes what the chassis itself serves.
type Option func(*overrides)

// overrides holds the values of the options. The zero value changes nothing.
type overrides struct {
	server     []grpc.ServerOption
	maxRequest int
	health     grpc_health_v1.HealthServer
	reflection reflection.ServerOptions
}

// WithHealth lets named answer Check and Watch for every name except the empty one.
// The empty name is the health of the program itself. The context of a Watch ends
// when the server drains.
func WithHealth(named grpc_health_v1.HealthServer) Option {
	return func(o *overrides) { o.health = named }
}

// WithReflection lets reflection describe services other than the registered ones.
func WithReflection(described reflection.ServerOptions) Option {
	return func(o *overrides) { o.reflection = described }
}

// WithMaxRequest sets the size of the largest request message, in bytes; the default is 4 MiB. A
// pod keeps what has arrived of each, however slowly the rest comes: the larger they may be, the
// fewer may arrive slowly.
func WithMaxRequest(size int) Option {
	return func(o *overrides) { o.maxRequest = size }
}

// WithStreamInterceptor wraps the handler of every stream, those of health and
// reflection included. What it returns is logged.
func WithStreamInterceptor(interceptor grpc.StreamServerInterceptor) Option {
	return func(o *overrides) { o.server = append(o.server, grpc.ChainStreamInterceptor(interceptor)) }
}

// registerReflection does what reflection.Register does, with options.
func (o *overrides) registerReflection(s *grpc.Server) {
	described := o.reflection
	if described.Services == nil {
		described.Services = s
	}
	grpc_reflection_v1.RegisterServerReflectionServer(s, reflection.NewServerV1(described))
	grpc_reflection_v1alpha.RegisterServerReflectionServer(s, reflection.NewServer(described))
}
