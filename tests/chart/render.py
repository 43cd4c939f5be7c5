"""Renders the chart with the real Helm (its Go code, as a library) for the suite.

Reads {"chart": DIR, "cases": [CASE...]} from standard input and writes one answer for each case: {"objects", "sources", "notes"} or
{"error"}. A case has values and, as `helm template` has them, name, namespace, kube_version, api_versions, is_upgrade.
With {"lint": true} it writes what `helm lint --strict` finds for each case's values instead.
"""

import json
import sys

import yaml
from helm_python import HelmError, _native, chart


class Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a key that is there twice is a mistake."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"twice in one mapping: {sorted(twice)} at {node.start_mark}")
        return super().construct_mapping(node, deep)


def options(case):
    names = ("name", "namespace", "kube_version", "api_versions", "is_upgrade")
    return {name: case[name] for name in names if name in case}


def render(loaded, case):
    # Chart.render takes fewer options than the library does.
    values, choices = json.dumps(case.get("values", {})), json.dumps(options(case))
    try:
        files = json.loads(_native.call_string("helm_render", loaded._raw(), values, choices))
    except HelmError as error:
        return {"error": str(error)}
    answer = {"objects": [], "sources": [], "notes": ""}
    for path, text in sorted(files.items()):
        if path.endswith("NOTES.txt"):
            answer["notes"] = text
            continue
        for document in yaml.load_all(text, Loader):
            if document is not None:
                answer["objects"].append(document)
                answer["sources"].append(path)
    return answer


def main():
    task = json.load(sys.stdin)
    if task.get("lint"):
        answers = [chart.lint(task["chart"], case.get("values"), strict=True) for case in task["cases"]]
    else:
        with chart.Chart.load(task["chart"]) as loaded:
            answers = [render(loaded, case) for case in task["cases"]]
    json.dump(answers, sys.stdout, default=str)


main()
