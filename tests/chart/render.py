"""Renders the chart with a real Helm for the suite: 4 as a library, 3 as the program that stands beside the interpreter.

Reads {"helm": 3 | 4, "chart": DIR, "cases": [CASE...]} from standard input and writes one answer for each case: {"objects", "notes"}
or {"error"}. A case has values and, as `helm template` has them, name, namespace, api_versions, is_upgrade, and for Helm 3 skip_tests.
With {"lint": true} an answer is the list of what `helm lint --strict` complains of with the case's values instead.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

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


def rendered(texts, notes):
    """The objects in an order that is the same for every Helm: one of them sorts by kind, one by file."""
    objects = [document for text in texts for document in yaml.load_all(text, Loader) if document is not None]
    objects.sort(key=lambda object: (object["kind"], object["metadata"].get("namespace", ""), object["metadata"]["name"]))
    return {"objects": objects, "notes": notes}


class Library:
    """Helm 4."""

    def __init__(self, folder):
        self.folder = folder

    def render(self, cases):
        with chart.Chart.load(self.folder) as loaded:
            return [self.render_one(loaded, case) for case in cases]

    def render_one(self, loaded, case):
        # Chart.render takes fewer options than the library does.
        names = ("name", "namespace", "api_versions", "is_upgrade")
        choices = {name: case[name] for name in names if name in case}
        choices["is_install"] = not case.get("is_upgrade")
        try:
            files = json.loads(_native.call_string("helm_render", loaded._raw(), json.dumps(case["values"]), json.dumps(choices)))
        except HelmError as error:
            return {"error": str(error)}
        notes = [text for path, text in files.items() if path.endswith("NOTES.txt")]
        return rendered([text for path, text in files.items() if not path.endswith("NOTES.txt")], notes[0])

    def lint(self, cases):
        return [self.lint_one(case) for case in cases]

    def lint_one(self, case):
        report = chart.lint(self.folder, case["values"], strict=True)
        # The first level above "info" is 2.
        return [str(message) for message in report["messages"] if message["severity"] > 1] + report["errors"]


class Program:
    """Helm 3."""

    def __init__(self, folder):
        self.folder = folder
        self.path = pathlib.Path(sys.executable).with_name("helm")

    def render(self, cases):
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / "chart"
            shutil.copytree(self.folder, copy)
            # Only `helm install` shows the notes, and asks a cluster first. So they become one more object here.
            notes = (copy / "templates/NOTES.txt").read_text()
            (copy / "templates/_notes.tpl").write_text('{{- define "notes" }}' + notes + "{{ end }}")
            (copy / "templates/notes.yaml").write_text(NOTES)
            return self.each(lambda case: self.render_one(copy, case), cases)

    def render_one(self, copy, case):
        arguments = ["template", case["name"], copy, "--namespace", case["namespace"]]
        for version in case.get("api_versions", []):
            arguments += ["--api-versions", version]
        if case.get("is_upgrade"):
            arguments += ["--is-upgrade"]
        if case.get("skip_tests"):
            arguments += ["--skip-tests"]
        done = self.run(arguments, case)
        if done.returncode != 0:
            return {"error": done.stderr}
        answer = rendered([done.stdout], "")
        own = [object for object in answer["objects"] if object["kind"] == "Notes"]
        answer["objects"].remove(own[0])
        return {**answer, "notes": own[0]["text"]}

    def lint(self, cases):
        return self.each(self.lint_one, cases)

    def lint_one(self, case):
        done = self.run(["lint", "--strict", self.folder], case)
        lines = done.stdout.splitlines() + done.stderr.splitlines()
        return [line for line in lines if line.startswith(("[WARNING]", "[ERROR]"))] or [done.stderr] * done.returncode

    def each(self, work, cases):
        # One process for each case; the library needs none.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(work, cases))

    def run(self, arguments, case):
        command = [self.path, *arguments, "--values", "-"]
        # A cluster that somebody is connected to is none of the suite's business.
        surroundings = {**os.environ, "KUBECONFIG": os.devnull}
        return subprocess.run(command, input=json.dumps(case["values"]), text=True, capture_output=True, env=surroundings)


NOTES = """\
kind: Notes
metadata: {name: notes}
text: {{ include "notes" . | toJson }}
"""


def main():
    task = json.load(sys.stdin)
    helm = {3: Program, 4: Library}[task["helm"]](task["chart"])
    json.dump((helm.lint if task.get("lint") else helm.render)(task["cases"]), sys.stdout, default=str)


main()
