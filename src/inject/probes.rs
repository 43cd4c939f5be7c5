//! The app's probes that would lie once its ports are intercepted, or count as its traffic.
//!
//! A connection to an intercepted or forwarded port is taken by the proxy whether the app is there
//! or not, so a `tcpSocket` probe would always be content; and one over TLS cannot be told from a
//! client. The kubelet asks the proxy instead, which asks the app: at the same port, or at the one
//! behind the forward. HTTP and gRPC probes are told by their user agent and stay as they are;
//! `exec` never meets the proxy.

use super::eligible::{is_tcp, items, name};
use super::plan::Plan;
use serde_json::{Map, Value, json};

/// What became of the probes of a pod.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// What the proxy is to ask of the app, by the path that the kubelet asks for.
    pub(super) asked: Map<String, Value>,
    /// What the probes asked before, by container and probe.
    pub(super) before: Map<String, Value>,
}

/// Points the probes of a pod at the proxy where they have to.
pub(super) fn rewrite(pod: &mut Value, plan: &Plan) -> Rewritten {
    let mut rewritten = Rewritten::default();
    let Some(health) = plan.health_port().filter(|_| plan.rewrite_probes) else { return rewritten };
    for list in ["initContainers", "containers"] {
        for container in containers_mut(pod, list) {
            for (kind, word) in KINDS {
                let Some(handler) = handler(container, kind, plan) else { continue };
                let path = format!("{OURS}{}/{word}", name(container));
                let mut ask = Map::new();
                ask.insert(handler.kind.to_owned(), handler.resolved);
                if let Some(timeout) = container[kind]["timeoutSeconds"].as_u64().filter(|s| *s > 0)
                {
                    ask.insert("timeoutSeconds".to_owned(), json!(timeout));
                }
                rewritten.asked.insert(path.clone(), Value::Object(ask));
                let owner = name(container).to_owned();
                let ours = json!({"path": path, "port": health});
                let Some(probe) = container[kind].as_object_mut() else { continue };
                let before = replace(probe, handler.kind, "httpGet", ours);
                let of_container =
                    rewritten.before.entry(owner).or_insert_with(|| Value::Object(Map::new()));
                of_container[kind] = Value::Object(before);
            }
        }
    }
    rewritten
}

/// Gives the probes of a pod back what they asked before, by the path at which they ask us. A
/// container may have another name by now. Where nothing is written down of a probe, what the proxy is
/// told to ask holds.
pub(super) fn restore(pod: &mut Value, before: &Value, proxy: &Value) {
    let health = health_port(proxy);
    let mut env = items(&proxy["env"]).filter(|variable| variable["name"] == "PODMETER_APP_PROBES");
    let asked = env.next().and_then(|asked| asked["value"].as_str()).unwrap_or_default();
    let asked: Value = serde_json::from_str(&asked.replace("$$(", "$(")).unwrap_or_default();

    for list in ["initContainers", "containers"] {
        for container in containers_mut(pod, list) {
            for (kind, _) in KINDS {
                let Some(probe) = container.get_mut(kind).and_then(Value::as_object_mut) else {
                    continue;
                };
                // Whoever has changed it since wants what is there now.
                let Some(path) = probe.get("httpGet").and_then(|get| path(get, health.as_ref()))
                else {
                    continue;
                };
                let mut written = was(path, before, &asked).into_iter().flatten();
                if let Some((handler, value)) = written.next() {
                    replace(probe, "httpGet", &handler, value);
                    probe.extend(written);
                }
            }
        }
    }
}

/// The probes of a container that ask the proxy.
pub(super) fn asking<'a>(
    container: &'a Value,
    health: Option<&'a Value>,
) -> impl Iterator<Item = &'static str> + 'a {
    let kinds = KINDS.into_iter().map(|(kind, _)| kind);
    kinds.filter(move |kind| path(&container[kind]["httpGet"], health).is_some())
}

/// The port at which a proxy answers probes, if it is known.
pub(super) fn health_port(proxy: &Value) -> Option<Value> {
    let mut declared = items(&proxy["ports"]).filter(|port| port["name"] == "podmeter-health");
    declared.next().map(|port| port["containerPort"].clone())
}

