"""Holds objects against the schemas of the kinds they say they are, as the API server would.

Reads {"objects": [...], "versions": ["1.29", ...], "crds": DIR} from standard input and writes a list of complaints, each one line.
Kubernetes' own kinds are held against the published schemas of each version, in which unknown fields are an error; those of custom
resource definitions against the schema in their definition.
"""

import functools
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml
from kubernetes_validate import utils

# It reads megabytes anew for each object otherwise.
utils.schema_contents = functools.cache(utils.schema_contents)


def closed(schema):
    """A structural schema as JSON schema: an unknown field would be pruned, so here it is a mistake."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    schema = dict(schema)
    if schema.pop("nullable", False) and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    if "properties" in schema:
        schema["properties"] = {name: closed(sub) for name, sub in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    if isinstance(schema.get("items"), dict):
        schema["items"] = closed(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = closed(schema["additionalProperties"])
    return schema


def definitions(folder):
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        for crd in yaml.safe_load_all(path.read_text()):
            if not crd or crd.get("kind") != "CustomResourceDefinition":
                continue
            for version in crd["spec"]["versions"]:
                schema = closed(version["schema"]["openAPIV3Schema"])
                # The metadata is every object's own and is checked by the API server itself.
                schema["properties"] |= {"metadata": {"type": "object"}, "apiVersion": {}, "kind": {}}
                api = f"{crd['spec']['group']}/{version['name']}"
                found[api, crd["spec"]["names"]["kind"]] = jsonschema.Draft7Validator(schema)
    return found


def complaints(thing, versions, custom):
    who = f"{thing.get('kind')} {thing.get('metadata', {}).get('name')}"
    kind = (thing.get("apiVersion"), thing.get("kind"))
    if kind in custom:
        for error in custom[kind].iter_errors(thing):
            yield f"{who}: {'/'.join(map(str, error.absolute_path))}: {error.message}"
        return
    for version in versions:
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{who} in {version}: {'/'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{who} in {version}: there is no kind {kind}"


def main():
    task = json.load(sys.stdin)
    custom = definitions(task["crds"])
    json.dump([line for thing in task["objects"] for line in complaints(thing, task["versions"], custom)], sys.stdout)


main()
