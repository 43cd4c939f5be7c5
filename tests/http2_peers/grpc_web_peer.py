"""gRPC-Web over HTTP/1: `sonora` as a server under gunicorn and as a client, each of which says what
it has done, as JSON in its last line."""

import json
import os
import signal
import sys
import threading

import grpc
import sonora.client
import sonora.wsgi
from gunicorn.app.base import BaseApplication

# What is imported from beside this file leaves nothing there.
sys.dont_write_bytecode = True

from grpc_peer import PATIENCE, SERVICE, Log


def application(log):
    def unary(request, context):
        log.message(received=1)
        code = int(request[:2])
        log.ended(code)
        if code:
            context.abort(next(c for c in grpc.StatusCode if c.value[0] == code), "as asked")
        log.message(sent=1)
        return request

    def server_stream(request, context):
        log.message(received=1)
        for n in range(int(request)):
            log.message(sent=1)
            yield b"x" * (n * 37 % 5000)
        log.ended(0)

    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary, bytes, bytes),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream, bytes, bytes),
    }
    calls = sonora.wsgi.grpcWSGI()
    calls.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    return calls


class Server(BaseApplication):
    def load_config(self):
        settings = {
            "bind": "127.0.0.1:0",
            "worker_class": "gthread",
            "threads": 4,
            "loglevel": "warning",
            # Its socket would be in the home of whoever runs this.
            "control_socket_disable": True,
            "when_ready": self.listening,
            "worker_exit": lambda server, worker: self.log.say(),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self):
        self.log = Log()
        return application(self.log)

    def listening(self, server):
        port = server.LISTENERS[0].sock.getsockname()[1]
        print(json.dumps({"listen": f"127.0.0.1:{port}"}), flush=True)

        def until_let_go():
            # Until nobody holds the other end any more.
            while os.read(0, 4096):
                pass
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=until_let_go, daemon=True).start()


def call(address):
    log = Log()
    with sonora.client.insecure_web_channel(f"http://{address}") as channel:
        unary = channel.unary_unary(f"/{SERVICE}/Unary", bytes, bytes)
        stream = channel.unary_stream(f"/{SERVICE}/ServerStream", bytes, bytes)
        for code in list(range(17)) * 3:
            log.message(sent=1)
            try:
                unary(b"%02d" % code + b"y" * (code * 999), timeout=PATIENCE)
                log.message(received=1)
                log.ended(0)
            except grpc.RpcError as error:
                log.ended(error.code().value[0])
        for count in [0, 1, 50, 300]:
            log.message(sent=1)
            for _ in stream(str(count).encode(), timeout=PATIENCE):
                log.message(received=1)
            log.ended(0)
    log.say()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        Server().run()
    else:
        call(sys.argv[2])