/// The path at which a probe asks the proxy, and not somebody else at a path like that.
fn path<'a>(get: &'a Value, health: Option<&Value>) -> Option<&'a str> {
    let elsewhere = health.is_some_and(|health| get["port"] != *health);
    get["path"].as_str().filter(|path| path.starts_with(OURS) && !elsewhere)
}

/// What the probe asked that asks at this path of ours, and what stood under our handler's name then.
fn was(path: &str, before: &Value, asked: &Value) -> Option<Map<String, Value>> {
    let (owner, word) = path.strip_prefix(OURS)?.rsplit_once('/')?;
    let (kind, _) = KINDS.into_iter().find(|(_, known)| *known == word)?;
    let written = [&before[owner][kind], &asked[path]].into_iter().find_map(Value::as_object)?;
    let mut written = written.clone();
    written.shift_remove("timeoutSeconds");
    Some(written)
}

/// The containers in one of the two lists of a pod.
pub(super) fn containers_mut<'a>(
    pod: &'a mut Value,
    list: &str,
) -> impl Iterator<Item = &'a mut Value> {
    // Indexing would make what is missing.
    let list = pod.get_mut("spec").and_then(|spec| spec.get_mut(list));
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

struct Handler {
    kind: &'static str,
    /// Its value with the port as a number.
    resolved: Value,
}

/// What a probe asks, if the proxy has to ask it.
fn handler(container: &Value, kind: &str, plan: &Plan) -> Option<Handler> {
    let probe = &container[kind];
    let (kind, value) = if probe["tcpSocket"].is_object() {
        ("tcpSocket", &probe["tcpSocket"])
    } else if probe["httpGet"]["scheme"] == "HTTPS" {
        ("httpGet", &probe["httpGet"])
    } else {
        return None;
    };
    // One that names a host asks somebody else.
    if value["host"].as_str().is_some_and(|host| !host.is_empty()) {
        return None;
    }
    let declared = port(container, &value["port"])?;
    let taken = plan.intercepted.contains(declared).then_some(declared);
    let port = plan.forwarded(declared).or(taken)?;
    let mut resolved = value.clone();
    resolved["port"] = json!(port);
    if let Some(fields) = resolved.as_object_mut() {
        fields.shift_remove("host");
        fields.retain(|_, value| !value.is_null());
    }
    let understood = resolved.as_object().is_some_and(|fields| {
        fields.keys().all(|field| ["path", "port", "scheme", "httpHeaders"].contains(&&**field))
    });
    understood.then_some(Handler { kind, resolved })
}

/// A port by number, or by its name in the same container.
pub(super) fn port(container: &Value, port: &Value) -> Option<u16> {
    let number = match port {
        Value::String(wanted) => {
            let mut declared = items(&container["ports"]).filter(|port| is_tcp(port));
            declared.find(|port| port["name"] == wanted.as_str())?["containerPort"].as_u64()
        }
        number => number.as_u64(),
    };
    number.and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0)
}

/// Puts `value` under `new` where `old` was, and gives back what was under `old`, and then what was under
/// `new`, such as a `null`.
fn replace(map: &mut Map<String, Value>, old: &str, new: &str, value: Value) -> Map<String, Value> {
    let under_new = if new == old { None } else { map.shift_remove(new) };
    let at = map.keys().position(|key| key == old).unwrap_or(map.len());
    let mut before = Map::new();
    before.insert(old.to_owned(), map.shift_remove(old).unwrap_or_default());
    before.extend(under_new.map(|value| (new.to_owned(), value)));
    map.shift_insert(at, new.to_owned(), value);
    before
}

/// How the paths begin at which the proxy answers for the app.
const OURS: &str = "/app-health/";
/// The probes of a container, and how their paths end.
const KINDS: [(&str, &str); 3] =
    [("livenessProbe", "livez"), ("readinessProbe", "readyz"), ("startupProbe", "startupz")];
