//! The dashboard: that Grafana's own types take it, and that every panel has numbers, for one workload and for all.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::helm::{Helm, chart, repository};
use crate::observed::{PRIMARY_POD, World, selectors};
use crate::process::{node_modules, program};
use crate::prom::Prometheus;
use crate::skip::skip;

#[test]
fn grafanas_own_types_take_the_dashboard() {
    let name = "grafanas_own_types_take_the_dashboard";
    let (Some(node), Some(modules)) = (program("node"), node_modules()) else {
        return skip(name, "it needs node and PODMETER_NODE_MODULES");
    };
    let mut child = Command::new(node)
        .arg(repository().join("tests/chart/grafana_types.cjs"))
        .arg(modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(dashboard().to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let complaints: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn each_panel_has_a_number_and_a_place_of_its_own() {
    let dashboard = dashboard();
    // Links and bookmarks have it.
    assert_eq!(dashboard["uid"], "podmeter-canary");
    let (mut numbers, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        let title = &panel["title"];
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{title}: its number is taken");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{title}: Grafana has 24 columns");
        for place in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
            assert!(taken.insert(place), "{title}: {place:?} is taken");
        }
    }
    let height = taken.iter().map(|(_, line)| line + 1).max().unwrap();
    assert_eq!(taken.len() as u64, 24 * height, "no gaps");
}

#[test]
fn a_panels_unit_is_that_of_its_queries() {
    for panel in panels(&dashboard()) {
        for target in targets(panel) {
            let query = target["expr"].as_str().unwrap();
            let is_rate = query.contains("rate(");
            let expected: &[&str] = match query {
                query if query.starts_with("100 *") => &["percent"],
                query if query.contains("_milliseconds_bucket") => &["ms"],
                query if query.contains("_seconds_bucket") => &["s"],
                query if query.contains("_bytes") && is_rate => &["Bps"],
                query if query.contains("_bytes") => &["bytes"],
                // Cores.
                query if query.contains("_cpu_seconds_total") => &["none"],
                _ if is_rate => &["reqps", "cps"],
                _ => &["none", "short"],
            };
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap();
            assert!(expected.contains(&unit), "{}: {unit}, not {expected:?}", panel["title"]);
        }
    }
}

#[test]
fn grafana_finds_the_dashboard_where_the_values_say() {
    let Some(helm) = Helm::find("grafana_finds_the_dashboard_where_the_values_say") else { return };
    let map =
        |values: &Value| helm.template(values).named("ConfigMap", "podmeter-dashboard").clone();
    let found = map(&json!({}));
    assert_eq!(found["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(found["metadata"]["namespace"], "podmeter-system");
    let text = found["data"]["podmeter.json"].as_str().unwrap();
    // With none of its variables taken for one of Helm's.
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), dashboard());
    let values = json!({ "labels": { "dashboards": "mine" }, "namespace": "grafana",
                         "annotations": { "grafana_folder": "Apps" } });
    let moved = map(&json!({ "dashboard": values }));
    assert_eq!(moved["metadata"]["labels"]["dashboards"], "mine");
    assert_eq!(moved["metadata"]["namespace"], "grafana");
    assert_eq!(moved["metadata"]["annotations"]["grafana_folder"], "Apps");
}

/// Every panel has numbers: of the canary's pods, of the primary's, or of both, as its legend says.
pub(crate) fn panels_answer(world: &World, prometheus: &Prometheus) {
    world.serve_what_is_rare(prometheus);
    let dashboard = dashboard();
    let canary = "test/podinfo-5d8f7c-x2x4z".to_owned();
    let one = [("namespace", "test".to_owned()), ("workload", "podinfo".to_owned())];
    assert_eq!(options(&dashboard, "workload", &one[..1], prometheus), ["podinfo"]);
    let of_one = ask_all(&dashboard, &one, prometheus);
    assert!(of_one.len() > 30, "{} queries", of_one.len());
    for (role, pods, query) in of_one {
        let expected = match role {
            Role::Canary => BTreeSet::from([canary.clone()]),
            Role::Primary => BTreeSet::from([primary()]),
            Role::Both => BTreeSet::from([canary.clone(), primary()]),
        };
        assert_eq!(pods, expected, "{query}");
    }
    let namespaces = options(&dashboard, "namespace", &[], prometheus);
    assert_eq!(namespaces, ["old", "prod", "test"]);
    let namespaces = ("namespace", all(&namespaces));
    let workloads = options(&dashboard, "workload", std::slice::from_ref(&namespaces), prometheus);
    assert_eq!(workloads, ["legacy", "podinfo"], "a primary goes with its canary");
    let everything = [namespaces, ("workload", all(&workloads))];
    for (role, pods, query) in ask_all(&dashboard, &everything, prometheus) {
        match role {
            Role::Canary => assert!(!pods.contains(&primary()), "{query}: {pods:?}"),
            Role::Primary => assert_eq!(pods, BTreeSet::from([primary()]), "{query}"),
            Role::Both => assert_eq!(pods.len(), 4, "{query}: {pods:?}"),
        }
    }
}

/// Whom a query is about.
enum Role {
    Canary,
    Primary,
    Both,
}

/// Whom each query of the dashboard is about, the pods in whose series it looks, and the query as Prometheus is asked it.
fn ask_all(
    dashboard: &Value,
    chosen: &[(&str, String)],
    prometheus: &Prometheus,
) -> Vec<(Role, BTreeSet<String>, String)> {
    let mut asked = Vec::new();
    for (panel, target) in panels(dashboard)
        .iter()
        .flat_map(|panel| targets(panel).iter().map(move |one| (panel, one)))
    {
        let query = filled(target["expr"].as_str().unwrap(), chosen);
        let answer = prometheus.query(&query);
        let place = format!("{}: {query}: {answer:?}", panel["title"]);
        assert!(!answer.is_empty() && answer.iter().all(|(_, value)| !value.is_nan()), "{place}");
        let legend = target["legendFormat"].as_str().unwrap();
        for name in legend.split("{{").skip(1).map(|part| part.split("}}").next().unwrap()) {
            assert!(
                answer.iter().all(|(labels, _)| labels.get(name).is_some()),
                "{legend}: {place}"
            );
        }
        assert!(legend.contains("{{") || answer.len() == 1, "{place}");
        // The app's, the client's and podmeter's, also before there is any.
        let faults = panel["title"].as_str().unwrap().starts_with("Whose fault");
        assert!(!faults || answer.len() == 3, "{place}");
        let role = match legend.split(' ').next() {
            Some("canary") => Role::Canary,
            Some("primary") => Role::Primary,
            _ => Role::Both,
        };
        let series = selectors(&query).into_iter().flat_map(|selector| prometheus.query(&selector));
        let pods = series.map(|(labels, _)| {
            format!("{}/{}", labels["namespace"].as_str().unwrap(), labels["pod"].as_str().unwrap())
        });
        asked.push((role, pods.collect(), query));
    }
    asked
}

/// What a variable offers, as Grafana makes it of its `label_values(SELECTOR, LABEL)`.
fn options(
    dashboard: &Value,
    name: &str,
    chosen: &[(&str, String)],
    prometheus: &Prometheus,
) -> Vec<String> {
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variable = variables.iter().find(|variable| variable["name"] == name).unwrap();
    assert_eq!(variable["includeAll"], true, "{name}");
    let query = filled(variable["query"].as_str().unwrap(), chosen);
    let inside = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
    let (selector, label) = inside.rsplit_once(", ").unwrap();
    let mut values = prometheus.label_values(selector, label);
    match variable["regex"].as_str().unwrap() {
        "" => {}
        "/^(.*?)(?:-primary)?$/" => {
            for value in &mut values {
                *value = value.strip_suffix("-primary").unwrap_or(value).to_owned();
            }
        }
        other => panic!("{other}"),
    }
    values.sort();
    values.dedup();
    values
}

/// A query with what Grafana puts into it.
fn filled(query: &str, chosen: &[(&str, String)]) -> String {
    let mut query = query.replace("$__rate_interval", "5m");
    for (name, value) in chosen {
        query = query.replace(&format!("${name}"), value);
    }
    assert!(!query.contains('$'), "{query}");
    query
}

/// What `All` becomes in a query.
fn all(values: &[String]) -> String {
    format!("({})", values.join("|"))
}

fn primary() -> String {
    format!("test/{PRIMARY_POD}")
}

fn dashboard() -> Value {
    let text = std::fs::read(chart().join("files/dashboard.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

/// A row has none.
fn targets(panel: &Value) -> &[Value] {
    panel["targets"].as_array().map_or(&[], Vec::as_slice)
}
