//! `cargo xtask e2e`: the chart in a real cluster, the one that `KUBECONFIG` names, from nothing to
//! numbers of an injected pod, and everything taken away again.
//!
//! No image but podmeter's own is needed: the app and its client are podmeter, too.

mod manifests;
mod options;
mod tools;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

pub(crate) use options::Options;

use manifests::{APP, CLIENT, MISSPELT, PLAIN, labelled};
use tools::Tools;

/// Installs, checks, and cleans up, whatever comes.
pub(crate) fn run(options: &Options) -> Result<()> {
    run_with(&Tools::find()?, options)
}

fn run_with(tools: &Tools, options: &Options) -> Result<()> {
    let context = tools.kubectl(&["config", "current-context"]).unwrap_or_default();
    println!("==> in the cluster {}", context.trim());
    let cleaning = Cleaning { tools, keep: options.keep };
    let outcome = all(tools, options);
    if outcome.is_err() {
        tools.show(&["get", "pods", "--all-namespaces", "-l", "podmeter.io/e2e"]);
        tools.show(&["logs", "-n", SYSTEM, "-l", "app.kubernetes.io/name=podmeter", "--tail=40"]);
    }
    drop(cleaning);
    outcome
}

fn all(tools: &Tools, options: &Options) -> Result<()> {
    step("install the chart", || install(tools, options))?;
    step("a new pod gets a sidecar", || injected(tools, options))?;
    step("what it is asked is counted", || counted(tools, options))?;
    step("a dry run shows the sidecar, and leaves nothing", || dry_run(tools, options))?;
    step("a misspelt annotation costs the sidecar, not the pod", || misspelt(tools, options))?;
    step("a namespace without the label is left alone", || plain(tools, options))?;
    step("certificates change and no pod goes without", || rotated(tools, options))
}

fn install(tools: &Tools, options: &Options) -> Result<()> {
    let (repository, tag) = options.image.rsplit_once(':').unwrap_or((&options.image, "latest"));
    let chart = options.chart.display().to_string();
    let image = format!("image.repository={repository},image.tag={tag}");
    let mut install = vec!["upgrade", "--install", RELEASE, &chart, "--namespace", SYSTEM];
    install.extend(["--create-namespace", "--wait", "--timeout", "3m", "--set-string", &image]);
    install.extend(options.values.iter().flat_map(|value| ["--set", value]));
    tools.helm(&install)?;
    for (namespace, label) in [(INJECTED, true), (OTHER, false)] {
        tools.apply(&labelled(namespace, label), &[])?;
    }
    Ok(())
}

fn injected(tools: &Tools, options: &Options) -> Result<()> {
    tools.apply(&APP.replace("IMAGE", &options.image), &["-n", INJECTED])?;
    tools.kubectl(&["rollout", "status", "deployment/app", "-n", INJECTED, "--timeout=2m"])?;
    let names = containers(tools, INJECTED, "app=app")?;
    ensure!(names.contains("podmeter-proxy"), "its containers are {names}");
    ensure!(names.contains("podmeter-init"), "its containers are {names}");
    Ok(())
}

fn counted(tools: &Tools, options: &Options) -> Result<()> {
    tools.apply(&CLIENT.replace("IMAGE", &options.image), &["-n", OTHER])?;
    succeeded(tools, "client")?;
    let pod = ["get", "pod", "-n", INJECTED, "-l", "app=app", "-o", NAME];
    let pod = tools.kubectl(&pod)?;
    let path =
        format!("/api/v1/namespaces/{INJECTED}/pods/{}:15090/proxy/stats/prometheus", pod.trim());
    let text = tools.kubectl(&["get", "--raw", &path])?;
    let requests =
        sum(&text, &["istio_requests_total{", "reporter=\"destination\"", "response_code=\"200\""]);
    ensure!(
        (requests - f64::from(manifests::REQUESTS)).abs() < 0.5,
        "{} requests were made, and {requests} are counted",
        manifests::REQUESTS
    );
    let named = sum(&text, &["istio_requests_total{", "destination_workload=\"app\""]);
    ensure!(named > 0.5, "no request is counted for the workload app");
    Ok(())
}

fn dry_run(tools: &Tools, options: &Options) -> Result<()> {
    let pod = PLAIN.replace("IMAGE", &options.image);
    let flags = ["-n", INJECTED, "--dry-run=server", "-o", "yaml"];
    let shown = tools.apply(&pod, &flags)?;
    ensure!(shown.contains("podmeter-proxy"), "no sidecar is shown: {shown}");
    let left = tools.kubectl(&["get", "pod", "plain", "-n", INJECTED, "--ignore-not-found"])?;
    ensure!(left.trim().is_empty(), "a pod was made: {left}");
    Ok(())
}

