use super::*;
use clap::Parser;
use std::io;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: InjectorArgs,
}

/// Loads flags, separated by spaces, over variables.
fn load(flags: &str, variables: &[(&str, &str)]) -> Result<InjectorConfig, String> {
    let words = std::iter::once("podmeter").chain(flags.split_whitespace());
    let flags = Flags::try_parse_from(words).unwrap().settings;
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let resolve = |_: &str, _: u16| Err(io::Error::other("nobody is asked"));
    let surroundings = Surroundings { variable: &variable, resolve: &resolve };
    load_injector(flags, surroundings).map_err(|error| error.to_string())
}

fn own(flags: &str, variables: &[(&str, &str)]) -> Result<OwnAuthority, String> {
    let common = "--cert-secret certs --webhook-config hook --namespace mesh";
    let config = load(&format!("{common} {flags}"), variables)?;
    match config.certificates {
        Certificates::OwnAuthority(own) => Ok(own),
        Certificates::Files { .. } => panic!("files"),
    }
}

const POD: [(&str, &str); 2] =
    [("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("KUBERNETES_SERVICE_PORT", "6443")];

#[test]
fn two_files_are_all_it_takes() {
    let config = load("--tls-cert a --tls-key b", &[]).unwrap();
    let files = Certificates::Files { certificate: "a".into(), key: "b".into() };
    assert_eq!(config.certificates, files);
    assert_eq!(config.listen, "0.0.0.0:8443".parse().unwrap());
    assert_eq!(config.stats_listen, Some("0.0.0.0:15014".parse().unwrap()));
    assert_eq!((config.policy.deny, config.policy.consent), (false, Consent::Given));
    assert_eq!(config.shutdown_delay, Duration::from_secs(5));
}

#[test]
fn a_flag_beats_its_variable_and_an_empty_one_says_nothing() {
    let variables = [
        ("PODMETER_INJECTOR_TLS_CERT", "a"),
        ("PODMETER_INJECTOR_TLS_KEY", "b"),
        ("PODMETER_INJECTOR_LISTEN", "9443"),
        ("PODMETER_INJECTOR_STATS_LISTEN", ""),
        ("PODMETER_INJECTOR_FAILURE_POLICY", "Fail"),
    ];
    let config = load("--listen 127.0.0.1:1", &variables).unwrap();
    assert_eq!(config.listen, "127.0.0.1:1".parse().unwrap());
    assert_eq!(config.stats_listen, Some("0.0.0.0:15014".parse().unwrap()));
    assert!(config.policy.deny);
}

#[test]
fn a_pod_is_told_where_the_api_server_is_and_a_flag_beats_that() {
    let pod = own("", &POD).unwrap();
    let account = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount");
    let host = "10.96.0.1".to_owned();
    assert_eq!(pod.cluster, ClusterAt::Pod { host, port: 6443, account });
    let names = [
        "podmeter-injector",
        "podmeter-injector.mesh",
        "podmeter-injector.mesh.svc",
        "podmeter-injector.mesh.svc.cluster.local",
    ];
    assert_eq!(pod.names(), names);
    assert_eq!(own("--kubeconfig k", &POD).unwrap().cluster, ClusterAt::Kubeconfig("k".into()));
    let outside = own("", &[("KUBECONFIG", "one:two")]).unwrap();
    assert_eq!(outside.cluster, ClusterAt::Kubeconfig("one".into()));
}

#[test]
fn what_cannot_be_is_said_in_one_sentence() {
    let files = "--tls-cert a --tls-key b";
    for (flags, said) in [
        (String::new(), "neither --tls-cert with --tls-key nor --cert-secret is given"),
        ("--tls-cert a".to_owned(), "--tls-cert is given without --tls-key"),
        ("--tls-key a".to_owned(), "--tls-key is given without --tls-cert"),
        (format!("{files} --cert-secret c"), "--tls-cert and --cert-secret are both given"),
        ("--cert-secret c".to_owned(), "--cert-secret is given without --webhook-config"),
        (format!("{files} --listen off"), "--listen is \"off\", but it takes an address"),
        (
            format!("{files} --listen 1 --stats-listen 1"),
            "--listen on 0.0.0.0:1 and --stats-listen",
        ),
        (format!("{files} --unmarked x"), "--unmarked is \"x\", but it takes inject or skip"),
        (format!("{files} --failure-policy x"), "--failure-policy is \"x\", but it takes ignore"),
        (format!("{files} --set x"), "--set is \"x\", but it takes NAME=VALUE"),
        (format!("{files} --log-level loud"), "--log-level is \"loud\""),
    ] {
        let sentence = load(&flags, &[]).unwrap_err();
        assert!(sentence.starts_with(said), "{flags}: {sentence}");
    }
    for (flags, said) in [
        ("--cert-secret a/../b", "--cert-secret is \"a/../b\", but it takes a name"),
        ("--service a.b", "--service is \"a.b\", but it takes a name of at most 63"),
        ("--cert-lifetime 1s", "--cert-lifetime is \"1s\", but it takes a duration from 3s"),
        ("--ca-lifetime 2161h", "--ca-lifetime is \"2161h\", but it takes at least three times"),
    ] {
        let common = "--webhook-config hook --namespace mesh";
        let secret = if flags.contains("--cert-secret") { "" } else { "--cert-secret certs" };
        let sentence = load(&format!("{common} {secret} {flags}"), &POD).unwrap_err();
        assert!(sentence.starts_with(said), "{flags}: {sentence}");
    }
    assert!(own("", &[]).unwrap_err().starts_with("--cert-secret is given, but this is no pod"));
}

#[test]
fn a_sentence_says_which_variable_is_to_blame() {
    let variables = [("PODMETER_INJECTOR_UNMARKED", "maybe")];
    let sentence = load("--tls-cert a --tls-key b", &variables).unwrap_err();
    let blamed = "(--unmarked is set by PODMETER_INJECTOR_UNMARKED)";
    assert!(sentence.ends_with(blamed), "{sentence}");
}
