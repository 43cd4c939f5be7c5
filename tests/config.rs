//! What `podmeter proxy` can be told: where values come from, and what they are read as.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use podmeter::config::{
    self, Config, LoadError, LogFormat, ProxyArgs, SourceMode, Surroundings, variable,
};
use podmeter::dialect::Dialect;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every setting with three values that it takes, in the order of the help.
const SAMPLES: [(&str, [&str; 3]); 43] = [
    ("forward", ["1.0.0.1:81=1.0.0.2:91", "1.0.0.1:82=1.0.0.2:92", "[::1]:83=[::1]:93"]),
    ("inbound-listen", ["0.0.0.0:401", "off", "[::]:403"]),
    ("inbound-mode", ["tproxy", "redirect", "tproxy"]),
    ("outbound-listen", ["127.0.0.1:501", "[::1]:502", "off"]),
    ("probes", ["requests", "apart", "requests"]),
    ("opaque-ports", ["3306", "6000-6010", "5432"]),
    ("workers", ["2", "3", "4"]),
    ("stats-listen", ["127.0.0.1:101", "0.0.0.0:102", "off"]),
    ("admin-listen", ["127.0.0.1:201", "[::1]:202", "off"]),
    ("health-listen", ["127.0.0.1:301", "0.0.0.0:302", "off"]),
    (
        "app-probes",
        [
            r#"{"/app-health/a/livez":{"tcpSocket":{"port":1},"timeoutSeconds":1}}"#,
            r#"{"/b":{"httpGet":{"port":2,"path":"/x?y=z","scheme":"HTTPS"},"timeoutSeconds":9}}"#,
            r#"{"/c":{"tcpSocket":{"port":3},"timeoutSeconds":3}}"#,
        ],
    ),
    ("dialect", ["linkerd", "envoy", "osm"]),
    ("path-templates", ["/users/{id}", "auto", "off"]),
    ("envoy-cluster-name", ["in/{namespace}/{revision}", "x|{port}", "all"]),
    ("envoy-label", ["service={service}_{port}", "a={pod}", "b=c"]),
    (
        "app-metrics",
        [
            "http://127.0.0.1:9101/metrics,name=a",
            "https://127.0.0.1:9102/metrics?x=y,name=b,mode=label,timeout=2s,ca=/ca.pem",
            "unix:/run/app.sock:/m,name=c,mode=sum,gauges=max,gauge.a=last,workers=4",
        ],
    ),
    ("app-metrics-max-bytes", ["1MiB", "2KiB", "3"]),
    ("app-process", ["each", "off", "sum"]),
    ("workload", ["shop", "cart", "till"]),
    ("workload-kind", ["StatefulSet", "DaemonSet", "Job"]),
    ("namespace", ["sales", "stock", "bank"]),
    ("pod", ["shop-1", "shop-2", "shop-3"]),
    ("pod-template-hash", ["5d8c9b", "6d8c9b", "7d8c9b"]),
    ("app", ["web", "api", "job"]),
    ("version-label", ["v1", "v2", "v3"]),
    ("service", ["shop", "shop.sales", "shop.sales.svc"]),
    ("revision", ["blue", "green", "red"]),
    ("cluster", ["east", "west", "north"]),
    ("max-connections", ["11", "12", "13"]),
    ("connect-timeout", ["1s", "250ms", "2m"]),
    ("idle-timeout", ["1h", "5m", "off"]),
    ("max-head-bytes", ["8KiB", "1MiB", "4097"]),
    ("max-series", ["21", "22", "23"]),
    ("max-paths", ["31", "32", "33"]),
    ("series-idle-timeout", ["1h", "90s", "off"]),
    ("native-histograms", ["off", "beside", "instead"]),
    ("native-schema", ["0", "8", "2"]),
    ("native-max-buckets", ["20", "160", "1"]),
    ("exemplars", ["off", "on", "off"]),
    ("drain-timeout", ["0s", "1s", "2s"]),
    ("linger", ["15s", "16s", "17s"]),
    ("log-level", ["debug", "info,podmeter=trace", "off"]),
    ("log-format", ["json", "text", "json"]),
];

