"""Reads the YAML files named by a list on standard input; writes for each the list of its documents."""

import json
import sys

import yaml


def documents(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document is not None]


json.dump([documents(path) for path in json.load(sys.stdin)], sys.stdout, default=str)
