"""An app that uses some CPU for a request, and says of its processes less than it could."""

import os
import time


def app(environ, start_response):
    path = environ["PATH_INFO"]
    body, kind = b"ok", "text/plain"
    if path == "/burn":
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/metrics":
        kind = "text/plain; version=0.0.4"
        body = b"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 42\n"
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
