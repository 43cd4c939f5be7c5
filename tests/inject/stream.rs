//! Streams of manifests: what has no pods goes through to the byte, and of the rest all that is
//! not told to change.

use std::fmt::Write;

use podmeter::inject::manifest::{Change, Done, transform};
use podmeter::inject::{Facts, Outcome, Sidecar, Workload, inject};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::rendered::{Picks, document};
use crate::text_law::{check_settings, check_text};
use crate::{generated, injected, read, uninjected};

proptest! {
    #[test]
    fn a_text_says_what_it_has_to_and_comes_back_as_it_was(
        pod in generated::pods(),
        cron in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 1..300),
        crlf in any::<bool>(),
    ) {
        let object = if cron {
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "shop"},
                "spec": {"jobTemplate": {"spec": {"template": pod}}}})
        } else {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
                "spec": {"template": pod, "replicas": 3}})
        };
        let text = document(&object, &mut Picks(bytes.iter().cycle()), if crlf { "\r\n" } else { "\n" });
        prop_assert_eq!(read(&text), vec![object.clone()]);
        let done = injected(&text, &Sidecar::default());
        if matches!(done.reports[0].done, Done::Refused(_) | Done::Skipped(_)) {
            prop_assert_eq!(done.text, text);
            return Ok(());
        }
        // Another reader sees what the pure function gave.
        let at = if cron { "/spec/jobTemplate/spec/template" } else { "/spec/template" };
        let kind = object["kind"].as_str().unwrap();
        let facts = Facts { workload: Some(Workload::new(kind, "shop")), ..Facts::default() };
        let Outcome::Injected(pod) = inject(&pod, &facts, &Sidecar::default()) else { panic!() };
        let mut expected = object.clone();
        *expected.pointer_mut(at).unwrap() = pod.pod;
        prop_assert_eq!(read(&done.text), vec![expected], "{}", done.text);
        prop_assert_eq!(done.text.contains('\r'), crlf);
        prop_assert_eq!(&injected(&done.text, &Sidecar::default()).text, &done.text);

        let back = uninjected(&done.text);
        prop_assert_eq!(read(&back), vec![object], "{}", back);
        // Where nothing was rewritten in place, all of it is as it was: comments, quotes, line ends.
        let rewritten = done.text.contains("\"before\":") || done.text.contains("\\\"before\\\":");
        if !rewritten && !text.contains("initContainers") {
            prop_assert_eq!(back, text);
        }
    }

    #[test]
    fn any_text_is_refused_in_a_line_or_keeps_the_law(
        start in select(vec!["", POD, "kind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec:\n    containers:\n    - a: b\n"]),
        text in "[-a-z:{}\\[\\]#&*!|>'\"%@ \n]{0,60}",
        cut in 0..200_usize,
    ) {
        let mut whole = start.to_owned();
        whole.insert_str(cut.min(start.len()), &text);
        if let Err(broken) = check_text(&whole) {
            panic!("{whole:?}: {broken}");
        }
    }

    #[test]
    fn anything_that_is_set_is_refused_in_a_line_or_comes_out_again(
        set in prop::collection::vec((any::<u8>(), "[-a-z0-9:,./=\"$() \n]{0,12}"), 0..4),
        as_flags in any::<bool>(),
    ) {
        if let Err(broken) = check_settings(&set, as_flags) {
            panic!("{set:?}: {broken}");
        }
    }
}

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n";

#[test]
fn what_has_no_pods_goes_through_to_the_byte() {
    for text in [
        "",
        "\n\n# nothing\n",
        "---\n---\n...\n",
        "just text\n",
        "- a\n- list\n",
        "apiVersion: v1\nkind: ConfigMap\ndata: {a: yes, b: 012, c: 1:30}\ndata: twice\n",
        "apiVersion: v1\r\nkind: Secret\r\n",
        "\u{feff}apiVersion: v1\nkind: Service\nmetadata:\n  name: x",
        "apiVersion: example.com/v1\nkind: Deployment\nspec: {template: {spec: {containers: []}}}\n",
        "%YAML 1.1\n---\nkind: Namespace\n...\n",
        "{\"kind\": \"Service\"}{\"kind\": \"Service\"}\n",
        "a: &a [*a]\n",
        "a: &a {b: c}\nd: *a\n<<: *a\n",
        "kind: List\nitems: []\n",
    ] {
        let done = injected(text, &Sidecar::default());
        assert_eq!(done.text, text);
        assert!(done.reports.iter().all(|r| matches!(r.done, Done::Skipped(_))), "{text}");
    }
}

