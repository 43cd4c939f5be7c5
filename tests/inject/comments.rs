//! The law of comments: whatever the style of a manifest and wherever its comments are, they are all
//! there afterwards, in their order, and the manifest says what it has to.

use podmeter::inject::manifest::Done;
use podmeter::inject::{Facts, Outcome, Sidecar, Workload, inject};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::commented::commented;
use crate::rendered::Picks;
use crate::{generated, injected, read, uninjected};

proptest! {
    #[test]
    fn no_comment_is_lost_and_what_went_in_comes_out(
        pods in prop::collection::vec(generated::pods(), 2),
        bytes in prop::collection::vec(any::<u8>(), 1..600),
        way in 0..3_u8,
        tidy in any::<bool>(),
    ) {
        let pods: Vec<Value> = pods.into_iter().map(|pod| if tidy { simpler(pod) } else { pod }).collect();
        let object = objects(way, &pods);
        let written = commented(&object, Picks(bytes.iter().cycle()), tidy);
        let text = written.text;
        prop_assert_eq!(filled(&text), object.clone(), "{}", text);

        let done = injected(&text, &Sidecar::default());
        let expected = fill(expected(way, &object, &pods));
        prop_assert_eq!(filled(&done.text), expected.clone(), "{}\n{}", text, done.text);
        prop_assert!(done.reports.iter().all(|report| matches!(report.done, Done::Changed)) == (expected != object));
        has_comments(&done.text, &written.comments, &text)?;
        prop_assert_eq!(&injected(&done.text, &Sidecar::default()).text, &done.text);

        let back = uninjected(&done.text);
        prop_assert_eq!(filled(&back), object, "{}\n{}", done.text, back);
        has_comments(&back, &written.comments, &done.text)?;
        if tidy {
            prop_assert_eq!(&back, &text, "{}", done.text);
        }
    }
}

/// A pod of which nothing is lost but notation once it was injected: what a probe asked comes back as
/// a number in its place.
fn simpler(mut pod: Value) -> Value {
    for list in ["initContainers", "containers"] {
        let list = pod["spec"].as_object_mut().unwrap().get_mut(list);
        for container in list.and_then(Value::as_array_mut).into_iter().flatten() {
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                let Some(probe) = container.get_mut(probe) else { continue };
                if probe["tcpSocket"]["port"].is_string() {
                    probe["tcpSocket"]["port"] = json!(8080);
                }
                if let Some(get) = probe.get_mut("httpGet") {
                    get.as_object_mut().unwrap().shift_remove("scheme");
                }
            }
        }
    }
    // A number needs quotes where a text that looks like none had none.
    if let Some(port) = pod.pointer_mut("/metadata/annotations/prometheus.io~1port") {
        *port = json!("9102");
    }
    for at in ["/metadata/annotations", "/spec/initContainers"] {
        if let Some(place) = pod.pointer_mut(at).filter(|value| value.is_null()) {
            *place =
                if at.ends_with('s') && at.starts_with("/spec") { json!([]) } else { json!({}) };
        }
    }
    pod
}

fn objects(way: u8, pods: &[Value]) -> Value {
    let deployment = |pod: &Value, name: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"template": pod, "replicas": 3}})
    };
    let cron = |pod: &Value| {
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "two"},
            "spec": {"jobTemplate": {"spec": {"template": pod}}, "schedule": "@daily"}})
    };
    match way {
        0 => deployment(&pods[0], "one"),
        1 => cron(&pods[1]),
        _ => json!({"apiVersion": "v1", "kind": "List",
            "items": [deployment(&pods[0], "one"), cron(&pods[1])], "metadata": {"x": "y"}}),
    }
}

/// What the pure function makes of the objects.
fn expected(way: u8, object: &Value, pods: &[Value]) -> Value {
    let mut expected = object.clone();
    let one = ("Deployment", "one", "/spec/template", 0);
    let two = ("CronJob", "two", "/spec/jobTemplate/spec/template", 1);
    let all = match way {
        0 => vec![(String::new(), one)],
        1 => vec![(String::new(), two)],
        _ => vec![("/items/0".to_owned(), one), ("/items/1".to_owned(), two)],
    };
    for (item, (kind, name, at, pod)) in all {
        let facts = Facts { workload: Some(Workload::new(kind, name)), ..Facts::default() };
        if let Outcome::Injected(done) = inject(&pods[pod], &facts, &Sidecar::default()) {
            *expected.pointer_mut(&format!("{item}{at}")).unwrap() = done.pod;
        }
    }
    expected
}

