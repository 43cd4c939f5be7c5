"""Reads an exposition of podmeter's in protobuf and the same in OpenMetrics, and says what it found.

Google's own runtime reads the one, the strict parser of Python's client the other. Each native
histogram must count what the classic one beside it counts, and each exemplar must be in its bucket.
"""

import json
import math
import pathlib
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

sys.path.append(str(pathlib.Path(__file__).parent.parent / "support"))

from exposition_messages import families

found = {"histograms": 0, "exemplars": {}, "openmetrics": {}, "created": 0}


def note(where, family, trace, value):
    where.setdefault(family, []).append([trace, float(value)])


for family in families(pathlib.Path(sys.argv[1]).read_bytes()):
    for metric in family.metric:
        found["created"] += metric.counter.HasField("created_timestamp")
        if not metric.HasField("histogram"):
            continue
        histogram = metric.histogram
        found["created"] += histogram.HasField("created_timestamp")
        found["histograms"] += 1
        count, in_buckets = 0, histogram.zero_count
        for delta in histogram.positive_delta:
            count += delta
            assert count >= 0, family.name
            in_buckets += count
        assert in_buckets == histogram.sample_count, family.name
        assert sum(span.length for span in histogram.positive_span) == len(histogram.positive_delta)
        assert histogram.schema == 3 and histogram.zero_threshold == 2.0**-128
        assert histogram.bucket[-1].upper_bound == math.inf
        assert histogram.bucket[-1].cumulative_count == histogram.sample_count, family.name
        lower = -1
        for bucket in histogram.bucket:
            if bucket.HasField("exemplar"):
                exemplar = bucket.exemplar
                assert lower < exemplar.value <= bucket.upper_bound, family.name
                labels = {pair.name: pair.value for pair in exemplar.label}
                assert set(labels) == {"trace_id", "span_id"}, labels
                assert exemplar.timestamp.seconds == 1700000003, exemplar
                note(found["exemplars"], family.name, labels["trace_id"], exemplar.value)
            lower = bucket.upper_bound
        assert len(histogram.exemplars) == sum(b.HasField("exemplar") for b in histogram.bucket)

for family in text_string_to_metric_families(pathlib.Path(sys.argv[2]).read_text()):
    for sample in family.samples:
        if sample.exemplar:
            assert sample.name.endswith("_bucket")
            labels = sample.exemplar.labels
            note(found["openmetrics"], family.name, labels["trace_id"], sample.exemplar.value)

print(json.dumps(found))
