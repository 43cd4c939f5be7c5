"""A gRPC server and a client, each of which says what it has done, as JSON in its last line."""

import json
import sys
import threading
from collections import Counter
from concurrent import futures

import grpc

SERVICE = "podmeter.test.Peer"
PATIENCE = 60
# Long enough for a call to be under way even on a busy machine.
DEADLINE = 2


class Log:
    """What became of calls, by status code, and how many messages passed each way."""

    def __init__(self):
        self.lock = threading.Lock()
        self.codes = Counter()
        self.received = 0
        self.sent = 0

    def message(self, received=0, sent=0):
        with self.lock:
            self.received += received
            self.sent += sent

    def ended(self, code):
        with self.lock:
            self.codes[str(code)] += 1

    def say(self):
        with self.lock:
            said = {"codes": self.codes, "received": self.received, "sent": self.sent}
        print(json.dumps(said), flush=True)


def serve():
    log = Log()
    holding = threading.Event()

    def asked(request):
        log.message(received=1)
        return request

    def unary(request, context):
        asked(request)
        code = int(request[:2])
        if code:
            log.ended(code)
            context.abort(next(c for c in grpc.StatusCode if c.value[0] == code), "as asked")
        log.message(sent=1)
        log.ended(0)
        return request

    def client_stream(requests, context):
        count = sum(1 for request in requests if asked(request) is not None)
        log.message(sent=1)
        log.ended(0)
        return str(count).encode()

    def server_stream(request, context):
        for n in range(int(asked(request))):
            log.message(sent=1)
            yield b"x" * (n * 37 % 5000)
        log.ended(0)

    def both_streams(requests, context):
        for request in requests:
            asked(request)
            log.message(sent=1)
            yield request
        log.ended(0)

    def hold(request, context):
        asked(request)
        over = threading.Event()
        context.add_callback(over.set)
        context.add_callback(lambda: log.ended("left"))
        log.message(sent=1)
        yield b"held"
        over.wait(PATIENCE)

    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
        "BothStreams": grpc.stream_stream_rpc_method_handler(both_streams),
        "Hold": grpc.unary_stream_rpc_method_handler(hold),
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"listen": f"127.0.0.1:{port}"}), flush=True)
    # Until nobody holds the other end any more.
    sys.stdin.read()
    server.stop(None).wait()
    log.say()


def call(address):
    log = Log()
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    channel = grpc.insecure_channel(address, options=options)
    grpc.channel_ready_future(channel).result(PATIENCE)

    def method(kind, name):
        return getattr(channel, kind)(f"/{SERVICE}/{name}")

    def many(count, size):
        for n in range(count):
            log.message(sent=1)
            yield b"y" * (n * size % 40000)

    unary = method("unary_unary", "Unary")

    def once(code):
        log.message(sent=1)
        try:
            unary(b"%02d and a body" % code, timeout=PATIENCE)
            log.message(received=1)
            log.ended(0)
        except grpc.RpcError as error:
            log.ended(error.code().value[0])

    for code in [0] * 20 + list(range(1, 17)):
        once(code)
    with futures.ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(once, [0, 0, 13, 0, 5, 0] * 20))
    for count in [0, 1, 50, 300]:
        method("stream_unary", "ClientStream")(many(count, 997), timeout=PATIENCE)
        log.message(received=1)
        log.ended(0)
        log.message(sent=1)
        for _ in method("unary_stream", "ServerStream")(str(count).encode(), timeout=PATIENCE):
            log.message(received=1)
        log.ended(0)
        for _ in method("stream_stream", "BothStreams")(many(count, 331), timeout=PATIENCE):
            log.message(received=1)
        log.ended(0)
    hold = method("unary_stream", "Hold")
    for _ in range(5):
        log.message(sent=1)
        held = hold(b"until cancelled", timeout=PATIENCE)
        next(held)
        log.message(received=1)
        held.cancel()
        log.ended("cancelled")
    # Until the other end has seen that nobody waits any more.
    once(0)
    channel.close()
    log.say()


def hold_on(address, count):
    """Finishes 40 calls and holds others open until the server is gone; says how these ended."""
    log = Log()
    channel = grpc.insecure_channel(address, options=[("grpc.enable_retries", 0)])
    unary = channel.unary_unary(f"/{SERVICE}/Unary")
    with futures.ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda n: unary(b"00 and a body", timeout=PATIENCE), range(40)))
    hold = channel.unary_stream(f"/{SERVICE}/Hold")
    calls = [hold(b"until killed", timeout=PATIENCE) for _ in range(count)]
    for held in calls:
        next(held)
    print(json.dumps({"held": count}), flush=True)
    for held in calls:
        try:
            next(held)
        except grpc.RpcError as error:
            log.ended(error.code().value[0])
    log.say()


def give_up(address, path, count):
    """Calls what never ends until the deadline passes."""
    log = Log()
    channel = grpc.insecure_channel(address, options=[("grpc.enable_retries", 0)])
    grpc.channel_ready_future(channel).result(PATIENCE)
    method = channel.unary_unary(path)
    calls = [method.future(b"in time?", timeout=DEADLINE) for _ in range(count)]
    for late in calls:
        log.ended(late.code().value[0])
    channel.close()
    log.say()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    elif sys.argv[1] == "call":
        call(sys.argv[2])
    elif sys.argv[1] == "give-up":
        give_up(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        hold_on(sys.argv[2], int(sys.argv[3]))