#[test]
fn documents_beside_a_pod_stay_as_they_are() {
    let other = "# c\nkind:  Service # d\nspec: {a: on}\n\n\n";
    for text in [
        format!("{other}---\n{POD}---\n{other}"),
        format!("---\n{POD}...\n---\n{other}"),
        format!("{other}---\n# before\n---\n{POD}"),
    ] {
        let done = injected(&text, &Sidecar::default());
        assert!(done.text.contains(other) && done.text.contains("podmeter-proxy"), "{}", done.text);
        assert_eq!(uninjected(&done.text), text);
    }
}

#[test]
fn what_is_rewritten_in_place_looks_like_what_was_there() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    # how\n    prometheus.io/scrape: 'true'\n    \
                prometheus.io/port: '9102'   # ours\nspec:\n  containers:\n  - name: a\n    readinessProbe:\n      # a\n      \
                tcpSocket:\n        port: 80\n      # b\n      periodSeconds: 5\n    livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 3} # c\n";
    let done = injected(text, &Sidecar::default()).text;
    for part in [
        "    prometheus.io/port: '15090'   # ours\n    prometheus.io/path: /stats/prometheus\n    podmeter.io/status: '{",
        "      # a\n      httpGet:\n        path: /app-health/a/readyz\n        port: 15021\n      # b\n",
        "    livenessProbe: {httpGet: {path: /app-health/a/livez, port: 15021}, periodSeconds: 3} # c\n",
    ] {
        assert!(done.contains(part), "{part}\n{done}");
    }
    assert_eq!(uninjected(&done), text);
}

#[test]
fn json_stays_json_and_keeps_its_layout() {
    let compact = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"a","x":1.50}]}}"#;
    let pretty = "{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Pod\",\n    \"metadata\": {\n        \
                  \"name\": \"a\"\n    },\n    \"spec\": {\n        \"containers\": [\n            {\n                \
                  \"name\": \"a\",\n                \"n\": 12345678901234567890\n            }\n        ]\n    }\n}\n";
    for text in [compact, pretty] {
        let done = injected(text, &Sidecar::default());
        let value: Value = serde_json::from_str(&done.text).unwrap();
        assert_eq!(value["spec"]["initContainers"][1]["name"], "podmeter-proxy");
        assert_eq!(done.text.lines().count() > 1, text == pretty, "{}", done.text);
        assert_eq!(uninjected(&done.text), text);
    }
    assert!(injected(compact, &Sidecar::default()).text.contains("1.50"));
    // Fields that are added stand where a person would have put them.
    let done = injected(pretty, &Sidecar::default()).text;
    assert!(
        done.contains("\n        \"annotations\": {\n            \"podmeter.io/status\""),
        "{done}"
    );
    assert!(
        done.contains("\n        \"initContainers\": [\n            {\n                \"name\"")
    );
}

#[test]
fn lists_hold_objects_of_any_kind_and_lists() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: s}\n\
                # the app\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: a\n  spec:\n    containers:\n    - name: a\n\
                - kind: List\n  items:\n  - apiVersion: v1\n    kind: Pod\n    metadata: {name: b}\n    spec: {containers: [{name: b}]}\n-\n";
    let done = injected(text, &Sidecar::default());
    let told: Vec<_> = done.reports.iter().map(|report| report.object.as_str()).collect();
    assert_eq!(told, ["service/s", "pod/a", "pod/b"]);
    assert_eq!(done.text.matches("\n    - name: podmeter-proxy\n").count(), 1, "{}", done.text);
    assert_eq!(done.text.matches(" {name: podmeter-proxy,").count(), 1, "{}", done.text);
    assert!(done.text.contains("# the app\n"));
    assert_eq!(uninjected(&done.text), text);

    let typed = "{\"apiVersion\": \"v1\", \"kind\": \"PodList\", \"items\": [{\"metadata\": {\"name\": \"a\"}, \
                 \"spec\": {\"containers\": [{\"name\": \"a\"}]}}]}";
    let done = injected(typed, &Sidecar::default());
    assert_eq!(done.reports[0].object, "pod/a");
    let item = &read(&done.text)[0]["items"][0];
    assert_eq!(item["spec"]["initContainers"][0]["name"], "podmeter-init");
    assert!(item["apiVersion"].is_null() && item["kind"].is_null(), "{item}");
    assert_eq!(uninjected(&done.text), typed);
}

