//! The containers that are added.

use super::plan::{Amounts, Plan};
use super::settings::{From, Values};
use super::workload::{Facts, Workload};
use super::{INIT, PROXY, Refusal};
use serde_json::{Map, Value, json};

/// What holds for every pod that says nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    pub(super) values: Values,
}

impl Sidecar {
    /// Reads settings: pairs of a name, as in an annotation behind `podmeter.io/`, and a value.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(
        settings: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, Refusal> {
        let mut values = Values::default();
        for (name, value) in settings {
            values.set(name.as_ref(), value.as_ref(), From::Flag)?;
        }
        Plan::read(&values)?;
        Ok(Self { values })
    }
}

/// The init container that brings the pod's traffic to the proxy, unless something else does.
pub(super) fn init(plan: &Plan) -> Option<Value> {
    let mut args = vec!["redirect".to_owned(), "apply".to_owned()];
    args.extend(plan.redirect.clone()?);
    let security = json!({
        "runAsUser": 0,
        "runAsGroup": 0,
        "runAsNonRoot": false,
        "readOnlyRootFilesystem": true,
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]},
        "seccompProfile": {"type": "RuntimeDefault"}
    });
    let mut container = named(INIT, plan);
    container.insert("args".to_owned(), literal(&args));
    container.insert("securityContext".to_owned(), security);
    // It ends before the proxy starts, so it reserves nothing that the proxy does not.
    insert_resources(&mut container, plan);
    container.insert("terminationMessagePolicy".to_owned(), json!("FallbackToLogsOnError"));
    Some(Value::Object(container))
}

/// The proxy, as an init container that keeps running or as an ordinary one.
pub(super) fn proxy(plan: &Plan, pod: &Value, facts: &Facts, extra: &Extra) -> Value {
    let mut container = named(PROXY, plan);
    let mut args = vec!["proxy".to_owned()];
    args.extend(plan.proxy.iter().cloned());
    args.extend(extra.app_metrics.iter().map(|source| format!("--app-metrics={source}")));
    let grace = Grace::of(pod, plan);
    if !args.iter().any(|arg| arg.starts_with("--drain-timeout=")) {
        args.push(format!("--drain-timeout={}s", grace.drain));
    }
    container.insert("args".to_owned(), literal(&args));
    container.insert("env".to_owned(), Value::Array(environment(plan, pod, facts, extra)));
    let ports = [("http-envoy-prom", plan.stats_port()), ("podmeter-health", plan.health_port())];
    let ports: Vec<Value> = ports
        .into_iter()
        .filter_map(|(name, port)| {
            Some(json!({"name": name, "containerPort": port?, "protocol": "TCP"}))
        })
        .collect();
    if !ports.is_empty() {
        container.insert("ports".to_owned(), Value::Array(ports));
    }
    if plan.native {
        container.insert("restartPolicy".to_owned(), json!("Always"));
    }
    if let Some(port) = plan.health_port() {
        let ready = json!({"path": "/healthz/ready", "port": port});
        container.insert(
            "startupProbe".to_owned(),
            json!({"httpGet": ready, "periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": 120}),
        );
        container.insert(
            "readinessProbe".to_owned(),
            json!({"httpGet": ready, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 3}),
        );
        if !plan.native {
            let url = format!("http://127.0.0.1:{port}/healthz/ready");
            container.insert("lifecycle".to_owned(), lifecycle(&url, grace));
        }
    }
    container.insert("securityContext".to_owned(), security(plan));
    insert_resources(&mut container, plan);
    container.insert("terminationMessagePolicy".to_owned(), json!("FallbackToLogsOnError"));
    Value::Object(container)
}

/// What follows from the pod for the proxy's settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    /// The source that `prometheus.io/*` pointed at.
    pub(super) app_metrics: Option<String>,
    /// The probes that the proxy answers, as `--app-probes` takes them.
    pub(super) app_probes: Option<String>,
}

fn named(name: &str, plan: &Plan) -> Map<String, Value> {
    let mut container = Map::new();
    container.insert("name".to_owned(), json!(name));
    container.insert("image".to_owned(), json!(plan.image));
    if let Some(policy) = &plan.pull_policy {
        container.insert("imagePullPolicy".to_owned(), json!(policy));
    }
    container
}

/// Arguments in which Kubernetes finds no `$(VARIABLE)` to fill in.
fn literal(args: &[String]) -> Value {
    args.iter().map(|arg| arg.replace("$(", "$$(")).collect()
}

