"""Has kubernetes-validate judge objects before and after a change, by several versions' schemas.

Takes a folder of JSON files, each a list of pairs. Prints, as JSON, how many outcomes are valid and
which are worse than what they were made of.
"""

import json
import pathlib
import sys

import kubernetes_validate

VERSIONS = ["1.29", "1.33", "1.37"]
KINDS = {
    "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob",
}


def objects(before, after):
    if after.get("kind", "").endswith("List"):
        for one, other in zip(before.get("items") or [], after.get("items") or []):
            if one is not None:
                yield from objects(one, other)
    elif after.get("kind") in KINDS:
        yield before, after


def problem(value, version):
    # Older groups are gone from these schemas; the fields are the same.
    if value["kind"] == "CronJob":
        value = dict(value, apiVersion="batch/v1")
    elif value["kind"] not in ("Pod", "ReplicationController", "Job"):
        value = dict(value, apiVersion="apps/v1")
    try:
        kubernetes_validate.validate(value, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{list(error.path)}: {error.message}"
    return None


def main():
    valid, worse = 0, []
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
        for pair in json.loads(path.read_text()):
            for before, after in objects(*pair):
                for version in VERSIONS:
                    found = problem(after, version)
                    if found is None:
                        valid += 1
                    elif problem(before, version) is None:
                        worse.append([path.name, version, found[:300]])
    json.dump({"valid": valid, "worse": worse}, sys.stdout)


main()
