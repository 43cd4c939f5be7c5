//! Values: which are refused, with what words, and that every one is documented.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::helm::{Helm, case, chart, templates_of};
use crate::process::reference_data;
use crate::schemas::{complaints, everything};
use crate::skip::skip;

#[test]
fn nonsense_is_refused_with_the_name_of_the_value() {
    let Some(both) = Helm::both("nonsense_is_refused_with_the_name_of_the_value") else { return };
    let nonsense = [
        (json!({ "injecter": {} }), "injecter"),
        (json!({ "injector": { "replica": 2 } }), "replica"),
        (json!({ "injector": { "replicas": -1 } }), "/injector/replicas"),
        (json!({ "injector": { "replicas": "two" } }), "/injector/replicas"),
        (json!({ "injector": { "failurePolicy": "ignore" } }), "/injector/failurePolicy"),
        (json!({ "injector": { "timeoutSeconds": 31 } }), "/injector/timeoutSeconds"),
        (json!({ "injector": { "port": 0 } }), "/injector/port"),
        (json!({ "injector": { "enabled": "yes" } }), "/injector/enabled"),
        (
            json!({ "injector": { "excludedNamespaces": "kube-system" } }),
            "/injector/excludedNamespaces",
        ),
        (
            json!({ "injector": { "resources": { "limits": { "memory": "lots" } } } }),
            "/injector/resources/limits/memory",
        ),
        (json!({ "image": { "tag": "a tag" } }), "/image/tag"),
        (json!({ "image": { "repository": "podmeter:1.0" } }), "/image/repository"),
        (json!({ "image": { "digest": "sha256:12" } }), "/image/digest"),
        (json!({ "certificates": { "mode": "none" } }), "/certificates/mode"),
        (json!({ "certificates": { "mode": "files" } }), "/certificates/secretName"),
        (
            json!({ "certificates": { "mode": "files", "secretName": "mine", "caBundle": "-----BEGIN CERTIFICATE-----" } }),
            "/certificates/caBundle",
        ),
        (json!({ "certificates": { "lifetime": "90d" } }), "/certificates/lifetime"),
        (json!({ "prometheusOperator": { "enabled": "maybe" } }), "/prometheusOperator/enabled"),
        (json!({ "prometheusOperator": { "labels": ["release"] } }), "/prometheusOperator/labels"),
        (
            json!({ "prometheusOperator": { "labels": { "release": "two words" } } }),
            "/prometheusOperator/labels/release",
        ),
        (json!({ "monitors": { "interval": 15 } }), "/monitors/interval"),
        (json!({ "monitors": { "interval": "0s" } }), "/monitors/interval"),
        (json!({ "monitors": { "canaries": [{ "name": "podinfo" }] } }), "namespace"),
        (
            json!({ "monitors": { "canaries": [{ "name": "Podinfo", "namespace": "test" }] } }),
            "/monitors/canaries/0/name",
        ),
        (
            json!({ "monitors": { "services": [{ "name": "a", "namespace": "b", "selector": {} }] } }),
            "/monitors/services/0/selector",
        ),
        (json!({ "rules": { "errorRatio": 5 } }), "/rules/errorRatio"),
        (
            json!({ "flagger": { "prometheusAddress": "prometheus:9090" } }),
            "/flagger/prometheusAddress",
        ),
        (json!({ "networkPolicy": { "apps": [{ "namespace": "shop" }] } }), "isolated"),
        (json!({ "sidecar": { "settings": { "--dialect": "istio" } } }), "--dialect"),
        (json!({ "sidecar": { "settings": { "dialects": "istio" } } }), "dialects"),
        (json!({ "injector": { "listenAddress": "::" } }), "/injector/listenAddress"),
        (json!({ "injector": { "listenAddress": "0.0.0.0:8443" } }), "/injector/listenAddress"),
        (
            json!({ "monitors": { "canaries": [{ "name": "a", "namespace": "b", "label": "app: x" }] } }),
            "/monitors/canaries/0/label",
        ),
        // The longest label and the longest name of a Service, less the endings.
        (
            json!({ "monitors": { "canaries": [{ "name": "a".repeat(56), "namespace": "b" }] } }),
            "/monitors/canaries/0/name",
        ),
        (
            json!({ "monitors": { "services": [{ "name": "a".repeat(55), "namespace": "b", "selector": { "app": "a" } }] } }),
            "/monitors/services/0/name",
        ),
    ];
    let cases: Vec<Value> = nonsense.iter().map(|(values, _)| case(values)).collect();
    for (answer, (values, word)) in templates_of(&both, &cases).into_iter().zip(&nonsense) {
        let Err([three, four]) = answer else { panic!("{values} is taken") };
        assert!(four.contains(word), "{values}: {four}");
        // What is `/a/b` to Helm 4 is `a.b` to Helm 3.
        let word = word.trim_start_matches('/').replace('/', ".");
        assert!(three.contains(&word), "{values}: {three}");
    }
}

