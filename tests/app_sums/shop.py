"""An app whose worker processes each count for themselves, as they do behind gunicorn."""
import os
import time

from prometheus_client import Counter, Gauge, Histogram, Summary, make_wsgi_app

REQUESTS = Counter("shop_requests", "Requests that were answered.", ["path"])
SECONDS = Histogram("shop_seconds", "How long they took.", buckets=(0.1, 1))
SIZES = Summary("shop_sizes", "How large they were.")
WORKERS = Gauge("shop_workers", "One for each process.")
PID = Gauge("shop_pid", "The process.")

metrics = make_wsgi_app()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/metrics":
        WORKERS.set(1)
        PID.set(os.getpid())
        return metrics(environ, start_response)
    REQUESTS.labels(environ["PATH_INFO"]).inc()
    SECONDS.observe(0.5)
    SIZES.observe(3)
    # Long enough that others get their turn.
    time.sleep(0.002)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
