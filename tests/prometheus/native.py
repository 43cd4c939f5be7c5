"""An app that says what it did in protobuf alone: a native histogram, and exemplars.

It has observed 0.01, 0.02 and so on up to 10 seconds, once each. The port is picked by the
kernel and printed.
"""

import http.server
import math
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parent.parent / "support"))

from exposition_messages import MetricFamily, TYPES, delimited

SCHEMA = 3
OBSERVED = [step / 100 for step in range(1, 1001)]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def family(name, kind):
    made = MetricFamily(name=name, help=f"Help of {name}.", type=TYPES.index(kind))
    return made, made.metric.add()


def classic(histogram):
    histogram.sample_count = len(OBSERVED)
    histogram.sample_sum = sum(OBSERVED)
    for bound in (0.1, 1, 5, math.inf):
        count = sum(1 for value in OBSERVED if value <= bound)
        histogram.bucket.add(upper_bound=bound, cumulative_count=count)


def native(histogram):
    histogram.sample_count = len(OBSERVED)
    histogram.sample_sum = sum(OBSERVED)
    histogram.schema = SCHEMA
    histogram.zero_threshold = 2.0**-128
    histogram.zero_count = 0
    counts = {}
    for value in OBSERVED:
        # The bucket that ends at or above the value.
        index = math.ceil(math.log2(value) * 2**SCHEMA)
        counts[index] = counts.get(index, 0) + 1
    first, last = min(counts), max(counts)
    histogram.positive_span.add(offset=first, length=last - first + 1)
    before = 0
    for index in range(first, last + 1):
        count = counts.get(index, 0)
        histogram.positive_delta.append(count - before)
        before = count


def families():
    orders, metric = family("shop_orders_total", "COUNTER")
    metric.label.add(name="payment", value="card")
    metric.counter.value = 42
    metric.counter.exemplar.value = 1
    metric.counter.exemplar.label.add(name="trace_id", value=TRACE)
    yield orders
    tills, metric = family("shop_open_tills", "GAUGE")
    metric.gauge.value = 2.5
    yield tills
    stock, metric = family("shop_stock", "UNTYPED")
    metric.untyped.value = -7
    yield stock
    size, metric = family("shop_size", "SUMMARY")
    metric.summary.sample_count = 3
    metric.summary.sample_sum = 12.5
    metric.summary.quantile.add(quantile=0.5, value=4)
    metric.summary.quantile.add(quantile=0.99, value=5)
    yield size
    wait, metric = family("shop_wait_seconds", "HISTOGRAM")
    classic(metric.histogram)
    metric.histogram.bucket[1].exemplar.value = 0.42
    metric.histogram.bucket[1].exemplar.label.add(name="trace_id", value=TRACE)
    yield wait
    latency, metric = family("shop_latency_seconds", "HISTOGRAM")
    native(metric.histogram)
    yield latency
    both, metric = family("shop_both_seconds", "HISTOGRAM")
    classic(metric.histogram)
    native(metric.histogram)
    yield both


BODY = delimited(families())
CONTENT_TYPE = (
    "application/vnd.google.protobuf; "
    "proto=io.prometheus.client.MetricFamily; encoding=delimited"
)


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        is_metrics = self.path == "/metrics"
        body = BODY if is_metrics else b"thank you\n"
        self.send_response(200 if is_metrics or self.path == "/ok" else 503)
        self.send_header("Content-Type", CONTENT_TYPE if is_metrics else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