#[test]
fn a_flag_beats_the_variable_which_beats_the_file_which_beats_the_default() {
    let defaults = dump(&load(&[needed("")], &[], "").unwrap());
    for (setting, [one, two, three]) in SAMPLES {
        let flag = [needed(setting), format!("--{setting}={one}")];
        let variable = [(variable(setting), two)];
        let file = format!("{setting}: '{three}'\n");
        let got = |flags: &[String], variables: &[(String, &str)], file: &str| {
            dump(&load(flags, variables, file).unwrap())[setting].clone()
        };
        let none = &flag[..1];
        assert_eq!(got(&flag, &variable, &file), shown(setting, one), "flag of {setting}");
        assert_eq!(got(none, &variable, &file), shown(setting, two), "variable of {setting}");
        assert_eq!(got(none, &[], &file), shown(setting, three), "key {setting}");
        if setting != "forward" {
            assert_eq!(got(none, &[], ""), defaults[setting], "default of {setting}");
        }
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let plain = load(&[needed("")], &[], "").unwrap();
    let empty: Vec<(String, &str)> = SAMPLES
        .iter()
        .map(|(setting, _)| variable(setting))
        .chain(["PODMETER_CONFIG".into()])
        .map(|variable| (variable, ""))
        .collect();
    assert_eq!(load(&[needed("")], &empty, "").unwrap(), plain);
    let file = "workers: 7\n";
    assert_eq!(load(&[needed("")], &empty, file).unwrap().workers, 7);
}

#[test]
fn every_setting_in_a_file_equals_the_same_by_flags_and_by_variables() {
    for pick in 0..3 {
        let all = || SAMPLES.iter().map(|(setting, values)| (*setting, values[pick]));
        let flags: Vec<String> = all().map(|(key, value)| format!("--{key}={value}")).collect();
        let variables: Vec<_> = all().map(|(key, value)| (variable(key), value)).collect();
        let quoted: Vec<_> = all().map(|(key, value)| format!("{key}: '{value}'\n")).collect();
        let plain: Vec<_> = all().map(|(key, value)| format!("{key}: {value}\n")).collect();
        let (quoted, plain) = (quoted.concat(), plain.concat());
        let by_flags = load(&flags, &[], "").unwrap();
        assert_eq!(load(&[], &variables, "").unwrap(), by_flags);
        assert_eq!(load(&[], &[], &quoted).unwrap(), by_flags);
        // YAML wants quotes around what begins with a bracket or a brace.
        if !plain.contains(": [") && !plain.contains(": {") {
            assert_eq!(load(&[], &[], &plain).unwrap(), by_flags);
        }
    }
}

#[test]
fn a_file_takes_numbers_lists_one_text_for_a_list_and_nothing() {
    let file = "
        forward: [8080=8081, '8082=8083']
        opaque-ports: [8081, 6000-6010]
        stats-listen: 15099
        max-connections: 500
        service: shop
        app-metrics:
          - 9102
          - :9103/stats,mode=label
        dialect: envoy
        idle-timeout:
        linger: 0
    ";
    let by_file = load(&[], &[], &file.replace("\n        ", "\n")).unwrap();
    let flags = "--forward=8080=8081 --forward=8082=8083 --opaque-ports=8081 \
        --opaque-ports=6000-6010 --stats-listen=15099 --max-connections=500 --service=shop \
        --app-metrics=9102 --app-metrics=:9103/stats,mode=label --dialect=envoy --linger=0s";
    let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
    assert_eq!(by_file, load(&flags, &[], "").unwrap());
}

#[test]
fn a_variable_holds_a_list_between_commas_or_white_space() {
    let config = load(
        &[],
        &[
            (variable("forward"), " 8080=8081,8082=8083\n8084=8085 "),
            (variable("app-metrics"), "9102,name=a  :9103/x,mode=label"),
            (variable("service"), "shop, Shop.sales shop"),
            (variable("opaque-ports"), "5,7-9 6"),
            (variable("dialect"), "envoy envoy,istio"),
        ],
        "",
    )
    .unwrap();
    assert_eq!(config.forwards.len(), 3);
    let names: Vec<_> = config.app_metrics.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["a", "127.0.0.1:9103/x"]);
    assert_eq!(config.identity.services, ["shop", "shop.sales"]);
    assert_eq!(config.opaque_ports, [5..=9]);
    assert_eq!(config.dialects, ["envoy", "istio"].map(dialect));
}

