//! What a person reads who mistypes: the real program's one line, exit code and help.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Output};

mod origins;
mod redirect;

const PROXY: &str = "proxy --forward 8080=8081";

#[test]
fn a_bad_command_line_is_one_line_and_exit_code_2() {
    for (line, sentence) in [
        ("", "a command is missing, such as podmeter proxy; podmeter --help names them"),
        ("prox", "prox is no command; did you mean proxy?"),
        ("launch", "launch is no command; podmeter --help names them"),
        ("--frob", "--frob is not known; --help names what is"),
        ("proxy --forwrd 1=2", "--forwrd is not known; did you mean --forward?"),
        ("proxy --stats_listen 1", "--stats_listen is not known; did you mean --stats-listen?"),
        ("proxy 8080=8081", "8080=8081 is not known; --help names what is"),
        ("proxy --workers", "--workers <COUNT> needs a value, which is missing"),
        ("proxy --workers --pod a", "--workers <COUNT> needs a value, which is missing"),
        ("proxy --config=", "--config <FILE> needs a value, which is missing"),
        ("proxy --pod a --pod b", "--pod <NAME> is given twice; give it once"),
        (
            "proxy --inbound-listen off",
            "--inbound-listen is off, and neither --forward nor --outbound-listen is given; turn \
             one of them on, such as --forward 8080=8081",
        ),
    ] {
        assert_refused(&podmeter(line), sentence);
    }
    let odd = std::ffi::OsString::from_vec(b"--pod=\xff".to_vec());
    let output = program().arg("proxy").arg(odd).output().unwrap();
    assert_refused(&output, "an argument is not valid UTF-8 text");
}

#[test]
#[expect(clippy::too_many_lines, reason = "most of it is one table")]
fn a_bad_value_is_named_with_what_the_setting_takes() {
    let forward = "LISTEN=TARGET, such as 8080=8081 or 0.0.0.0:8080=127.0.0.1:8081";
    let listen = "an address and port such as 0.0.0.0:15099, a port alone, or off";
    let admin = "an address and port such as 127.0.0.1:15099, a port alone, or off";
    let ports = "ports from 1 to 65535 and ranges such as 6000-6010";
    let source = "a URL such as http://127.0.0.1:9102/metrics, https://app:9443/metrics, \
                  unix:/run/app.sock:/metrics, :9102/metrics or 9102";
    let name = "name= with 1 to 200 characters and without white space, commas, quotes, \
                backslashes or control characters";
    let head = "a size from 1 byte to 16MiB, such as 65536, 64KiB, 64KB or 16MiB";
    let body = "a size from 1 byte to 1GiB, such as 65536, 64KiB, 64KB or 16MiB";
    let wait = "a duration from 0s to 8760h, such as 250ms, 15s, 2m or 1h";
    let timeout = "a duration from 1ms to 8760h, such as 250ms, 15s, 2m or 1h";
    let template = "paths such as /users/{id} and /static/{file...}, where a name in braces stands \
                    for a whole segment and dots for all that remain";
    let million = "a whole number from 1 to 1000000";
    let label = "at most 253 bytes of text without control characters";
    let services = "names of Services, such as shop or shop.sales.svc.cluster.local";
    let filter = "error, warn, info, debug, trace or off, or levels by module such as \
                  info,podmeter::scrape=debug";
    for (setting, value, expected) in [
        ("forward", "8080", forward),
        ("forward", "8080=", forward),
        ("forward", "=8081", forward),
        ("forward", "8080=70000", forward),
        ("forward", "8080=300.0.0.1:80", forward),
        ("forward", "::1:80=::1:81", forward),
        ("forward", "+80=81", forward),
        ("forward", "80=81=82", forward),
        ("forward", "off", forward),
        ("stats-listen", "", listen),
        ("stats-listen", "127.0.0.1", listen),
        ("stats-listen", "65536", listen),
        ("stats-listen", "OFF", listen),
        ("health-listen", "false", listen),
        ("admin-listen", "a b:80", admin),
        ("opaque-ports", "0", ports),
        ("opaque-ports", "9-8", ports),
        ("opaque-ports", "mysql", ports),
        ("opaque-ports", "1-2-3", ports),
        ("opaque-ports", "65536", ports),
        ("workers", "0", "a whole number from 1 to 256"),
        ("workers", "257", "a whole number from 1 to 256"),
        ("workers", "1.5", "a whole number from 1 to 256"),
        ("workers", "two", "a whole number from 1 to 256"),
        ("workers", "", "a whole number from 1 to 256"),
        ("workers", "99999999999999999999999", "a whole number from 1 to 256"),
        ("max-connections", "0", million),
        ("max-series", "1000001", million),
        ("max-paths", "10001", "a whole number from 1 to 10000"),
        ("path-templates", "/users/{}", template),
        ("path-templates", "users", template),
        ("path-templates", "off,auto", "off alone, or templates, auto, or both"),
        ("series-idle-timeout", "0s", "a duration from 1s to 8760h, such as 250ms, 15s, 2m or 1h"),
        ("max-head-bytes", "0", head),
        ("max-head-bytes", "17MiB", head),
        ("max-head-bytes", "-1", head),
        ("app-metrics-max-bytes", "16 MiB", body),
        ("app-metrics-max-bytes", "16M", body),
        ("app-metrics-max-bytes", "18446744073709551615GiB", body),
        ("connect-timeout", "0s", timeout),
        ("idle-timeout", "10", timeout),
        ("idle-timeout", "1m30s", timeout),
        ("drain-timeout", "-5s", wait),
        ("drain-timeout", "9999999999999999999h", wait),
        ("linger", "8761h", wait),
        ("linger", "1.5s", wait),
        ("dialect", "istoi", "one or more of istio, envoy, linkerd, osm, http, otel"),
        ("dialect", "", "one or more of istio, envoy, linkerd, osm, http, otel"),
        ("service", "shop:8080", services),
        ("service", "-shop", services),
        ("log-level", "verbose", filter),
        ("log-level", "info,debugg", filter),
        ("log-level", "podmeter=loud", filter),
        ("log-level", "", filter),
        ("log-format", "xml", "text or json"),
        ("app-metrics", "metrics", source),
        ("app-metrics", "/metrics", source),
        ("app-metrics", "0", source),
        ("app-metrics", ":9102?a=b", source),
        ("app-metrics", "ftp://127.0.0.1/metrics", source),
        ("app-metrics", "http://", source),
        ("app-metrics", "http://:9102/", source),
        ("app-metrics", "http://app:99999/", source),
        ("app-metrics", "http://app:/", source),
        ("app-metrics", "http://[::1/metrics", source),
        ("app-metrics", "9102,name=", name),
        ("app-metrics", "9102,name=a\"b", name),
        ("app-metrics", "9102,mode=first", "mode=label, mode=sum, or no mode"),
        (
            "app-metrics",
            "9102,timeout=1.5s",
            "timeout= with a duration from 1ms to 1h, such as 250ms, 15s, 2m or 1h",
        ),
        ("app-metrics", "9102,mode=sum,workers=65", "workers= with a whole number from 1 to 64"),
    ] {
        let output = program().args(PROXY.split(' ')).arg(format!("--{setting}={value}")).output();
        assert_refused(
            &output.unwrap(),
            &format!("--{setting} is {value:?}, but it takes {expected}"),
        );
    }
    for setting in ["workload", "namespace", "pod", "app", "version-label", "revision", "cluster"] {
        let output = program().args(PROXY.split(' ')).arg(format!("--{setting}=a\nb")).output();
        let sentence = format!("--{setting} is \"a\\nb\", but it takes {label}");
        assert_refused(&output.unwrap(), &sentence);
    }
}

