//! What a person reads who mistypes: the real program's one line, exit code and help.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Output};

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
fn a_password_is_never_repeated() {
    let sentence = "--app-metrics has a user or password in its URL, where others can read it; \
                    put USER:PASSWORD into a file, and name that with basic-auth-file=FILE behind \
                    the URL";
    for value in ["http://me:secret@app/metrics", "https://secret@app/", "me:secret@app:1/m"] {
        assert_refused(&podmeter(&format!("{PROXY} --app-metrics {value}")), sentence);
    }
    for value in [
        "http://me:secret,s@app/",
        "http:/me:secret@app/",
        "http://me:s/secret@app:x/",
        "9102,bearer-token=secret",
        "9102,header=Authorization: Bearer secret,secret=a",
        "9102,header=A: \"secret\", secret, x",
        "9102,header=A\"secret\"",
        "9102,header=\"A: secret",
        "9102,header=\"A: secret\"secret",
        "9102,header=A: secret 9103",
        "9102,header=Host: secret,mode=secret",
        "9102,header=A:secret,header=a:secret",
        "9102,haeder=A: secret",
        "header=A:secret",
        "header=A: secret",
    ] {
        let output = program().args(PROXY.split(' ')).args(["--app-metrics", value]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));
    }
}

#[test]
fn a_bad_value_that_no_flag_set_is_named_with_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("podmeter.yaml");
    std::fs::write(&path, "workers: 0\nstats-listen: 15000\n").unwrap();
    let path = path.to_str().unwrap();

    let output = program().args(PROXY.split(' ')).env("PODMETER_WORKERS", "none").output();
    assert_refused(
        &output.unwrap(),
        "--workers is \"none\", but it takes a whole number from 1 to 256 (--workers is set by \
         PODMETER_WORKERS)",
    );
    assert_refused(
        &podmeter(&format!("{PROXY} --config {path}")),
        &format!(
            "--workers is \"0\", but it takes a whole number from 1 to 256 (--workers is set by \
             {path})"
        ),
    );
    let both = program()
        .args(PROXY.split(' '))
        .args(["--workers", "1"])
        .env("PODMETER_CONFIG", path)
        .env("PODMETER_ADMIN_LISTEN", "15000")
        .output();
    assert_refused(
        &both.unwrap(),
        &format!(
            "--stats-listen on 0.0.0.0:15000 and --admin-listen on 127.0.0.1:15000 want the same \
             port; give each its own (--stats-listen is set by {path}, --admin-listen is set by \
             PODMETER_ADMIN_LISTEN)"
        ),
    );
    let odd = std::ffi::OsString::from_vec(vec![0xff]);
    let output = program().args(PROXY.split(' ')).env("PODMETER_POD", odd).output();
    assert_refused(
        &output.unwrap(),
        "PODMETER_POD is not valid UTF-8 text; set it to text, or unset it",
    );
}