#[test]
fn the_file_may_be_named_by_a_variable_and_the_flag_beats_it() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one.yaml"), dir.path().join("two.yaml"));
    std::fs::write(&one, "forward: 1=2\nworkers: 1\n").unwrap();
    std::fs::write(&two, "forward: 1=2\nworkers: 2\n").unwrap();
    let variable = |name: &str| (name == "PODMETER_CONFIG").then(|| one.clone().into());
    let around = Surroundings { variable: &variable, resolve: &hosts };
    let workers = |file| config::load(ProxyArgs::default(), file, around).unwrap().workers;
    assert_eq!([workers(None), workers(Some(two))], [1, 2]);
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let args = ProxyArgs { forward: vec!["8080=8081".to_owned()], ..ProxyArgs::default() };
    let config = Config::try_from(args).unwrap();
    assert_eq!(config.forwards[0].listen, at("0.0.0.0:8080"));
    assert_eq!(config.forwards[0].target, at("127.0.0.1:8081"));
    assert_eq!(config.stats_listen, Some(at("0.0.0.0:15090")));
    assert_eq!(config.admin_listen, Some(at("127.0.0.1:15000")));
    assert_eq!(config.health_listen, Some(at("0.0.0.0:15021")));
    assert!(config.app_metrics.is_empty() && config.opaque_ports.is_empty());
    assert_eq!(config.app_metrics_max_bytes, 16 << 20);
    assert_eq!(config.dialects, ["istio", "envoy"].map(dialect));
    let deployment = Some("Deployment".to_owned());
    let nobody = config::Identity { workload_kind: deployment, ..config::Identity::default() };
    assert_eq!(config.identity, nobody);
    assert_eq!(config.limits.max_connections, 10_000);
    assert_eq!(config.limits.connect_timeout, Duration::from_secs(10));
    assert_eq!(config.limits.idle_timeout, None);
    assert_eq!(config.limits.max_head_bytes, 64 << 10);
    assert_eq!((config.workers, config.max_series), (1, 10_000));
    assert!(config.paths.learn && config.paths.templates.is_empty() && config.paths.most == 200);
    assert_eq!(config.series_idle_timeout, None);
    assert_eq!((config.drain_timeout, config.linger), (Duration::from_secs(30), Duration::ZERO));
    assert_eq!((config.log.level.as_str(), config.log.format), ("info", LogFormat::Text));
}

#[test]
fn intercepted_connections_are_expected_unless_only_forwards_are_named() {
    let listens = |flags: &str| {
        let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let config = load(&flags, &[], "").unwrap();
        (config.inbound_listen, config.outbound_listen)
    };
    let inbound = Some(at("0.0.0.0:15006"));
    assert_eq!(listens(""), (inbound, None));
    assert_eq!(listens("--forward=1=2"), (None, None));
    assert_eq!(listens("--forward=1=2 --inbound-listen=15006"), (inbound, None));
    let outbound = Some(at("127.0.0.1:15001"));
    assert_eq!(listens("--outbound-listen=15001"), (inbound, outbound));
    assert_eq!(listens("--outbound-listen=15001 --inbound-listen=off"), (None, outbound));
    let error = load(&["--inbound-listen=off".to_owned()], &[], "").unwrap_err().to_string();
    assert!(error.starts_with("--inbound-listen is off, and neither --forward"), "{error}");
}

