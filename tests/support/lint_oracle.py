"""Reads every body in a folder with the Python client's parsers; writes which it refuses, and why."""

import json
import pathlib
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

refused = {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    parse = openmetrics if path.suffix == ".om" else text
    try:
        for family in parse(path.read_bytes().decode()):
            pass
    except Exception as error:
        refused[path.name] = repr(error)
json.dump(refused, sys.stdout)
