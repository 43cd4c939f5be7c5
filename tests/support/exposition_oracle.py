"""Reads every answer in a folder with the Python client's parsers; says what it does not take."""

import pathlib
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

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
    expected = sum(1 for line in body.split("\n") if line and not line.startswith("#"))
    if samples != expected:
        failed += 1
        print(f"{path.name}: {samples} samples of {expected}\n{body}")
sys.exit(failed != 0)