#[test]
fn a_forward_reads_in_every_notation() {
    for (text, listen, target) in [
        ("0.0.0.0:8080=127.0.0.1:8081", "0.0.0.0:8080", "127.0.0.1:8081"),
        ("8080=8081", "0.0.0.0:8080", "127.0.0.1:8081"),
        ("0=8081", "0.0.0.0:0", "127.0.0.1:8081"),
        ("[::]:8080=[::1]:8081", "[::]:8080", "[::1]:8081"),
        ("[::]:8080=127.0.0.1:8080", "[::]:8080", "127.0.0.1:8080"),
        ("localhost:8080=localhost:8081", "127.0.0.1:8080", "127.0.0.1:8081"),
        ("8080=app.example:80", "0.0.0.0:8080", "10.0.0.9:80"),
        ("8080=10.0.0.1:8080", "0.0.0.0:8080", "10.0.0.1:8080"),
    ] {
        let config = load(&[format!("--forward={text}")], &[], "").unwrap();
        assert_eq!(config.forwards[0].listen, at(listen), "{text}");
        assert_eq!(config.forwards[0].target, at(target), "{text}");
    }
}

#[test]
fn a_host_without_an_address_is_named_with_the_resolvers_reason() {
    let sentence = |flag: &str| load(&[flag.to_owned()], &[], "").unwrap_err().to_string();
    assert_eq!(
        sentence("--forward=8080=nowhere.example:80"),
        "--forward is \"8080=nowhere.example:80\", but the host \"nowhere.example\" could not be \
         resolved: no such host"
    );
    assert_eq!(
        sentence("--stats-listen=nowhere:80"),
        "--stats-listen is \"nowhere:80\", but the host \"nowhere\" could not be resolved: no \
         such host"
    );
}

#[test]
fn an_app_source_reads_in_every_notation_and_has_a_name_of_its_own() {
    let long = format!("http://h/{}", "p".repeat(300));
    for (text, url, name, label) in [
        ("9102", "http://127.0.0.1:9102/metrics", "127.0.0.1:9102/metrics", false),
        (":9102", "http://127.0.0.1:9102/metrics", "127.0.0.1:9102/metrics", false),
        (":9102/m?a=b", "http://127.0.0.1:9102/m?a=b", "127.0.0.1:9102/m", false),
        ("app:9102/m", "http://app:9102/m", "app:9102/m", false),
        ("http://app", "http://app/metrics", "app:80/metrics", false),
        ("HTTP://app/", "http://app/", "app:80/", false),
        ("http://[::1]:9102/,mode=label", "http://[::1]:9102/", "[::1]:9102/", true),
        ("9102,mode=label,name=web", "http://127.0.0.1:9102/metrics", "web", true),
        (&long, &long, &format!("h:80/{}", "p".repeat(185)), false),
    ] {
        let config = load(&[needed(""), format!("--app-metrics={text}")], &[], "").unwrap();
        let source = &config.app_metrics[0];
        assert_eq!(source.url.to_string(), url, "{text}");
        let mode = if label { SourceMode::Label } else { SourceMode::Plain };
        assert_eq!((source.name.as_str(), &source.mode), (name, &mode), "{text}");
    }
    let all = "--app-metrics=:1/m?a :1/m?b :2,name=127.0.0.1:1/m-2 :1/m?c".to_owned();
    let config = load(&[needed(""), all], &[], "").unwrap();
    let names: Vec<_> = config.app_metrics.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["127.0.0.1:1/m", "127.0.0.1:1/m-3", "127.0.0.1:1/m-2", "127.0.0.1:1/m-4"]);
}