#[test]
fn every_value_is_documented_with_its_default() {
    let Some(helm) = Helm::find("every_value_is_documented_with_its_default") else { return };
    let defaults = helm.run("yaml_of.py", &json!([chart().join("values.yaml")]));
    let text = std::fs::read_to_string(chart().join("README.md")).unwrap();
    let mut expected = Vec::new();
    leaves(&defaults[0][0], "", &mut expected);
    let mut documented: Vec<(String, String)> = text.lines().filter_map(row).collect();
    documented.sort();
    expected.sort();
    assert_eq!(documented, expected, "the table in README.md is what values.yaml has");
}

#[test]
fn every_value_has_a_place_in_the_schema() {
    let Some(helm) = Helm::find("every_value_has_a_place_in_the_schema") else { return };
    let defaults = helm.run("yaml_of.py", &json!([chart().join("values.yaml")]));
    let schema = std::fs::read(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    has_a_place(&defaults[0][0], &schema, "");
}

#[test]
fn a_value_taken_away_is_missed_in_words_or_not_needed() {
    let name = "a_value_taken_away_is_missed_in_words_or_not_needed";
    let Some(both) = Helm::both(name) else { return };
    let Some(data) = reference_data() else { return skip(name, "it needs the reference data") };
    let [_, helm] = &both;
    let defaults = helm.run("yaml_of.py", &json!([chart().join("values.yaml")]));
    let (mut groups, mut leaves) = (Vec::new(), Vec::new());
    groups_and_leaves(&defaults[0][0], "", &mut groups, &mut leaves);
    let cases = |names: &[String]| -> Vec<Value> {
        names.iter().map(|name| case(&without(name))).collect()
    };
    // Refused not with a word about templates, which are nobody's business.
    let mut objects = Vec::new();
    for (answer, name) in helm.templates(&cases(&leaves)).into_iter().zip(&leaves) {
        match answer {
            Err(error) => assert!(error.contains("missing property"), "{name}: {error}"),
            Ok(rendered) => objects.extend(rendered.objects),
        }
    }
    // Helm 3 starts anew for each case, so it is asked only where versions of Helm have differed.
    for (answer, name) in templates_of(&both, &cases(&groups)).into_iter().zip(&groups) {
        match answer {
            Err([three, four]) => {
                assert!(three.contains(" is required"), "{name}: {three}");
                assert!(four.contains("missing property"), "{name}: {four}");
            }
            Ok(rendered) => objects.extend(rendered.objects),
        }
    }
    let mut seen = HashSet::new();
    objects.retain(|object| seen.insert(object.to_string()));
    assert_eq!(complaints(helm, &data, &objects, &["1.37"]), Vec::<String>::new());
}

/// Values in which this one is `null`, which Helm takes for "not there", and all parts are.
fn without(name: &str) -> Value {
    let mut values = everything();
    let mut place = &mut values;
    for part in name.split('.') {
        place = &mut place[part];
    }
    *place = Value::Null;
    values
}

/// The name of every group of values, and of every other value.
fn groups_and_leaves(
    value: &Value,
    path: &str,
    groups: &mut Vec<String>,
    leaves: &mut Vec<String>,
) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        groups_and_leaves(value, &path, groups, leaves);
        // A label's name may have dots, and is no value's.
        if !path.contains('/') {
            if value.is_object() { groups.push(path) } else { leaves.push(path) }
        }
    }
}

/// Name and default of each value that is not a group of others.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() && !is_data(path) => {
            for (name, value) in map {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, found);
            }
        }
        value => found.push((path.to_owned(), value.to_string())),
    }
}

/// Maps whose keys are the user's own.
fn is_data(path: &str) -> bool {
    ["labels", "nodeSelector", "resources"].iter().any(|name| path.rsplit('.').next() == Some(name))
}

/// Name and default in a row of the table: | `name` | `default` | meaning |
fn row(line: &str) -> Option<(String, String)> {
    let mut cells = line.strip_prefix("| `")?.split(" | ");
    let name = cells.next()?.strip_suffix('`')?;
    let default = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
    let meaning = cells.next()?.strip_suffix(" |")?;
    assert!(!meaning.trim().is_empty(), "{name} has no meaning");
    Some((name.to_owned(), default.to_owned()))
}

fn has_a_place(value: &Value, schema: &Value, path: &str) {
    let (Value::Object(map), Some(properties)) = (value, schema.get("properties")) else { return };
    for (name, value) in map {
        let place = properties.get(name);
        has_a_place(value, place.unwrap_or_else(|| panic!("{path}.{name} has none")), name);
    }
}