fn misspelt(tools: &Tools, options: &Options) -> Result<()> {
    let pod = MISSPELT.replace("IMAGE", &options.image);
    let said = tools.apply(&pod, &["-n", INJECTED])?;
    ensure!(said.contains("podmeter.io/dialekt"), "no warning was given: {said}");
    let names = containers(tools, INJECTED, "app=misspelt")?;
    ensure!(!names.contains("podmeter"), "its containers are {names}");
    Ok(())
}

fn plain(tools: &Tools, options: &Options) -> Result<()> {
    tools.apply(&PLAIN.replace("IMAGE", &options.image), &["-n", OTHER])?;
    let names = containers(tools, OTHER, "app=plain")?;
    ensure!(!names.contains("podmeter"), "its containers are {names}");
    Ok(())
}

fn rotated(tools: &Tools, options: &Options) -> Result<()> {
    let certificate = || {
        tools.kubectl(&["get", "secret", "-n", SYSTEM, "-l", LABEL, "-o", "jsonpath={..tls\\.crt}"])
    };
    let before = certificate()?;
    ensure!(!before.trim().is_empty(), "there is no Secret with a certificate");
    let name = tools.kubectl(&["get", "secret", "-n", SYSTEM, "-l", LABEL, "-o", NAME])?;
    let empty = r#"[{"op":"remove","path":"/data"}]"#;
    let name = name.trim();
    tools.kubectl(&["patch", "secret", name, "-n", SYSTEM, "--type=json", "-p", empty])?;
    let pod = PLAIN.replace("IMAGE", &options.image);
    let flags = ["-n", INJECTED, "--dry-run=server", "-o", "yaml"];
    // A replica looks every ten seconds, and then waits for a minute until all API servers know.
    for _ in 0..ROTATION_LOOKS {
        let shown = tools.apply(&pod, &flags)?;
        ensure!(shown.contains("podmeter-proxy"), "a pod went without a sidecar meanwhile");
        let now = certificate()?;
        if !now.trim().is_empty() && now != before {
            return Ok(());
        }
        std::thread::sleep(tools.pause);
    }
    bail!("there is no new certificate after {} s", ROTATION_LOOKS * 2)
}

/// Waits for a pod to end well.
fn succeeded(tools: &Tools, name: &str) -> Result<()> {
    let mut phase = String::new();
    for _ in 0..CLIENT_LOOKS {
        phase =
            tools.kubectl(&["get", "pod", name, "-n", OTHER, "-o", "jsonpath={.status.phase}"])?;
        if phase.trim() == "Succeeded" {
            return Ok(());
        }
        std::thread::sleep(tools.pause);
    }
    bail!("the pod {name} is {} after {} s", phase.trim(), CLIENT_LOOKS * 2)
}

/// The names of all containers of a pod that has this label.
fn containers(tools: &Tools, namespace: &str, label: &str) -> Result<String> {
    let names =
        "jsonpath={.items[0].spec.initContainers[*].name} {.items[0].spec.containers[*].name}";
    tools.kubectl(&["get", "pod", "-n", namespace, "-l", label, "-o", names])
}

/// The sum of the samples whose line has all of `parts`.
fn sum(text: &str, parts: &[&str]) -> f64 {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let lines = samples.filter(|line| parts.iter().all(|part| line.contains(part)));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn step(what: &str, action: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("==> {what}");
    action().with_context(|| format!("it is not so that {what}"))
}

/// Takes everything away when dropped.
struct Cleaning<'a> {
    tools: &'a Tools,
    keep: bool,
}

impl Drop for Cleaning<'_> {
    fn drop(&mut self) {
        if self.keep {
            println!("==> everything is left as it is (--keep)");
            return;
        }
        println!("==> clean up");
        // What is not there need not be taken away.
        let release = self.tools.helm(&["uninstall", RELEASE, "-n", SYSTEM, "--ignore-not-found"]);
        let mut delete = vec!["delete", "namespace", "--ignore-not-found", "--wait=false"];
        delete.extend([INJECTED, OTHER, SYSTEM]);
        for failed in [release, self.tools.kubectl(&delete)].into_iter().filter_map(Result::err) {
            eprintln!("could not clean up: {failed:#}");
        }
    }
}

const RELEASE: &str = "podmeter";
const SYSTEM: &str = "podmeter-e2e-system";
const INJECTED: &str = "podmeter-e2e-injected";
const OTHER: &str = "podmeter-e2e-other";
const LABEL: &str = "app.kubernetes.io/instance=podmeter";
const NAME: &str = "jsonpath={.items[0].metadata.name}";
const ROTATION_LOOKS: u32 = 90;
const CLIENT_LOOKS: u32 = 60;
/// Between two looks at what changes by itself.
const PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
