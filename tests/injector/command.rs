//! The command line: what is refused, and how.

use super::hook::Files;
use super::process::Running;
use std::process::Command;

fn refused(flags: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    command.arg("injector").args(flags);
    for variable in ["KUBERNETES_SERVICE_HOST", "KUBECONFIG"] {
        command.env_remove(variable);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn a_configuration_that_cannot_be_is_one_sentence_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let missing = refused(&["--tls-cert", &file("a"), "--tls-key", &file("b")]);
    assert!(missing.starts_with("podmeter: --tls-cert is ") && missing.contains("No such file"));
    std::fs::write(file("empty"), "").unwrap();
    let empty = refused(&["--tls-cert", &file("empty"), "--tls-key", &file("empty")]);
    assert!(empty.contains("but the certificate is not in PEM, or broken"), "{empty}");
    assert!(refused(&[]).starts_with("podmeter: neither --tls-cert with --tls-key nor"));
    assert!(refused(&["--tls-crt", "a"]).contains("did you mean --tls-cert?"));
    let own = ["--cert-secret", "a", "--webhook-config", "b", "--namespace", "c"];
    assert!(refused(&own).contains("this is no pod of a cluster"));
    let kubeconfig = refused(&[&own[..], &["--kubeconfig", &file("k")]].concat());
    assert!(kubeconfig.contains("--kubeconfig is ") && kubeconfig.contains("could not be read"));
    let misspelt = refused(&["--tls-cert", "a", "--tls-key", "b", "--set", "dialekt=istio"]);
    assert!(misspelt.contains("dialekt"), "{misspelt}");
}

#[test]
fn a_stats_listener_that_nobody_asked_for_stops_nothing() {
    // Whoever has the port, one of these does not get it, and both answer.
    let files = Files::new();
    let (cert, key) = (files.cert(), files.key());
    let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let start = |name: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
        command.args(["injector", "--listen", "127.0.0.1:0"]).args(flags).args(more);
        Running::start(name, &mut command, files.folder.path())
    };
    let mut programs = [start("one", &[]), start("two", &[])];
    for program in &mut programs {
        program.wait_for("it answers", |program| {
            program.said().contains("answering reviews").then_some(())
        });
    }
    let said: String = programs.iter().map(Running::said).collect();
    assert!(
        said.contains("nobody can ask how the webhook is: --stats-listen 0.0.0.0:15014"),
        "{said}"
    );
    let mut asked = start("asked", &["--stats-listen", "15014"]);
    assert_eq!(asked.ended().code(), Some(1), "{}", asked.said());
}

#[test]
fn the_help_names_every_flag_with_its_variable() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_podmeter")).args(["injector", "--help"]).output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    let flags = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    let mut count = 0;
    for flag in flags.filter(|flag| !["help", "version"].contains(flag)) {
        let flag = flag.trim_end_matches(|c: char| !c.is_ascii_lowercase());
        let variable = format!("PODMETER_INJECTOR_{}", flag.replace('-', "_").to_uppercase());
        assert!(help.contains(&format!("[env: {variable}]")), "{flag}\n{help}");
        count += 1;
    }
    assert!(count > 18, "{help}");
    let documented = include_str!("../../docs/injector.md");
    let told = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
    for flag in told.filter(|flag| !["--help", "--version"].contains(flag)) {
        let flag = flag.trim_end_matches(|c: char| !c.is_ascii_lowercase());
        assert!(documented.contains(&format!("`{flag}`")), "{flag} is not in docs/injector.md");
    }
}