#[test]
fn an_empty_name_from_the_downward_api_is_no_name() {
    let args = ProxyArgs {
        forward: vec!["8080=8081".to_owned()],
        workload: Some(String::new()),
        workload_kind: Some(String::new()),
        pod: Some(" \n".to_owned()),
        service: vec![String::new()],
        ..ProxyArgs::default()
    };
    assert_eq!(Config::try_from(args).unwrap().identity, config::Identity::default());
}

#[test]
fn what_is_dumped_is_under_the_flags_names_in_their_notation() {
    let flags = ["8080=8081", "0=3306"].map(|forward| format!("--forward={forward}"));
    let more = ["--workload=shop", "--opaque-ports=3306,9-8000", "--app-metrics=9102,mode=label"];
    let flags: Vec<String> = flags.into_iter().chain(more.map(str::to_owned)).collect();
    let config = load(&flags, &[], "").unwrap();
    assert_eq!(
        dump(&config),
        json!({
            "forward": ["0.0.0.0:8080=127.0.0.1:8081", "0.0.0.0:0=127.0.0.1:3306"],
            "inbound-listen": "off",
            "inbound-mode": "redirect",
            "outbound-listen": "off",
            "probes": "apart",
            "opaque-ports": ["9-8000"],
            "workers": 1,
            "stats-listen": "0.0.0.0:15090",
            "admin-listen": "127.0.0.1:15000",
            "health-listen": "0.0.0.0:15021",
            "dialect": ["istio", "envoy"],
            "path-templates": ["auto"],
            "envoy-cluster-name": "inbound|{port}||",
            "envoy-label": [],
            "app-metrics": [
                "http://127.0.0.1:9102/metrics,name=127.0.0.1:9102/metrics,mode=label"
            ],
            "app-metrics-max-bytes": "16MiB",
            "app-process": "sum",
            "workload": "shop",
            "workload-kind": "Deployment",
            "service": [],
            "max-connections": 10000,
            "connect-timeout": "10s",
            "idle-timeout": "off",
            "max-head-bytes": "64KiB",
            "max-series": 10000,
            "max-paths": 200,
            "series-idle-timeout": "off",
            "native-histograms": "beside",
            "native-schema": 3,
            "native-max-buckets": 160,
            "exemplars": "on",
            "drain-timeout": "30s",
            "linger": "0s",
            "log-level": "info",
            "log-format": "text",
        })
    );
}

#[test]
fn what_is_dumped_is_a_file_that_gives_the_same_again() {
    for pick in 0..3 {
        let flags = SAMPLES.map(|(setting, values)| format!("--{setting}={}", values[pick]));
        let config = load(&flags, &[], "").unwrap();
        assert_eq!(load(&[], &[], &dump(&config).to_string()).unwrap(), config);
        let again = Config::from_args(ProxyArgs::from(&config), &hosts).unwrap();
        assert_eq!(again, config);
    }
}

