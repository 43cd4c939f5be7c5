//! The law that holds the two ways together: what `podmeter inject` makes of a pod is the pod with the
//! webhook's patch.

use super::client::{Client, creation, operations, pod};
use super::hook::{Files, Hook};
use super::process::reference_data;
use super::reviews::patched;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `podmeter inject` makes of a pod, or its complaint.
fn offline(pod: &Value, flags: &[&str]) -> Result<Value, String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_podmeter"))
        .args(["inject", "-"])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(pod.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        Some(1) => Err(said),
        other => panic!("{other:?}: {said}"),
    }
}

fn by_webhook(client: &mut Client, pod: &Value) -> Value {
    let response = client.post(creation(pod).to_string().as_bytes()).unwrap().response();
    assert_eq!(response["allowed"], true);
    if response["patch"].is_null() {
        return pod.clone();
    }
    patched(pod.clone(), &operations(&response))
}

/// Every pod in a folder of manifests, those of templates too.
fn pods(folder: &Path, found: &mut Vec<(String, Value)>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pods(&path, found);
            continue;
        }
        let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if !is_yaml {
            continue;
        }
        let name = path.display().to_string();
        let documents = text.split("\n---").filter(|part| !part.trim().is_empty());
        for document in documents {
            // Not every file is one that has to be understood here.
            let Ok(object) = serde_saphyr::from_str::<Value>(document) else { continue };
            let spec = &object["spec"];
            let mut made = match object["kind"].as_str() {
                Some("Pod") => object.clone(),
                Some("CronJob") => spec["jobTemplate"]["spec"]["template"].clone(),
                _ => spec["template"].clone(),
            };
            if made["spec"]["containers"].is_array() {
                made["kind"] = json!("Pod");
                made["apiVersion"] = json!("v1");
                found.push((name.clone(), made));
            }
        }
    }
}

#[test]
fn the_webhook_and_the_command_make_the_same_of_a_pod() {
    let mut all = vec![("the pod of the suite".to_owned(), pod())];
    let mut tcp = pod();
    tcp["spec"]["containers"][0]["livenessProbe"] = json!({ "tcpSocket": { "port": 8080 } });
    tcp["metadata"]["annotations"] = json!({
        "prometheus.io/scrape": "true", "prometheus.io/port": "8080",
        "podmeter.io/cpu-request": "20m", "a/b~c": "~1"
    });
    all.push(("one with probes and annotations".to_owned(), tcp));
    if let Some(data) = reference_data() {
        pods(&data.join("inject"), &mut all);
        assert!(all.len() > 50, "{}", all.len());
    }
    let files = Files::new();
    let flags = ["--image", "registry.example/podmeter:1"];
    let hook = Hook::with_files(&files, &flags);
    let mut client = Client::connect(hook.addr, &files.authority.pem).unwrap();
    let mut changed = 0;
    for (name, pod) in &all {
        let online = by_webhook(&mut client, pod);
        match offline(pod, &flags) {
            Ok(offline) => assert_eq!(online, offline, "{name}"),
            // What the one refuses the other leaves alone.
            Err(_) => assert_eq!(&online, pod, "{name}"),
        }
        changed += u32::from(online != *pod);
        assert_eq!(by_webhook(&mut client, &online), online, "{name}: twice is once");
    }
    assert!(changed > 1, "{changed} of {}", all.len());
}