/// Who the pod is, from itself. What is known here is said here, what only the running pod has
/// comes from the downward API; settings of the pod's own are flags, which beat both.
fn environment(plan: &Plan, pod: &Value, facts: &Facts, extra: &Extra) -> Vec<Value> {
    let from = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let label = |key: &str| format!("metadata.labels['{key}']");
    let labels = &pod["metadata"]["labels"];
    let first = |keys: [&'static str; 2]| keys.into_iter().find(|key| labels[*key].is_string());

    let mut env = vec![
        from("PODMETER_POD", "metadata.name"),
        from("PODMETER_NAMESPACE", "metadata.namespace"),
    ];
    match facts.workload.as_ref().filter(|workload| workload.kind != "Pod") {
        _ if plan.says_workload() => {}
        Some(Workload { name, .. }) => {
            env.push(json!({"name": "PODMETER_WORKLOAD", "value": name}));
        }

        None => env.push(from("PODMETER_WORKLOAD", "metadata.name")),
    }
    // What a Deployment is taken for is the proxy's default.
    let kind = facts.workload.as_ref().map(|workload| workload.kind.as_str());
    let is_kind = |kind: &&str| *kind != "Deployment" && kind.chars().all(char::is_alphanumeric);
    if let Some(kind) = kind.filter(is_kind) {
        env.push(json!({"name": "PODMETER_WORKLOAD_KIND", "value": kind}));
    }
    let hash = facts.workload.as_ref().and_then(Workload::hash_label);
    if let Some(hash) = hash.filter(|_| !plan.says_workload()) {
        env.push(from("PODMETER_POD_TEMPLATE_HASH", &label(hash)));
    }
    if let Some(app) = first(["app", "app.kubernetes.io/name"]) {
        env.push(from("PODMETER_APP", &label(app)));
    }
    if let Some(version) = first(["version", "app.kubernetes.io/version"]) {
        env.push(from("PODMETER_VERSION_LABEL", &label(version)));
    }
    if let Some(probes) = &extra.app_probes {
        let value = probes.replace("$(", "$$(");
        env.push(json!({"name": "PODMETER_APP_PROBES", "value": value}));
    }
    env
}

fn security(plan: &Plan) -> Value {
    // Kubernetes gives a capability to root alone.
    let (uid, capabilities) = if plan.tproxy() {
        (0, json!({"drop": ["ALL"], "add": ["NET_ADMIN"]}))
    } else {
        (plan.uid, json!({"drop": ["ALL"]}))
    };
    json!({
        "runAsUser": uid,
        "runAsGroup": plan.gid,
        "runAsNonRoot": uid != 0,
        "readOnlyRootFilesystem": true,
        "allowPrivilegeEscalation": false,
        "capabilities": capabilities,
        "seccompProfile": {"type": "RuntimeDefault"}
    })
}

fn insert_resources(container: &mut Map<String, Value>, plan: &Plan) {
    let both = |pick: fn(&Amounts) -> Option<&String>| {
        let amounts = [("cpu", pick(&plan.cpu)), ("memory", pick(&plan.memory))];
        let said = amounts
            .into_iter()
            .filter_map(|(name, amount)| Some((name.to_owned(), Value::String(amount?.clone()))));
        said.collect::<Map<_, _>>()
    };
    let mut resources = Map::new();
    let kinds = [
        ("requests", both(|amounts| amounts.request.as_ref())),
        ("limits", both(|amounts| amounts.limit.as_ref())),
    ];
    for (kind, amounts) in kinds {
        if !amounts.is_empty() {
            resources.insert(kind.to_owned(), Value::Object(amounts));
        }
    }
    if !resources.is_empty() {
        container.insert("resources".to_owned(), Value::Object(resources));
    }
}

/// How the time that the pod has to end is spent, in seconds.
#[derive(Clone, Copy)]
struct Grace {
    /// An ordinary container is told to end together with the app, so it waits until nobody sends
    /// new connections any more.
    wait: u64,
    drain: u64,
}

impl Grace {
    fn of(pod: &Value, plan: &Plan) -> Self {
        let all = pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
        let wait = if plan.native { 0 } else { (all / 4).min(5) };
        let left = (all - wait).min(8760 * 3600);
        // The rest is for the last scrape and the end itself.
        Self { wait, drain: left - (left / 4).min(5) }
    }
}

/// Holds the app back until the proxy is there, and the proxy until the traffic is gone: what a
/// native sidecar needs no telling for.
fn lifecycle(ready: &str, grace: Grace) -> Value {
    json!({
        "postStart": {"exec": {"command": [PROGRAM, "wait", "--until-ready", ready, "60s"]}},
        "preStop": {"exec": {"command": [PROGRAM, "wait", format!("{}s", grace.wait)]}}
    })
}

/// Where the image has the program.
const PROGRAM: &str = "/podmeter";
