//! The alerts, as promtool judges them: they can be read, and they fire when they should.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::helm::{Helm, repository};
use crate::process::program;
use crate::skip::skip;

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    let name = "each_alert_fires_when_it_should_and_not_before";
    let Some(helm) = Helm::find(name) else { return };
    let Some(promtool) = program("promtool") else { return skip(name, "it needs promtool") };
    let folder = tempfile::tempdir().unwrap();
    let rules = helm.template(&json!({})).the("PrometheusRule")["spec"].clone();
    let alerts = rules["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    let alerts: Vec<&str> = alerts.map(|rule| rule["alert"].as_str().unwrap()).collect();
    // JSON is YAML.
    std::fs::write(folder.path().join("rules.json"), rules.to_string()).unwrap();
    run(Command::new(&promtool).arg("check").arg("rules").arg("rules.json"), folder.path());

    let tests = std::fs::read_to_string(repository().join("tests/chart/alerts.yml")).unwrap();
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} is not tested");
    }
    std::fs::write(folder.path().join("alerts.yml"), tests).unwrap();
    run(Command::new(&promtool).arg("test").arg("rules").arg("alerts.yml"), folder.path());
}

#[test]
fn thresholds_are_what_the_values_say() {
    let Some(helm) = Helm::find("thresholds_are_what_the_values_say") else { return };
    let rules = json!({ "errorRatio": 0.25, "latencyMilliseconds": 250, "minimumRate": 3, "for": "90s",
                        "certificateDays": 2, "labels": { "team": "sre" } });
    let rendered = helm.template(&json!({ "rules": rules }));
    let text = rendered.the("PrometheusRule").to_string();
    for expected in ["> 0.25", "> 250", "> 3", "< 172800"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    for group in rendered.the("PrometheusRule")["spec"]["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            assert_eq!(rule["labels"]["team"], "sre");
            assert!(rule["labels"]["severity"].is_string());
            assert!(rule.get("for").is_none_or(|time| time == "90s"), "{rule}");
        }
    }
}

fn run(command: &mut Command, folder: &Path) {
    let output = command.current_dir(folder).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    assert!(output.status.success(), "{command:?}: {}\n{}", said[0], said[1]);
}
