//! Values that fit one by one and not together, or that the program alone can judge: what is refused,
//! and that the program would have.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::helm::{Helm, case, chart, templates_of};
use crate::injector::arguments;

#[test]
fn values_that_do_not_fit_together_are_refused_with_a_sentence() {
    let name = "values_that_do_not_fit_together_are_refused_with_a_sentence";
    let Some(both) = Helm::both(name) else { return };
    let canaries = |canaries: Value| json!({ "monitors": { "canaries": canaries } });
    let refused = [
        (
            json!({ "certificates": { "lifetime": "2160h", "caLifetime": "6479h" } }),
            "certificates.caLifetime is 6479h, but it takes at least three times certificates.lifetime, which is 2160h",
        ),
        (
            json!({ "certificates": { "caLifetime": "175201h" } }),
            "certificates.caLifetime is 175201h, but it takes at most 175200h, which is 20 years",
        ),
        (
            json!({ "injector": { "metricsPort": 8443 } }),
            "injector.port and injector.metricsPort are both 8443; give each a port of its own",
        ),
        (
            canaries(
                json!([{ "name": "a", "namespace": "b" }, { "name": "a", "namespace": "b", "label": "name" }]),
            ),
            "monitors.canaries has a in namespace b and a in namespace b, whose monitors would have one name; leave one out",
        ),
        (
            canaries(
                json!([{ "name": "a", "namespace": "b-c" }, { "name": "c-a", "namespace": "b" }]),
            ),
            "monitors.canaries has c-a in namespace b and a in namespace b-c, whose",
        ),
        (
            json!({ "monitors": { "services": [{ "name": "a", "namespace": "b", "selector": { "app": "a" } },
                                               { "name": "a", "namespace": "b", "selector": { "app": "c" } }] } }),
            "monitors.services has a in namespace b and a",
        ),
    ];
    let cases: Vec<Value> = refused.iter().map(|(values, _)| case(values)).collect();
    for (answer, (values, sentence)) in templates_of(&both, &cases).into_iter().zip(&refused) {
        let Err(errors) = answer else { panic!("{values} is taken") };
        for error in errors {
            assert!(error.contains(sentence), "{values}: {error}");
        }
    }
    // What comes close is taken.
    let close = [
        json!({ "certificates": { "lifetime": "2160h", "caLifetime": "6480h" } }),
        json!({ "certificates": { "mode": "cert-manager", "caLifetime": "1h" } }),
        canaries(json!([{ "name": "a", "namespace": "b" }, { "name": "a", "namespace": "c" }])),
        json!({ "injector": { "enabled": false, "metricsPort": 8443 } }),
    ];
    let [_, helm] = both;
    for values in &close {
        helm.template(values);
    }
}

#[test]
fn a_flag_that_the_chart_sets_is_not_taken_twice() {
    let Some(helm) = Helm::find("a_flag_that_the_chart_sets_is_not_taken_twice") else { return };
    let files =
        json!({ "certificates": { "mode": "files", "secretName": "mine", "caBundle": "Y2E=" } });
    let mut flags = BTreeSet::new();
    for values in [json!({}), files] {
        let own = arguments(&helm.template(&values));
        let set = own.iter().skip(1).map(|argument| argument.split('=').next().unwrap().to_owned());
        flags.extend(set);
    }
    assert_eq!(flags.len(), 15, "{flags:?}");
    let extra = |argument: &str| case(&json!({ "injector": { "extraArgs": [argument] } }));
    for flag in &flags {
        let cases = [extra(flag), extra(&format!("{flag}=x=y"))];
        for answer in helm.templates(&cases) {
            let Err(error) = answer else { panic!("{flag} is taken") };
            let sentence =
                format!("injector.extraArgs has {flag}, which the chart sets by itself; set ");
            assert!(error.contains(&sentence), "{error}");
        }
    }
    let twice = json!({ "injector": { "extraArgs": ["--unmarked=skip", "--unmarked", "skip"] } });
    let Err(error) = helm.templates(&[case(&twice)]).remove(0) else { panic!("{twice} is taken") };
    assert!(error.contains("injector.extraArgs has --unmarked twice; give it once"), "{error}");
    let many = ["--set=dialect=istio", "--set=workers=2", "--shutdown-delay", "1s"];
    helm.template(&json!({ "injector": { "extraArgs": many } }));
    // One that may be there more than once, and one that the chart leaves alone.
    for argument in ["--set=dialect=istio", "--unmarked=skip"] {
        helm.templates(&[extra(argument)]).remove(0).unwrap();
    }
}

#[test]
fn the_settings_of_the_chart_are_those_of_the_program() {
    let schema = std::fs::read(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let settings = &schema["properties"]["sidecar"]["properties"]["settings"];
    let known: Vec<String> =
        serde_json::from_value(settings["propertyNames"]["enum"].clone()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    let output = command.args(["inject", "--help"]).env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, listed) = help.split_once("\nSettings, ").unwrap();
    let flags = listed.lines().filter_map(|line| line.strip_prefix("      --"));
    let names: Vec<&str> = flags.map(|flag| flag.split([' ', '[', '=']).next().unwrap()).collect();
    assert_eq!(known, names);
}

#[test]
fn a_number_of_the_settings_is_written_as_the_program_reads_it() {
    let name = "a_number_of_the_settings_is_written_as_the_program_reads_it";
    let Some(helm) = Helm::find(name) else { return };
    let settings = json!({ "max-series": 1_000_000, "cpu-limit": 0.5, "workers": "2" });
    let own = arguments(&helm.template(&json!({ "sidecar": { "settings": settings } })));
    for expected in ["--set=max-series=1000000", "--set=cpu-limit=0.5", "--set=workers=2"] {
        assert!(own.contains(&expected.to_owned()), "{expected}: {own:?}");
    }
}

#[test]
fn the_notes_speak_of_what_is_there() {
    let Some(helm) = Helm::find("the_notes_speak_of_what_is_there") else { return };
    let notes = |values: Value| helm.template(&values).notes;
    let says = |values: Value, words: &str| {
        let notes = notes(values.clone());
        assert!(notes.contains(words), "{values}: {words:?} is not in\n{notes}");
    };
    let is_silent = |values: Value, words: &str| {
        let notes = notes(values.clone());
        assert!(!notes.contains(words), "{values}: {words:?} is in\n{notes}");
    };
    says(json!({}), "`helm test podmeter -n podmeter-system` asks the injector.");
    is_silent(json!({ "injector": { "enabled": false } }), "helm test");
    is_silent(json!({ "tests": { "enabled": false } }), "helm test");
    // A command that goes on is in no line with one that waits for it.
    is_silent(json!({}), "& ");
    let hint = "With monitors.canaries, ";
    says(json!({}), hint);
    is_silent(json!({ "monitors": { "canaries": [{ "name": "a", "namespace": "b" }] } }), hint);
    is_silent(json!({ "prometheusOperator": { "enabled": false } }), hint);
    let mut values = json!({ "monitors": { "sidecars": { "enabled": false }, "injector": { "enabled": false } } });
    says(values.clone(), "\nRules are in namespace podmeter-system");
    says(values.clone(), "ruleSelector");
    values["rules"] = json!({ "enabled": false });
    says(values.clone(), "\nThere are no monitors and no rules");
    is_silent(values.clone(), "are in namespace");
    values["monitors"]["canaries"] = json!([{ "name": "a", "namespace": "b" }]);
    says(values, "\nMonitors are in namespace podmeter-system");
}
