//! The command itself: reference manifests through the built program, and what Kubernetes says.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use k8s_openapi::api::{apps::v1 as apps, batch::v1 as batch, core::v1 as core};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{process, read, skip};

#[test]
fn manifests_of_other_meshes_come_out_valid_and_go_back_as_they_were() {
    let this = "manifests_of_other_meshes_come_out_valid_and_go_back_as_they_were";
    let Some(data) = process::reference_data() else {
        return skip::skip(this, "no reference data");
    };
    let mut injected = 0;
    for file in manifests(&data) {
        let text = std::fs::read_to_string(&file).unwrap();
        let once = inject(&[], &text);
        assert_eq!(once.status.code(), Some(0), "{}: {}", file.display(), said(&once));
        let once = out(&once);
        injected += once.matches("name: podmeter-proxy").count();
        assert_eq!(out(&inject(&[], &once)), once, "{}", file.display());
        assert_eq!(out(&inject(&["--uninject"], &once)), text, "{}", file.display());
        let settings = [
            "--native-sidecar=false",
            "--prometheus-annotations=add",
            "--share-process-namespace=true",
        ];
        let ordinary = out(&inject(&settings, &text));
        assert_eq!(
            read(&out(&inject(&["--uninject"], &ordinary))),
            read(&text),
            "{}",
            file.display()
        );
        for (before, after) in read(&text).into_iter().zip(read(&once)) {
            check_types(&before, &after, &file);
        }
    }
    // All that are workloads, save those of hostNetwork and with another mesh's sidecar.
    assert_eq!(injected, 103);
}

#[test]
fn every_kubernetes_from_1_29_on_takes_what_comes_out() {
    let this = "every_kubernetes_from_1_29_on_takes_what_comes_out";
    let Some(python) = process::python() else {
        return skip::skip(this, "PODMETER_PYTHON is not set");
    };
    let Some(data) = process::reference_data() else {
        return skip::skip(this, "no reference data");
    };
    let folder = tempfile::tempdir().unwrap();
    let settings =
        [vec![], vec!["--native-sidecar=false", "--redirect-outbound", "--inbound-mode=tproxy"]];
    for (index, file) in manifests(&data).iter().enumerate() {
        let text = std::fs::read_to_string(file).unwrap();
        for (way, settings) in settings.iter().enumerate() {
            let pairs = read(&text).into_iter().zip(read(&out(&inject(settings, &text))));
            let pairs: Vec<_> = pairs.collect();
            let path = folder.path().join(format!("{index}-{way}.json"));
            std::fs::write(path, serde_json::to_vec(&pairs).unwrap()).unwrap();
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kubernetes_oracle.py");
    let judged = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    let verdict: BTreeMap<String, Value> = serde_json::from_slice(&judged.stdout).unwrap();
    assert_eq!(verdict["worse"], Value::Array(Vec::new()), "{verdict:?}");
    assert!(verdict["valid"].as_u64().unwrap() > 200, "{verdict:?}");
}

/// An outcome has every field that its type has, and none besides; fields that were unknown
/// before stay.
fn check_types(before: &Value, after: &Value, file: &Path) {
    if let Some(items) = after["items"].as_array() {
        for (before, after) in before["items"].as_array().unwrap().iter().zip(items) {
            check_types(before, after, file);
        }
        return;
    }
    let check = match after["kind"].as_str() {
        Some("Pod") => check::<core::Pod>,
        Some("Deployment") => check::<apps::Deployment>,
        Some("StatefulSet") => check::<apps::StatefulSet>,
        Some("DaemonSet") => check::<apps::DaemonSet>,
        Some("ReplicaSet") => check::<apps::ReplicaSet>,
        Some("ReplicationController") => check::<core::ReplicationController>,
        Some("Job") => check::<batch::Job>,
        Some("CronJob") => check::<batch::CronJob>,
        _ => {
            assert_eq!(before, after, "{}", file.display());
            return;
        }
    };
    let unknown = check(before).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    let after = check(after).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    assert_eq!(after, unknown, "{}", file.display());
}

/// The fields that a type does not have; or why it is none of that type.
fn check<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Vec<String>, String> {
    // What another version called itself is of no matter for its fields.
    let mut value = value.clone();
    value["apiVersion"] = match value["kind"].as_str() {
        Some("Pod" | "ReplicationController") => "v1".into(),
        Some("Job" | "CronJob") => "batch/v1".into(),
        _ => "apps/v1".into(),
    };
    let typed: T = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    let mut unknown = Vec::new();
    missing("", &value, &serde_json::to_value(&typed).unwrap(), &mut unknown);
    Ok(unknown)
}

fn missing(path: &str, given: &Value, kept: &Value, found: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (key, value) in given.iter().filter(|(_, value)| !is_empty(value)) {
                let path = format!("{path}/{key}");
                match kept.get(key) {
                    Some(kept) => missing(&path, value, kept, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (given, kept) in given.iter().zip(kept) {
                missing(path, given, kept, found);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_object().is_some_and(serde_json::Map::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}

#[test]
fn reports_go_to_standard_error_and_a_skip_is_no_failure() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwork: true, containers: [{name: a}]}\n\
                ---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: b}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: b}]}}}}}\n\
                ---\napiVersion: v1\nkind: Service\nmetadata: {name: c}\n";
    let output = inject(&["-"], text);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        said(&output),
        "pod/a: skipped: hostNetwork: its network is the whole node's\n\
         cronjob/b: injected\n\
         service/c: skipped: unsupported kind\n"
    );
    let output = inject(&["--uninject"], &out(&output));
    assert_eq!(out(&output), text);
    assert!(said(&output).contains("cronjob/b: uninjected\n"), "{}", said(&output));
}