#[test]
fn a_bad_value_of_what_is_shown_besides_is_named_with_what_the_setting_takes() {
    for (setting, value, expected) in [
        ("native-histograms", "on", "beside, instead or off"),
        ("native-schema", "9", "a whole number from 0 to 8"),
        ("native-schema", "03", "a whole number from 0 to 8"),
        ("native-max-buckets", "0", "a whole number from 1 to 65536"),
        ("exemplars", "true", "on or off"),
        ("app-process", "all", "sum, each or off"),
    ] {
        let output = podmeter(&format!("{PROXY} --{setting}={value}"));
        assert_refused(&output, &format!("--{setting} is {value:?}, but it takes {expected}"));
    }
}

#[test]
fn a_long_value_is_cut_short() {
    let output = podmeter(&format!("{PROXY} --workers {}", "7".repeat(100_000)));
    let start = "7".repeat(120);
    let sentence =
        format!("--workers is \"{start}\"..., but it takes a whole number from 1 to 256");
    assert_refused(&output, &sentence);
}

#[test]
fn settings_that_contradict_each_other_are_both_named() {
    for (line, sentence) in [
        (
            "proxy --forward 8080=8080",
            "--forward 0.0.0.0:8080=127.0.0.1:8080 would go round in a loop; name the port of the \
             app as TARGET",
        ),
        (
            "proxy --forward 1=2 --forward 8080=8081 --forward 8081=8080",
            "--forward 0.0.0.0:8080=127.0.0.1:8081, 0.0.0.0:8081=127.0.0.1:8080 would go round in \
             a loop; name the port of the app as TARGET",
        ),
        (
            "proxy --forward 8080=0",
            "--forward is \"8080=0\", but no app listens on port 0; name the port of the app",
        ),
        (
            "proxy --forward 8080=15000",
            "--forward 0.0.0.0:8080=127.0.0.1:15000 leads to --admin-listen on 127.0.0.1:15000, \
             which is podmeter itself; name the port of the app as TARGET",
        ),
        (
            "proxy --forward 8080=15006 --inbound-listen 15006",
            "--forward 0.0.0.0:8080=127.0.0.1:15006 leads to --inbound-listen on 0.0.0.0:15006, \
             which is podmeter itself; name the port of the app as TARGET",
        ),
        (
            "proxy --inbound-listen 15090",
            "--inbound-listen on 0.0.0.0:15090 and --stats-listen on 0.0.0.0:15090 want the same \
             port; give each its own",
        ),
        (
            "proxy --forward 15090=8081",
            "--forward on 0.0.0.0:15090 and --stats-listen on 0.0.0.0:15090 want the same port; \
             give each its own",
        ),
        (
            "proxy --forward 8080=1 --forward 127.0.0.1:8080=2",
            "--forward on 0.0.0.0:8080 and --forward on 127.0.0.1:8080 want the same port; give \
             each its own",
        ),
        (
            "proxy --forward 1=2 --stats-listen 15000",
            "--stats-listen on 0.0.0.0:15000 and --admin-listen on 127.0.0.1:15000 want the same \
             port; give each its own",
        ),
        (
            "proxy --forward 1=2 --admin-listen 0.0.0.0:15000",
            "--admin-listen is \"0.0.0.0:15000\", which others can reach; it takes a loopback \
             address such as 127.0.0.1:15000, or off",
        ),
        (
            "proxy --forward 1=2 --app-metrics http://localhost:15090/metrics",
            "--app-metrics is \"http://localhost:15090/metrics\", which is --stats-listen on \
             0.0.0.0:15090, so that each scrape would start another; name the port of the app's \
             own metrics",
        ),
        (
            "proxy --forward 1=2 --app-metrics 1,name=a --app-metrics 2,name=a",
            "--app-metrics gives the name \"a\" to two sources; give each its own",
        ),
        (
            "proxy --forward 1=2 --app-metrics 1,name=a,name=b",
            "--app-metrics is \"1,name=a,name=b\", but has name= twice; give it once",
        ),
        (
            "proxy --forward 1=2 --app-metrics 1,nmae=a",
            "--app-metrics is \"1,nmae=...\", but \"nmae\" is no option of a source; podmeter proxy \
             --help names them, a comma within the URL is written %2C, and a value with one goes \
             into double quotes",
        ),
    ] {
        assert_refused(&podmeter(line), sentence);
    }
}

