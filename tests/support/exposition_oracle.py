"""Reads every answer in a folder with the Python client's parsers; says what it does not take."""

import pathlib
import re
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

SERIES = re.compile(r'[^{ ]+(\{(?:"(?:[^"\\]|\\.)*"|[^"}])*\})?')

failed = 0
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    parse = openmetrics if path.suffix == ".om" else text
    body = path.read_bytes().decode()
    try:
        samples = sum(len(family.samples) for family in parse(body))
    except Exception as error:
        failed += 1
        print(f"{path.name}: {error!r}\n{body}")
        continue
    lines = [line for line in body.split("\n") if line and not line.startswith("#")]
    # A series at several times is one to a reader that forgets to look at the second time.
    series = {SERIES.match(line)[0] for line in lines}
    if not len(series) <= samples <= len(lines):
        failed += 1
        print(f"{path.name}: {samples} samples of {len(lines)}\n{body}")
sys.exit(failed != 0)