#[test]
fn a_list_without_a_kind_is_left_as_it_is_and_told() {
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}]}}"#;
    for text in [format!("[{pod}]\n"), format!("- {pod}\n"), "- a\n- b\n".to_owned()] {
        let output = inject(&[], &text);
        assert_eq!((output.status.code(), out(&output)), (Some(0), text));
        assert_eq!(
            said(&output),
            "(a list): skipped: nothing in it was changed, as only documents are looked at, and items \
             of a `kind: List`\n"
        );
    }
}

#[test]
fn a_status_that_is_lost_keeps_what_there_was_from_coming_back_and_is_told() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n";
    let injected = read(&out(&inject(&[], text))).remove(0);
    for status in [Value::Null, "{bad".into()] {
        let mut pod = injected.clone();
        pod["metadata"]["annotations"]["podmeter.io/status"] = status;
        let output = inject(&["--uninject"], &pod.to_string());
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), ""));
        let said = said(&output);
        assert!(
            said.starts_with("pod/a: refused: podmeter.io/status is missing or cannot"),
            "{said}"
        );
        assert!(said.contains("delete podmeter-init and podmeter-proxy by hand"), "{said}");
    }
}

#[test]
fn settings_in_the_wrong_place_are_told() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\n  annotations:\n    podmeter.io/dialect: x\n\
                spec:\n  template:\n    spec:\n      containers:\n      - name: a\n";
    let output = inject(&[], text);
    assert_eq!(
        said(&output),
        "deployment/a: injected\ndeployment/a: warning: podmeter.io/dialect has no effect here; it belongs into \
         the metadata of the pod template\n"
    );
}

#[test]
fn a_refusal_writes_nothing_and_names_every_object() {
    let pod = |name, setting| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{{setting}}}}}\n\
             spec: {{containers: [{{name: a}}]}}\n---\n"
        )
    };
    let text =
        pod("a", "podmeter.io/workers: many") + &pod("b", "") + &pod("c", "podmeter.io/x: z");
    let output = inject(&[], &text);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "");
    let said = said(&output);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("pod/a: refused: podmeter.io/workers is \"many\", but"), "{said}");
    assert_eq!(lines[1], "pod/b: injected");
    assert!(lines[2].starts_with("pod/c: refused: podmeter.io/x is not known"), "{said}");
    assert_eq!(lines[3], "podmeter: nothing is written, as several objects were refused");
}