#[test]
fn help_and_version_are_answers_on_standard_output() {
    for line in ["--help", "proxy --help", "proxy -h", "--version", "proxy --version"] {
        let output = podmeter(line);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{line}");
        assert!(!output.stdout.is_empty(), "{line}");
    }
    let version = String::from_utf8(podmeter("--version").stdout).unwrap();
    assert_eq!(version, format!("podmeter {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_bad_name_for_envoys_families_is_told_what_there_is() {
    let template = "at most 253 bytes of text with any of {port} {service} {workload} {namespace} \
                    {pod} {app} {version} {revision} {cluster} in it";
    let label = "NAME=TEMPLATE, such as service={service}_{namespace}_svc_{port}";
    let taken = "a name that no label has yet";
    for (setting, value, expected) in [
        ("envoy-cluster-name", "{ns}", template),
        ("envoy-cluster-name", "", template),
        ("envoy-label", "service", label),
        ("envoy-label", "2nd=a", label),
        ("envoy-label", "a={nobody}", template),
        ("envoy-label", "le=a", taken),
        ("envoy-label", "envoy_cluster_name=a", taken),
    ] {
        let output = program().args(PROXY.split(' ')).arg(format!("--{setting}={value}")).output();
        assert_refused(
            &output.unwrap(),
            &format!("--{setting} is {value:?}, but it takes {expected}"),
        );
    }
    assert_refused(
        &podmeter(&format!("{PROXY} --envoy-label a=b --envoy-label a=c")),
        &format!("--envoy-label is \"a=c\", but it takes {taken}"),
    );
}

#[test]
fn the_help_names_every_setting_with_its_variable_under_a_heading() {
    let help = String::from_utf8(podmeter("proxy --help").stdout).unwrap();
    let documented = include_str!("../../docs/configuration.md");
    let rows: Vec<&str> = documented.lines().filter(|line| line.starts_with("| `--")).collect();
    assert_eq!(rows.len(), 44);
    for row in rows {
        let code: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let flag = code[0].split(' ').next().unwrap();
        assert!(help.contains(&format!("\n      {flag} <")), "no {flag}");
        assert!(help.contains(&format!("[env: {}]", code[1])), "no {}", code[1]);
    }
    for heading in [
        "Traffic",
        "Where to look",
        "The app's own metrics",
        "Who this pod is",
        "Limits",
        "Histograms",
        "Stopping",
        "Logging",
        "Try it on any web server",
    ] {
        assert!(help.contains(&format!("\n{heading}:\n")), "no {heading}");
    }
}

/// The program, with nothing of our environment that it reads.
fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    program.env_clear();
    program
}

fn podmeter(line: &str) -> Output {
    program().args(line.split_whitespace()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn assert_refused(output: &Output, sentence: &str) {
    assert_eq!(stderr(output), format!("podmeter: {sentence}\n"));
    assert_eq!(output.status.code(), Some(2), "{sentence}");
    assert!(output.stdout.is_empty(), "{sentence}");
}