#[test]
fn the_documentation_lists_every_setting_with_its_variable_key_and_default() {
    let document = include_str!("../docs/configuration.md");
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `--")).collect();
    let command = Line::augmented();
    let mut expected = vec!["| `--config FILE` | `PODMETER_CONFIG` | | |".to_owned()];
    let defaults = dump(&load(&[needed("")], &[], "").unwrap());
    for arg in command.get_arguments() {
        let Some(flag) = arg.get_long().filter(|flag| *flag != "help") else { continue };
        let name = arg.get_value_names().unwrap()[0].as_str();
        let default = match &defaults[flag] {
            _ if flag == "forward" => String::new(),
            // Where a forward is given it is off, and here one is.
            _ if flag == "inbound-listen" => "`0.0.0.0:15006` ".to_owned(),
            Value::Null => String::new(),
            Value::Array(items) if items.is_empty() => String::new(),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                format!("`{}` ", items.join(","))
            }
            // In a table of Markdown, a bar is one only behind a backslash.
            Value::String(text) => format!("`{}` ", text.replace('|', "\\|")),
            other => format!("`{other}` "),
        };
        expected
            .push(format!("| `--{flag} {name}` | `{}` | `{flag}` | {default}|", variable(flag)));
    }
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(expected) {
        assert!(row.starts_with(&expected), "not {expected}: {row}");
    }
    for row in rows {
        let meaning = row.rsplit('|').nth(1).unwrap_or_default().trim();
        assert!(meaning.len() > 10, "no meaning: {row}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_for_any_setting_is_a_config_or_one_line(
        setting in 0..SAMPLES.len(),
        text in prop_oneof![
            any::<String>(),
            "[0-9]{0,25}[a-zA-Z]{0,3}",
            "[-:=,.@/?%#0-9a-z\\[\\] ]{0,40}",
            "(http|https|unix)://[-a-z0-9@:/.,=]{0,30}",
        ],
    ) {
        let (setting, _) = SAMPLES[setting];
        let file = format!("{}\n", json!({ setting: text, "forward": "1=2" }));
        let mut flags = vec![needed(setting)];
        flags.push(format!("--{setting}={text}"));
        let by_flag = load(&flags, &[], "");
        let by_variable = load(&flags[..1], &[(variable(setting), text.as_str())], "");
        for got in [by_flag, by_variable, load(&[], &[], &file)] {
            match got {
                Ok(config) => {
                    let again = Config::from_args(ProxyArgs::from(&config), &hosts);
                    prop_assert_eq!(again, Ok(config));
                }
                Err(error) => {
                    let sentence = error.to_string();
                    prop_assert!(!sentence.contains(char::is_control), "{}", sentence);
                    prop_assert!(sentence.chars().count() < 1_500, "{}", sentence);
                }
            }
        }
    }

    #[test]
    fn any_file_is_a_config_or_one_line(
        text in prop_oneof![
            any::<String>(),
            "((workers|forward|service|<<|a)[:] ?[-a&*!|>0-9\\[\\]{}, \\n'\"#?%@~.]{0,12}\\n?){0,6}",
        ],
    ) {
        if let Err(error) = load(&[needed("")], &[], &text) {
            prop_assert!(!error.to_string().contains(char::is_control), "{}", error);
        }
    }
}

/// The settings as the command line reads them.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ProxyArgs,
}

impl Line {
    fn augmented() -> clap::Command {
        <Self as clap::CommandFactory>::command()
    }
}

/// What the layers come to, in a world with few hosts.
fn load(flags: &[String], variables: &[(String, &str)], file: &str) -> Result<Config, LoadError> {
    let line = std::iter::once("podmeter").chain(flags.iter().map(String::as_str));
    let args = Line::try_parse_from(line).unwrap().args;
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("podmeter.yaml");
    std::fs::write(&path, file).unwrap();
    let variable = |name: &str| {
        variables.iter().find(|(key, _)| key == name).map(|(_, value)| OsString::from(value))
    };
    config::load(args, Some(path), Surroundings { variable: &variable, resolve: &hosts })
}

fn hosts(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let ips = match host {
        "localhost" => vec!["::1", "127.0.0.1"],
        "app.example" => vec!["10.0.0.9"],
        _ => return Err(io::Error::other("no such host")),
    };
    Ok(ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
}

/// The one flag that has to be there, unless it is the one under test.
fn needed(setting: &str) -> String {
    if setting == "forward" { "--workers=1".to_owned() } else { "--forward=1=2".to_owned() }
}

/// A sample as a dump shows it.
fn shown(setting: &str, sample: &str) -> Value {
    match setting {
        "forward" | "opaque-ports" | "dialect" | "path-templates" | "envoy-label"
        | "app-metrics" | "service" => {
            json!([sample])
        }
        "workers" | "max-connections" | "max-series" | "max-paths" | "native-schema"
        | "native-max-buckets" => {
            json!(sample.parse::<u64>().unwrap())
        }
        _ => json!(sample),
    }
}

fn dump(config: &Config) -> Value {
    serde_json::to_value(config).unwrap()
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn dialect(name: &str) -> Dialect {
    Dialect::named(name).unwrap()
}