#[test]
fn a_bad_command_line_a_missing_file_and_a_broken_one_differ() {
    for (args, text, code, sentence) in [
        (vec!["--dialect", "x"], "", 2, "--dialect is \"x\""),
        (vec!["--dialekt", "x"], "", 2, "--dialekt is not known; did you mean --dialect?"),
        (vec!["-f", "/nowhere.yaml"], "", 2, "/nowhere.yaml could not be read"),
        (vec!["-f", "/"], "", 2, "/ is a folder; name its files"),
        (vec!["-"], "kind: Pod\na: [\n", 1, "standard input:"),
        (vec!["-"], "{{- if x }}\nkind: Pod\n", 1, "has to be rendered first, such as by helm"),
        (vec!["-"], "kind: Pod\nspec: 1\nspec: 1\n", 1, "standard input:3:1: the key \"spec\""),
    ] {
        let output = inject(&args, text);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(sentence), "{}", said(&output));
        assert_eq!(said(&output).lines().count(), 1);
        assert_eq!(out(&output), "");
    }
}

#[test]
fn waiting_ends_with_what_was_waited_for_or_says_why_not() {
    let wait = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_podmeter")).arg("wait").args(args).output().unwrap()
    };
    assert_eq!(wait(&["1ms"]).status.code(), Some(0));
    let nobody = format!("http://{}/healthz/ready", process::free_port());
    let output = wait(&["--until-ready", &nobody, "10ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).starts_with(&format!("podmeter: {nobody}: ")), "{}", said(&output));
    for args in [&["soon"][..], &["--until-ready", "ftp://x", "1s"], &[]] {
        let output = wait(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
    }
}

#[test]
fn several_files_come_out_as_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let pod = |name: &str| {
        let path = folder.path().join(name);
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: a}}]}}"
        );
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let output = inject(&["-f", &pod("a"), "--filename", &pod("b"), &pod("c")], "");
    let names: Vec<Value> =
        read(&out(&output)).into_iter().map(|pod| pod["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

fn manifests(data: &Path) -> Vec<PathBuf> {
    let index = std::fs::read(data.join("inject/index.json")).unwrap();
    let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
    index.iter().map(|case| data.join("inject").join(case["file"].as_str().unwrap())).collect()
}

/// Runs the command with a text on its standard input.
fn inject(args: &[&str], text: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    command.arg("inject").args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    // It need not read what it does not ask for.
    let writer = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn what_counts_on_the_sidecar_or_stays_is_told_when_it_is_taken_out() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {podmeter.io/inject: enabled}\n  annotations: \
                {prometheus.io/scrape: 'true', prometheus.io/port: '9102'}\nspec:\n  containers:\n  - name: a\n    \
                livenessProbe: {tcpSocket: {port: 80}}\n";
    let injected = out(&inject(&[], text));
    let told = said(&inject(&["--uninject"], &injected));
    let again = "pod/a: warning: podmeter.io/inject is still enabled, so the injector of a cluster adds the sidecar again\n";
    assert_eq!(told, format!("pod/a: uninjected\n{again}"));

    let mut pod = read(&injected).remove(0);
    pod["metadata"]["annotations"]["prometheus.io/port"] = "7777".into();
    pod["spec"]["containers"][0]["startupProbe"] =
        serde_json::json!({"httpGet": {"path": "/app-health/b/startupz", "port": 15021}});
    let output = inject(&["--uninject"], &pod.to_string());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        said(&output),
        format!(
            "pod/a: uninjected\n\
             pod/a: warning: prometheus.io/port was changed to \"7777\" since, and stays\n\
             pod/a: warning: the startupProbe of container a still asks the proxy, as nothing says what it asked \
             before; set it\n{again}"
        )
    );
}

#[test]
fn a_kind_of_another_group_is_told_with_its_version() {
    let output =
        inject(&[], "kind: Deployment\nmetadata: {name: a}\n---\napiVersion: x/v1\nkind: Job\n");
    assert_eq!(
        said(&output),
        "deployment/a: skipped: unsupported kind, as it has no apiVersion\n\
         job/(no name): skipped: unsupported kind, as its apiVersion is x/v1\n"
    );
}

#[test]
fn a_document_that_is_no_object_is_left_as_it_is_and_told() {
    let output = inject(&[], "replicas: 3\nimage: shop\n---\n# nothing\n---\n");
    assert_eq!(
        (output.status.code(), said(&output).as_str()),
        (Some(0), "(no object): skipped: it has no kind, so it is no manifest\n")
    );
}