#[test]
fn a_bad_file_is_named_with_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("podmeter.yaml");
    let shown = format!("--config is {path:?}");
    let refuse = |sentence: &str| {
        let output = podmeter(&format!("{PROXY} --config {}", path.display()));
        assert_refused(&output, &format!("{shown}, {sentence}"));
    };
    refuse("which could not be read: No such file or directory (os error 2)");
    for (text, sentence) in [
        (
            "\nstats_listen: 1\n",
            "but its line 2 has the key \"stats_listen\", which is no setting of the proxy; did \
             you mean stats-listen?",
        ),
        (
            "wrokers: 1\n",
            "but its line 1 has the key \"wrokers\", which is no setting of the proxy; did you \
             mean workers?",
        ),
        (
            "config: other.yaml\n",
            "but its line 1 has the key \"config\", which is no setting of the proxy; podmeter \
             proxy --help names them",
        ),
        (
            "workers: 1\nworkers: 2\n",
            "but its line 2 cannot be read: the key \"workers\" is there twice; give it once",
        ),
        (
            "workers: 1\n---\nworkers: 2\n",
            "but its line 3 cannot be read: a second document begins; keep all settings in one",
        ),
        (
            "- workers\n",
            "but its line 1 cannot be read: settings are written as KEY: VALUE, such as \
             stats-listen: 15090",
        ),
        (
            "workers: [1]\n",
            "but its line 1 cannot be read: one text or number belongs here, not a list or a \
             mapping",
        ),
        (
            "pod: a\nforward: {8080: 8081}\n",
            "but its line 2 cannot be read: one text or a list of texts belongs here; put quotes \
             around each text",
        ),
        (
            "service: 1.10\n",
            "but its line 1 cannot be read: one text or a list of texts belongs here; put quotes \
             around each text",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        refuse(sentence);
    }
    let bounds =
        "dialect: mine\ncustom-dialects:\n  mine:\n  - {family: a, kind: histogram, buckets: ";
    for (infinite, why) in [
        (".inf", "the bucket without a bound is always there; leave it out"),
        ("+.Inf", "the bucket without a bound is always there; leave it out"),
        (".nan", "\".nan\" is no bound"),
        ("1e999", "the bucket without a bound is always there; leave it out"),
    ] {
        std::fs::write(&path, format!("{bounds}[1, {infinite}]}}\n")).unwrap();
        let output = podmeter(&format!("{PROXY} --config {}", path.display()));
        let sentence = format!("the key custom-dialects.mine.a.buckets cannot be used: {why}");
        assert_refused(&output, &sentence);
    }
    std::fs::write(&path, "#".repeat(2 << 20)).unwrap();
    refuse("which is longer than 1MiB; name a file of podmeter's settings");
    std::fs::write(&path, [0xff]).unwrap();
    refuse("which could not be read: stream did not contain valid UTF-8");
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
fn what_interception_takes_is_named_too() {
    for (setting, value, expected) in [
        (
            "inbound-listen",
            "127.0.0.1",
            "an address and port such as 0.0.0.0:15099, a port alone, or off",
        ),
        ("inbound-mode", "nat", "redirect or tproxy"),
        (
            "outbound-listen",
            "on",
            "an address and port such as 127.0.0.1:15099, a port alone, or off",
        ),
        ("probes", "off", "apart or requests"),
    ] {
        assert_refused(
            &podmeter(&format!("{PROXY} --{setting}={value}")),
            &format!("--{setting} is {value:?}, but it takes {expected}"),
        );
    }
}

#[test]
fn a_redirection_that_cannot_be_is_refused_before_anything_is_changed() {
    let ports = "ports from 1 to 65535 and ranges such as 6000-6010";
    let networks = "networks such as 10.0.0.0/8, fd00::/8 or 192.0.2.7";
    for (flag, value, expected) in [
        ("include-inbound-ports", "80-79", ports),
        ("exclude-inbound-ports", "none", ports),
        ("include-outbound-ports", "0", ports),
        ("exclude-outbound-cidrs", "10.0.0.0/33", networks),
        ("include-outbound-cidrs", "fd00::/129", networks),
        ("include-outbound-cidrs", "10.0.0/8", networks),
        ("include-outbound-cidrs", "10.0.0.0/-1", networks),
        ("proxy-uid", "root", "numbers such as 1337"),
        ("proxy-gid", "4294967295", "numbers such as 1337"),
        ("inbound-port", "0", "a port from 1 to 65535"),
        ("outbound-port", "http", "a port from 1 to 65535"),
        ("mode", "nat", "redirect or tproxy"),
        ("backend", "ebpf", "auto, nftables or iptables"),
        (
            "exclude-interfaces",
            "eth0;reboot",
            "names of interfaces such as net1: at most 15 letters, digits, -, _ and .",
        ),
    ] {
        let line = format!("redirect apply --redirect-outbound --{flag}={value}");
        let sentence = format!("--{flag} is {value:?}, but it takes {expected}");
        assert_refused(&podmeter(&line), &sentence);
    }
    for (line, sentence) in [
        (
            "redirect apply --include-inbound-ports none",
            "--include-inbound-ports and the rest leave nothing to redirect; name a port of the \
             app, or add --redirect-outbound",
        ),
        (
            "redirect apply --exclude-outbound-ports 443",
            "--exclude-outbound-ports is given without --redirect-outbound, so it does nothing; add \
             that, or drop it",
        ),
        (
            "redirect apply --redirect-outbound --inbound-port 15001",
            "--inbound-port and --outbound-port are both 15001, but the proxy listens on one for each; \
             give each its own",
        ),
    ] {
        assert_refused(&podmeter(line), sentence);
    }
    let many: Vec<String> = (1..=300).map(|n| (n * 2).to_string()).collect();
    assert_refused(
        &podmeter(&format!("redirect apply --exclude-inbound-ports {}", many.join(","))),
        "--exclude-inbound-ports has more than 256 items; join them into ranges or networks",
    );
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
    let documented = include_str!("../docs/configuration.md");
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