/// Whether a text has comments in their order.
pub(crate) fn has_comments(
    text: &str,
    comments: &[String],
    before: &str,
) -> Result<(), TestCaseError> {
    let mut at = 0;
    for comment in comments {
        let found = text[at..].find(comment);
        prop_assert!(found.is_some(), "{comment} of\n{before}\nis not where it was in\n{text}");
        at += found.unwrap() + comment.len();
    }
    Ok(())
}

/// The one document of a text, with its merge keys filled in. What is JSON within a text is read, too:
/// what was merged comes last there.
pub(crate) fn filled(text: &str) -> Value {
    let mut documents = read(text);
    documents.retain(|document| !document.is_null());
    assert_eq!(documents.len(), 1, "{text}");
    fill(documents.remove(0))
}

/// A value with its merge keys filled in, and with what is JSON within a text as a value.
pub(crate) fn fill(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(fill).collect()),
        Value::Object(mut fields) => {
            let merged = fields.shift_remove("<<");
            let mut filled: serde_json::Map<_, _> =
                fields.into_iter().map(|(key, value)| (key, fill(value))).collect();
            if let Some(Value::Object(merged)) = merged.map(fill) {
                for (key, value) in merged {
                    filled.entry(key).or_insert(value);
                }
            }
            Value::Object(filled)
        }
        Value::String(text) if text.starts_with('{') => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        other => other,
    }
}

#[test]
fn comments_stay_where_they_are_whatever_is_changed_beside_them() {
    let text = "\
apiVersion: v1
kind: Pod
metadata: # who
  name: a
spec:
  initContainers: # before
  - # first
    name: i # i
  containers:
  - # the app
    name: a
    livenessProbe: # alive?
      tcpSocket: # open?
        # the port
        port: 8080 # http
      # often
      periodSeconds: 5
    readinessProbe: {tcpSocket: { # open?
      port: 8080 # http
    }}
";
    let done = injected(text, &Sidecar::default()).text;
    for part in [
        "metadata: # who\n  name: a\n  annotations:\n    podmeter.io/status: '",
        "  initContainers: # before\n  - name: podmeter-init\n",
        "  - # first\n    name: i # i\n",
        "  - # the app\n    name: a\n",
        "    livenessProbe: # alive?\n      httpGet: # open?\n        path: /app-health/a/livez\n        \
         # the port\n        port: 15021 # http\n      # often\n",
        "    readinessProbe: {httpGet: { # open?\n      \"path\": \"/app-health/a/readyz\",\n      port: 15021 # http\n    }}\n",
    ] {
        // What is added comes first, and so below the comments above what was first.
        assert!(done.contains(part), "{part}\n{done}");
    }
    assert_eq!(uninjected(&done), text);
}

#[test]
fn a_comment_beside_what_goes_gets_a_line_of_its_own() {
    let text = "\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: a
    livenessProbe:
      httpGet:
        scheme: HTTPS # its own certificate
        port: 8443
        httpHeaders: # who asks
        - name: Host # any
          value: shop
";
    let done = injected(text, &Sidecar::default()).text;
    let probe = "      httpGet:\n        path: /app-health/a/livez\n        # its own certificate\n        \
                 port: 15021\n        # who asks\n        # any\n";
    assert!(done.contains(probe), "{done}");
    let back = uninjected(&done);
    assert_eq!(read(&back), read(text));
    has_comments(&back, &["# its own", "# who", "# any"].map(str::to_owned), text).unwrap();
}

#[test]
fn an_alias_of_what_is_changed_is_filled_in_and_the_rest_stays_as_it_is() {
    let text = "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: a}
  spec: &spec # shared
    containers:
    - &app # the app
      name: a
      livenessProbe: &probe {tcpSocket: {port: &port 8080}}
      readinessProbe: *probe # the same
      x: *port # a number
- apiVersion: v1
  kind: Pod
  metadata: {name: b, labels: &labels {app: b}, x: *labels}
  spec:
    <<: *spec # merged
    hostNetwork: true
";
    let done = injected(text, &Sidecar::default()).text;
    let comments = ["# shared", "# the app", "# the same", "# a number", "# merged"];
    has_comments(&done, &comments.map(str::to_owned), text).unwrap();
    for part in [
        "port: &port 15021}}\n",
        "      readinessProbe: # the same\n        httpGet:\n          path: /app-health/a/readyz\n",
        "      x: 8080 # a number\n",
        "  metadata: {name: b, labels: &labels {app: b}, x: *labels}\n",
    ] {
        assert!(done.contains(part), "{part}\n{done}");
    }
    // The second pod, on the network of its node, is the one that there was.
    assert_eq!(fill(read(&done).remove(0))["items"][1], fill(read(text).remove(0))["items"][1]);
    assert_eq!(filled(&uninjected(&done)), filled(text));
}
