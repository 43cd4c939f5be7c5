"""Reads every answer in a folder with other people's parsers; says what they do not take.

NAME.prom and NAME.om are read by the Python client's two parsers, NAME.pb by Google's protobuf
runtime. The samples in NAME.pb have to be those in NAME.prom, and a body in protobuf, NAME.in, has
to come back as NAME.pb with all it says.
"""

import math
import pathlib
import re
import sys

from exposition_messages import TYPES, families, samples
from google.protobuf import json_format
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

SERIES = re.compile(r'([^{ ]+)?(\{(?:"(?:[^"\\]|\\.)*"|[^"}])*\})?')


def check_text(path, body):
    parse = openmetrics if path.suffix == ".om" else text
    samples = sum(len(family.samples) for family in parse(body))
    lines = [line for line in body.split("\n") if line and not line.startswith("#")]
    # A series at several times is one to a reader that forgets to look at the second time.
    series = {SERIES.match(line)[0] for line in lines}
    if not len(series) <= samples <= len(lines):
        raise ValueError(f"{samples} samples of {len(lines)}")


def number(value):
    # Adding nothing takes the sign from zero, which the text parser does not see.
    return repr(float(value) + 0.0) if not math.isnan(value) else "NaN"


def told(name, labels, value, millis):
    labels = sorted(
        (key, number(float(of)) if key in ("le", "quantile") and is_number(of) else of)
        for key, of in labels
        if of != ""
    )
    # Times in nanoseconds are finer than a float.
    value = f"{value + 0.0:.6f}" if name.endswith("_created") else number(value)
    return name, tuple(labels), value, millis


def is_number(text):
    try:
        float(text)
        return True
    except ValueError:
        return False


def check_protobuf(path, body):
    names = set()
    found = []
    for family in families(body):
        if family.name in names or not family.metric:
            raise ValueError(f"{family.name} twice or empty")
        names.add(family.name)
        if family.unit and not family.name.removesuffix("_total").endswith("_" + family.unit):
            raise ValueError(f"unit {family.unit} of {family.name}")
        check_metrics(family)
        if TYPES[family.type] == "COUNTER" and not family.name.endswith("_total"):
            # What the text parser calls it.
            family.name += "_total"
        found += [told(*sample) for sample in samples(family)]
    expected = []
    for family in text(path.with_suffix(".prom").read_bytes().decode()):
        for sample in family.samples:
            millis = sample.timestamp and round(float(sample.timestamp) * 1000)
            expected.append(told(sample.name, sample.labels.items(), sample.value, millis))
    # Text reads a time of zero as none.
    found = sorted((n, l, v, at or 0) for n, l, v, at in found)
    expected = sorted((n, l, v, at or 0) for n, l, v, at in expected)
    if found != expected:
        odd = [s for s in found if s not in expected] + [s for s in expected if s not in found]
        raise ValueError(f"other samples than in text: {odd[:6]}")


def check_metrics(family):
    kind = TYPES[family.type]
    field = "histogram" if "HISTOGRAM" in kind else kind.lower()
    for metric in family.metric:
        values = [name.name for name, _ in metric.ListFields()]
        if [n for n in values if n not in ("label", "timestamp_ms")] != [field]:
            raise ValueError(f"{family.name} of {kind} has {values}")
        bounds = [bucket.upper_bound for bucket in metric.histogram.bucket]
        if bounds != sorted(set(bounds)):
            raise ValueError(f"bounds of {family.name}: {bounds}")
        names = [pair.name for pair in metric.label]
        if len(names) != len(set(names)):
            raise ValueError(f"labels of {family.name}: {names}")


def plain(family):
    """What a family says, without what is only another way of saying it."""
    for metric in family.metric:
        for pair in metric.label:
            pair.value = pair.value
        buckets = metric.histogram.bucket if metric.HasField("histogram") else []
        if metric.HasField("histogram"):
            of = metric.histogram
            if of.sample_count_float:
                of.ClearField("sample_count")
            for bucket in buckets:
                if bucket.cumulative_count_float:
                    bucket.ClearField("cumulative_count")
    message = json_format.MessageToDict(family, preserving_proto_field_name=True)
    return drop_defaults(message)


def drop_defaults(value):
    if isinstance(value, dict):
        plain = {key: drop_defaults(of) for key, of in value.items()}
        return {k: v for k, v in plain.items() if v not in (0, "0", "", "COUNTER", None)}
    if isinstance(value, list):
        return [drop_defaults(of) for of in value]
    return value


def check_round_trip(path, body):
    there = [plain(family) for family in families(body)]
    back = [plain(family) for family in families(path.with_suffix(".pb").read_bytes())]
    if there != back:
        odd = next((pair for pair in zip(there, back) if pair[0] != pair[1]), "their number")
        raise ValueError(f"came back otherwise: {odd}")


failed = 0
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    body = path.read_bytes()
    try:
        if path.suffix == ".pb":
            check_protobuf(path, body)
        elif path.suffix == ".in":
            check_round_trip(path, body)
        else:
            check_text(path, body.decode())
    except Exception as error:
        failed += 1
        shown = "" if path.suffix in (".pb", ".in") else body.decode(errors="replace")[:2000]
        print(f"{path.name}: {error!r}\n{shown}")
sys.exit(failed != 0)