#[test]
fn anchors_aliases_and_merge_keys_are_filled_in_where_they_are_in_the_way() {
    let shared = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n  spec: &spec\n    \
                  containers:\n    - name: a\n      x: 012\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: b}\n  spec: *spec\n";
    let merged = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nx-usual: &usual\n  initContainers:\n  - name: i\n\
                  spec:\n  <<: *usual\n  containers:\n  - name: a\n";
    for (text, count) in [(shared, 2), (merged, 1)] {
        let done = injected(text, &Sidecar::default());
        let sidecars = read(&done.text)
            .iter()
            .map(|v| v.to_string().matches("podmeter-proxy").count())
            .sum::<usize>();
        assert_eq!(sidecars, count, "{}", done.text);
        let back = uninjected(&done.text);
        assert_eq!(without(&read(&back)[0], "<<"), without(&filled_in(text), "<<"), "{back}");
    }
    // What stays keeps its notation, even where its document is written anew.
    assert!(injected(shared, &Sidecar::default()).text.contains("x: 012"));
}

/// A document with its aliases filled in, as the second reader sees them.
fn filled_in(text: &str) -> Value {
    read(text).remove(0)
}

fn without(value: &Value, key: &str) -> Value {
    let mut value = value.clone();
    if let Some(spec) = value["spec"].as_object_mut() {
        spec.remove(key);
    }
    value
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text =
        "apiVersion: v1\nkind: Pod\nx0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
            .to_owned();
    for level in 1..12 {
        let below = format!("*x{}", level - 1);
        writeln!(text, "x{level}: &x{level} [{}]", vec![below; 9].join(", ")).unwrap();
    }
    let error = transform(&text, &|_, _| Change::Skip(String::new())).unwrap_err();
    assert!(error.to_string().contains("4MiB"), "{error}");
}

#[test]
fn what_cannot_be_read_is_told_with_line_and_column() {
    for (text, said) in [
        ("kind: Pod\n---\nkind: Pod\nmetadata: {name: a\n", "4:"),
        ("kind: Pod\nspec: 1\nspec: 2\n", "3:1: the key \"spec\" is there twice"),
        ("kind: Pod\na: *b\n", "2:4:"),
        ("kind: Pod\na: &a [*a]\n", "aliases lead back"),
        ("kind: Pod\n? [a]\n: b\n", "2:3: a key is a list"),
        ("kind: Pod\n<<: 1\n", "what << merges is no mapping"),
        ("kind: Pod\nspec:\n\tb: 1\n", "3:"),
        (&format!("kind: Pod\na: {}\n", "[".repeat(100_000)), "128 deep"),
        (&format!("kind: Pod\na: {}\n", "[".repeat(200) + &"]".repeat(200)), "128 deep"),
    ] {
        let error = transform(text, &|_, _| Change::Skip(String::new())).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn a_long_stream_is_read_in_time_that_grows_with_it_alone() {
    let one =
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: a\n";
    let done = injected(&one.repeat(2000), &Sidecar::default());
    assert_eq!(done.reports.len(), 2000);
    let items =
        "- {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a}]}}\n";
    let list = format!("kind: List\nitems:\n{}", items.repeat(2000));
    assert_eq!(injected(&list, &Sidecar::default()).reports.len(), 2000);
}

#[test]
fn an_object_that_no_cluster_takes_is_refused_and_one_without_pods_is_not_looked_at() {
    let long = "# as long as this\n".repeat(500_000);
    let error = transform(&format!("{POD}{long}x: 1\n"), &|_, _| Change::Skip(String::new()));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("longer than 8MiB") && error.lines().count() == 1, "{error}");
    let other = format!("kind: ConfigMap\nmetadata: {{name: x}}\n{long}data: 1\n");
    let done = injected(&other, &Sidecar::default());
    assert_eq!((done.reports[0].object.as_str(), done.text == other), ("configmap/x", true));
}
