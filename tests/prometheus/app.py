"""An app with metrics of its own: it answers what the path asks for, and says what it did.

/ok is an order and answered at once, /slow takes 300 ms, /fail is a 503. The port is picked by
the kernel and printed.
"""

import http.server
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

REGISTRY = CollectorRegistry()
ORDERS = Counter("shop_orders", "Orders taken.", ["payment"], registry=REGISTRY)
BASKETS = Histogram(
    "shop_basket_items", "Items per order.", buckets=(1, 5, 10), registry=REGISTRY
)
TILLS = Gauge("shop_open_tills", "Tills open.", registry=REGISTRY)
TILLS.set(2.5)


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes, which Nagle's algorithm would part by 40 ms.
    disable_nagle_algorithm = True

    def do_GET(self):
        content_type, body, status = "text/plain", b"thank you\n", 200
        if self.path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            body = encode(REGISTRY)
        elif self.path == "/ok":
            ORDERS.labels("card").inc()
            BASKETS.observe(3, {"trace_id": "4bf92f3577b34da6"})
        elif self.path == "/slow":
            time.sleep(0.3)
        else:
            status = 503
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    # The default of 5 makes clients wait for a second before they try again.
    request_queue_size = 128


server = Server(("127.0.0.1", 0), Shop)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
