"""The recommendation service: what docs/contract.md asks of a service, in Python.

BREAK, for tests, has it break the contract in one way: health, port, loopback, exit,
write, headers, sigterm.
"""

import asyncio
import os
import re
import signal
import socket

import grpc
from grpc_health.v1 import health, health_pb2_grpc

messages, services = grpc.protos_and_services("shop/recommendation/v1/recommendation.proto")
SERVICE = messages.DESCRIPTOR.services_by_name["RecommendationService"].full_name

BREAK = os.environ.get("BREAK", "")
PRODUCTS = ["candle-holder", "hairdryer", "loafers", "mug", "sunglasses", "tank-top", "watch"]


def seconds(duration):
    """Returns the seconds of a duration as Go writes it, such as 1m22.5s."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
    parts = re.findall(r"([0-9.]+)(h|ms|us|µs|ns|m|s)", duration)
    return sum(float(number) * units[unit] for number, unit in parts)


def recommend(product_id, count=3):
    others = [product for product in PRODUCTS if product != product_id]
    begin = sum(product_id.encode()) % len(others)
    return (others[begin:] + others[:begin])[:count]


class Recommendations(services.RecommendationServiceServicer):
    async def ListRecommendations(self, request, context):
        if not request.product_id:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "product_id must not be empty")
        return messages.ListRecommendationsResponse(
            product_ids=recommend(request.product_id, request.page_size or 3))

    async def WatchRecommendations(self, request, context):
        while True:
            yield messages.WatchRecommendationsResponse(product_ids=recommend(request.product_id))
            await asyncio.sleep(1)


class Limit(grpc.aio.ServerInterceptor):
    """Refuses unary calls beyond MAX_CALLS at once; health checks are not counted."""

    def __init__(self, most):
        self.most, self.under_way = most, 0

    async def intercept_service(self, continuation, details):
        handler = await continuation(details)
        if not self.most or not handler or not handler.unary_unary or details.method.startswith("/grpc.health."):
            return handler

        async def limited(request, context):
            if self.under_way >= self.most:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self.most} calls are under way in this pod")
            self.under_way += 1
            try:
                return await handler.unary_unary(request, context)
            finally:
                self.under_way -= 1

        return grpc.unary_unary_rpc_method_handler(limited, handler.request_deserializer, handler.response_serializer)


class Hostname(grpc.aio.ServerInterceptor):
    """Adds the response header hostname, by which a caller sees which pod answered."""

    async def intercept_service(self, continuation, details):
        handler = await continuation(details)
        if not handler or not handler.unary_unary:
            return handler

        async def named(request, context):
            context.set_trailing_metadata((("hostname", socket.gethostname()),))
            return await handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(named, handler.request_deserializer, handler.response_serializer)


async def main():
    port = os.environ.get("PORT", "8080") if BREAK != "port" else "50051"
    host = "127.0.0.1" if BREAK == "loopback" else "0.0.0.0"
    budget = seconds(os.environ.get("TERMINATION_BUDGET", "25s"))
    if BREAK == "exit":
        return
    if BREAK == "write":
        open("recommendations", "w", encoding="utf-8")

    server = grpc.aio.server(
        interceptors=[Hostname(), Limit(int(os.environ.get("MAX_CALLS", "0")))],
        options=[
            # Callers probe with a PING every 10 seconds; gRPC's default allows one every 5 minutes.
            ("grpc.http2.min_ping_interval_without_data_ms", 5000),
            ("grpc.keepalive_permit_without_calls", 1),
            # The edge forwards larger headers than the 8 KiB that gRPC accepts by default.
            ("grpc.max_metadata_size", 8 << 10 if BREAK == "headers" else 32 << 10),
            # The default shares the port with another process that listens on it.
            ("grpc.so_reuseport", 0),
        ])
    services.add_RecommendationServiceServicer_to_server(Recommendations(), server)
    healthy = health.aio.HealthServicer()  # knows the empty name alone, and says SERVING
    if BREAK != "health":
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    server.add_insecure_port(f"{host}:{port}")
    await server.start()
    print(f"serving {SERVICE} on {host}:{port}", flush=True)

    stopping = asyncio.Event()
    if BREAK != "sigterm":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await stopping.wait()
    # Callers see NOT_SERVING and go elsewhere; what still comes is answered.
    await healthy.enter_graceful_shutdown()
    await asyncio.sleep(0.4 * budget)
    await server.stop(0.5 * budget)


asyncio.run(main())
