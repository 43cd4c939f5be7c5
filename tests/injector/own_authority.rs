//! One replica that keeps its own authority: what it makes, what it bears of an API server, and
//! what it never says.

use super::api_server::{ApiServer, CONFIGURATION, Fault, SECRET};
use super::client::{Client, creation, pod};
use super::hook::Hook;
use super::process::eventually;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

impl Hook {
    /// With its own authority, kept by `server`.
    pub(crate) fn with_authority(name: &str, server: &ApiServer, flags: &[&str]) -> Self {
        let kubeconfig = server.kubeconfig();
        let mut all = vec!["--cert-secret", "certs", "--webhook-config", "hook"];
        all.extend(["--namespace", "mesh", "--kubeconfig", kubeconfig.to_str().unwrap()]);
        if !flags.contains(&"--cert-lifetime") {
            // Looked at four times a second, so that no test has to wait for half a minute.
            all.extend(["--cert-lifetime", "15s", "--ca-lifetime", "60s"]);
        }
        all.extend(flags);
        Self::start(name, server.path(), &all)
    }
}

/// Sends a review as an API server would that trusts what the configuration says.
pub(crate) fn ask(hook: &Hook, bundle: &str) -> Result<Value, String> {
    let mut client = Client::connect(hook.addr, bundle).map_err(|error| error.to_string())?;
    let review = creation(&pod()).to_string();
    let answer = client.post(review.as_bytes()).map_err(|error| error.to_string())?;
    Ok(answer.response())
}

fn secret_text(server: &ApiServer, key: &str) -> String {
    let secret = server.object(SECRET).unwrap();
    String::from_utf8(STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap()).unwrap()
}

#[test]
fn it_makes_what_it_needs_and_is_ready_once_it_is_trusted() {
    let server = ApiServer::start();
    server.fail(&format!("PUT {CONFIGURATION}"), Fault::Status(403));
    let mut hook = Hook::with_authority("first", &server, &[]);
    hook.await_log("the API server answers PUT");
    let why = "the webhook configuration does not trust our certificate yet";
    assert_eq!(hook.ready(), (503, why.to_owned()));
    assert!(hook.metric(&["podmeter_injector_ca_bundle_in_step"]) < 0.5);
    let before = server.object(CONFIGURATION).unwrap();
    server.heal();
    hook.await_ready();

    let bundle = server.bundle();
    assert_eq!(bundle, secret_text(&server, "ca.crt"));
    ask(&hook, &bundle).unwrap();
    // Any of its names will do, and no other.
    for name in
        ["podmeter-injector", "podmeter-injector.mesh", "podmeter-injector.mesh.svc.cluster.local"]
    {
        Client::connect_as(hook.addr, &bundle, name).unwrap();
    }
    assert!(Client::connect_as(hook.addr, &bundle, "podmeter-injector.other.svc").is_err());
    // Of the configuration nothing else was changed.
    let mut after = server.object(CONFIGURATION).unwrap();
    for webhook in after["webhooks"].as_array_mut().unwrap() {
        webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle").unwrap();
    }
    after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
    assert_eq!(after, before);

    // Nothing secret is said, and none of it is on the disk.
    let said = hook.program.said();
    assert!(!said.contains("PRIVATE") && !said.contains("s3cr3t"), "{said}");
    let key = secret_text(&server, "ca.key");
    let line = key.lines().nth(1).unwrap();
    assert!(!said.contains(line), "{said}");
    let metrics = super::http::get(hook.status, "/metrics").text().to_owned();
    assert!(!metrics.contains(line));
    let documented = include_str!("../../docs/injector.md");
    for family in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, _) = family.split_once(' ').unwrap();
        let is_there = name.starts_with("process_") || documented.contains(&format!("`{name}`"));
        assert!(is_there, "{name} is not in docs/injector.md");
    }
    let files = fs::read_dir(server.path()).unwrap().count();
    assert_eq!(files, 3, "kubeconfig, token and log");
}

#[test]
fn a_secret_that_is_there_already_is_used_and_an_empty_one_filled_in() {
    let server = ApiServer::start();
    server.change(|objects| objects.put(SECRET, empty_secret()));
    let hook =
        Hook::with_authority("first", &server, &["--cert-lifetime", "2h", "--ca-lifetime", "9h"]);
    hook.await_ready();
    let secret = server.object(SECRET).unwrap();
    assert_eq!(secret["metadata"]["labels"]["helm.sh/chart"], "podmeter");
    assert_eq!(server.answered("POST", 201), 0);
    drop(hook);
    let again =
        Hook::with_authority("again", &server, &["--cert-lifetime", "2h", "--ca-lifetime", "9h"]);
    again.await_ready();
    assert_eq!(server.object(SECRET).unwrap(), secret, "a restart changes nothing");
    ask(&again, &server.bundle()).unwrap();
}

#[test]
fn an_api_server_that_fails_is_borne_and_what_it_says_is_passed_on_once() {
    let server = ApiServer::start();
    let mut hook = Hook::with_authority("hook", &server, &[]);
    hook.await_ready();
    let bundle = server.bundle();
    for (fault, said) in [
        (Fault::Status(403), "with 403 Forbidden: told to fail"),
        (Fault::Status(500), "with 500 Internal Server Error: told to fail"),
        (Fault::Status(404), "there is no /apis/admissionregistration"),
        (Fault::Cut, "has broken off"),
        (Fault::Garbage, "answers with no JSON"),
    ] {
        server.fail(&format!("GET {CONFIGURATION}"), fault);
        hook.await_log(said);
        // It goes on answering with what it has, and is ready.
        ask(&hook, &server.bundle()).unwrap();
        assert_eq!(hook.ready().0, 200);
        server.heal();
        let healed = hook.program.said().matches("in order again").count();
        eventually("all is well again", || {
            let now = hook.program.said().matches("in order again").count();
            if now > healed { Ok(()) } else { Err(hook.program.said()) }
        });
    }
    let times = hook.program.said().matches("with 403 Forbidden").count();
    assert_eq!(times, 1, "{}", hook.program.said());
    assert!(hook.metric(&["api_requests_total", "outcome=\"failed\""]) > 3.5);
    let _ = bundle;

    // A token that no longer holds is read anew from its file.
    fs::write(server.token(), "old").unwrap();
    hook.await_log("with 401 Unauthorized: Unauthorized");
    fs::write(server.token(), "s3cr3t-t0ken").unwrap();
    eventually("it has the new token", || {
        let said = hook.program.said();
        let last = said.rfind("in order again");
        if last > said.rfind("401 Unauthorized") { Ok(()) } else { Err(said) }
    });
}

#[test]
fn an_api_server_that_does_not_answer_is_not_waited_for_for_ever() {
    let server = ApiServer::start();
    server.fail("GET", Fault::Slow(Duration::from_secs(15)));
    let mut hook = Hook::with_authority("hook", &server, &[]);
    hook.await_log("has not answered within 10 s");
    assert_eq!(hook.ready(), (503, "no certificate yet".to_owned()));
    server.heal();
    hook.await_ready();
}

#[test]
fn a_configuration_that_comes_later_or_is_replaced_is_told_whom_to_trust() {
    let server = ApiServer::start();
    let configuration = server.object(CONFIGURATION).unwrap();
    server.change(|objects| objects.remove(CONFIGURATION));
    let mut hook = Hook::with_authority("hook", &server, &[]);
    hook.await_log("there is no /apis/admissionregistration");
    assert_eq!(hook.ready().0, 503);
    server.change(|objects| objects.put(CONFIGURATION, configuration.clone()));
    hook.await_ready();
    ask(&hook, &server.bundle()).unwrap();
    // As `helm upgrade --force` would.
    server.change(|objects| objects.put(CONFIGURATION, configuration));
    eventually("it is told again", || ask(&hook, &server.bundle()));
}

#[test]
fn somebody_elses_change_at_the_same_time_is_not_lost() {
    let server = ApiServer::start();
    server.before(&format!("PUT {CONFIGURATION}"), |objects| {
        let mut configuration = objects.get(CONFIGURATION).unwrap();
        configuration["webhooks"][1]["failurePolicy"] = json!("Fail");
        objects.put(CONFIGURATION, configuration);
    });
    let hook = Hook::with_authority("hook", &server, &[]);
    hook.await_ready();
    let configuration = server.object(CONFIGURATION).unwrap();
    assert_eq!(configuration["webhooks"][1]["failurePolicy"], "Fail");
    assert_eq!(server.answered(&format!("PUT {CONFIGURATION}"), 409), 1);
    ask(&hook, &server.bundle()).unwrap();
}

#[test]
fn a_secret_that_somebody_broke_is_made_anew() {
    let server = ApiServer::start();
    let mut hook = Hook::with_authority("hook", &server, &[]);
    hook.await_ready();
    server.change(|objects| {
        let mut secret = objects.get(SECRET).unwrap();
        secret["data"]["ca.key"] = json!("bm90IGEga2V5");
        objects.put(SECRET, secret);
    });
    hook.await_log("is made anew: its ca.key cannot be read");
    eventually("all is well", || ask(&hook, &server.bundle()));
}

#[test]
fn whose_secret_was_deleted_says_what_to_do_and_goes_on_once_it_is_there() {
    let server = ApiServer::start();
    // The chart gives no right to make one.
    server.fail("POST /api/v1/namespaces/mesh/secrets", Fault::Status(403));
    server.change(|objects| objects.put(SECRET, empty_secret()));
    let mut hook = Hook::with_authority("hook", &server, &[]);
    hook.await_ready();
    let bundle = server.bundle();
    server.change(|objects| objects.remove(SECRET));
    let advice = "kubectl -n mesh create secret generic certs makes it again, empty, and so does helm upgrade";
    hook.await_log(advice);
    let said = hook.program.said();
    let line = said.lines().find(|line| line.contains(advice)).unwrap();
    assert!(
        line.contains(" WARN ") && line.contains("with 403 Forbidden: told to fail; "),
        "{line}"
    );
    // It goes on with what it has.
    ask(&hook, &bundle).unwrap();
    server.change(|objects| objects.put(SECRET, empty_secret()));
    hook.await_log("in order again");
    ask(&hook, &server.bundle()).unwrap();
}

/// As the chart makes it, or `kubectl create secret generic`.
fn empty_secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": "certs", "namespace": "mesh", "labels": { "helm.sh/chart": "podmeter" } }
    })
}
