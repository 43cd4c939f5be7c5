//! What the app's processes use is told where it does not say so itself.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use podmeter::exposition::Format;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http::{get, try_ask};
use crate::process::{Running, eventually, program, python};
use crate::prom::{Prometheus, Target};
use crate::scrape::Scrape;
use crate::sidecar::Sidecar;
use crate::skip::skip;

const CPU: &str = "process_cpu_seconds_total";
const FAMILIES: [&str; 6] = [
    CPU,
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
];

/// An app of a parent and two workers that burn some CPU for each request, and the shop's metrics
/// if they are asked for.
fn gunicorn(test: &str, folder: &Path) -> Option<(Running, SocketAddr)> {
    let Some(python) = python() else {
        skip(test, "it needs PODMETER_PYTHON with gunicorn");
        return None;
    };
    let mut command = Command::new(python);
    command
        .args(["-m", "gunicorn", "--workers", "2", "--bind", "127.0.0.1:0"])
        .args(["--chdir", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/extras"), "burn:app"])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut gunicorn = Running::start("gunicorn", &mut command, folder);
    let addr = gunicorn.wait_for("it listens", |gunicorn| {
        let said = gunicorn.said();
        let (_, rest) = said.split_once("Listening at: http://")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    Some((gunicorn, addr))
}

/// What is said of the app's processes at `/sources`.
fn health(admin: SocketAddr) -> Value {
    let all: Value = serde_json::from_slice(&get(admin, "/sources").body).unwrap();
    let mut all = all.as_array().unwrap().iter();
    all.find(|source| source["name"] == "app process").unwrap().clone()
}

/// Waits until so many processes are told of.
fn sees(sidecar: &Sidecar, processes: u64) -> Scrape {
    eventually(&format!("{processes} processes are seen"), || {
        let scrape = Scrape::of(sidecar.stats, Format::TEXT);
        let health = health(sidecar.admin);
        let is_so = health["processes"] == processes && health["up"] == true;
        if is_so { Ok(scrape) } else { Err(health.to_string()) }
    })
}

#[test]
fn all_workers_of_an_app_count_together_and_one_that_dies_stays_counted() {
    let test = "all_workers_of_an_app_count_together_and_one_that_dies_stays_counted";
    let folder = tempfile::tempdir().unwrap();
    let Some((_app, addr)) = gunicorn(test, folder.path()) else { return };
    let sidecar = Sidecar::start("sidecar", folder.path(), addr, "");
    let idle = sees(&sidecar, 3);
    let value = |scrape: &Scrape, name: &str| scrape.value(name, &[]);
    let documented = include_str!("../../docs/metrics.md");
    for name in FAMILIES {
        let kind = if name == CPU { "counter" } else { "gauge" };
        assert!(idle.text.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
        assert!(documented.contains(&format!("| `{name}` | {kind} |")), "{name}");
        assert!(value(&idle, name) > 0.0, "{name}");
        assert_eq!(idle.count(name, &[]), 1, "{name}");
    }
    // Three interpreters, each of some megabytes and some descriptors.
    assert!(value(&idle, "process_resident_memory_bytes") > 2e7);
    assert!(value(&idle, "process_open_fds") >= 9.0);
    assert!(value(&idle, "process_max_fds") > value(&idle, "process_open_fds"));
    assert!(value(&idle, "process_start_time_seconds") > 1.5e9);

    for _ in 0..10 {
        assert_eq!(get(sidecar.inbound, "/burn").status, 200);
    }
    let mut last = eventually("the work shows", || {
        let now = value(&Scrape::of(sidecar.stats, Format::TEXT), CPU);
        // Each request takes a twentieth of a second.
        if now >= value(&idle, CPU) + 0.4 { Ok(now) } else { Err(now.to_string()) }
    });
    let worker: i32 = get(sidecar.inbound, "/pid").text().parse().unwrap();
    kill_process(Pid::from_raw(worker).unwrap(), Signal::KILL).unwrap();
    eventually("another worker has taken its place", || {
        let now = value(&Scrape::of(sidecar.stats, Format::TEXT), CPU);
        assert!(now >= last, "{now} after {last}");
        last = now;
        let pids = get(sidecar.inbound, "/pid");
        let health = health(sidecar.admin);
        let is_so = health["processes"] == 3 && pids.text() != worker.to_string();
        if is_so { Ok(()) } else { Err(health.to_string()) }
    });
}

#[test]
fn these_families_are_documented_and_no_others() {
    let rows = include_str!("../../docs/metrics.md").lines();
    let rows: Vec<&str> = rows.filter(|row| row.starts_with("| `process_")).collect();
    assert_eq!(rows.len(), FAMILIES.len());
    for (row, name) in rows.iter().zip(FAMILIES) {
        let kind = if name == CPU { "counter" } else { "gauge" };
        assert!(row.starts_with(&format!("| `{name}` | {kind} | ")), "{row}");
    }
}

#[test]
fn a_real_prometheus_answers_the_usual_questions_of_cpu_and_memory() {
    let test = "a_real_prometheus_answers_the_usual_questions_of_cpu_and_memory";
    let Some(prometheus) = program("prometheus") else {
        return skip(test, "it needs prometheus");
    };
    let folder = tempfile::tempdir().unwrap();
    let Some((_app, addr)) = gunicorn(test, folder.path()) else { return };
    let sidecar = Sidecar::start("sidecar", folder.path(), addr, "");
    let target = Target { pod: "shop-1", namespace: "sales", stats: sidecar.stats };
    let prometheus = Prometheus::start(&prometheus, folder.path(), &[target]);
    let of = "{kubernetes_pod_name=\"shop-1\"}";
    eventually("the CPU that it uses has a rate", || {
        get(sidecar.inbound, "/burn");
        let rate = prometheus.value(&format!("rate({CPU}{of}[1m])"))?;
        if rate > 0.0 { Ok(()) } else { Err(rate.to_string()) }
    });
    let memory = prometheus.value(&format!("process_resident_memory_bytes{of} / 1024 / 1024"));
    assert!((20.0..2000.0).contains(&memory.unwrap()));
    let fds = prometheus.value(&format!("process_open_fds{of} / process_max_fds{of}")).unwrap();
    assert!(fds > 0.0 && fds < 0.5, "{fds}");
    let age = prometheus.value(&format!("time() - process_start_time_seconds{of}")).unwrap();
    assert!((-2.0..600.0).contains(&age), "{age}");
}

#[test]
fn each_process_by_itself_has_its_name_and_number() {
    let test = "each_process_by_itself_has_its_name_and_number";
    let folder = tempfile::tempdir().unwrap();
    let Some((app, addr)) = gunicorn(test, folder.path()) else { return };
    let sidecar = Sidecar::start("sidecar", folder.path(), addr, "--app-process each");
    let scrape = sees(&sidecar, 3);
    for name in FAMILIES {
        assert_eq!(scrape.count(name, &[]), 3, "{name}");
        assert!(scrape.value(name, &[("pid", &app.id().to_string())]) > 0.0, "{name}");
    }
}

#[test]
fn what_an_app_says_itself_is_left_to_it_for_good() {
    let test = "what_an_app_says_itself_is_left_to_it_for_good";
    let folder = tempfile::tempdir().unwrap();
    let Some((app, addr)) = gunicorn(test, folder.path()) else { return };
    let flags = format!("--app-metrics http://{addr}/metrics,name=burn");
    let sidecar = Sidecar::start("sidecar", folder.path(), addr, &flags);
    let scrape = sees(&sidecar, 3);
    assert_eq!(scrape.value(CPU, &[]).to_bits(), 42f64.to_bits());
    assert!(scrape.value("process_resident_memory_bytes", &[]) > 2e7);
    assert_eq!(health(sidecar.admin)["left_to_the_app"], serde_json::json!([CPU]));
    drop(app);
    eventually("nobody listens", || match try_ask(addr, "GET", "/pid", &[]) {
        Ok(_) => Err("somebody does".to_owned()),
        Err(_) => Ok(()),
    });
    // Ours would take the place of the app's now, and say something else.
    assert_eq!(Scrape::of(sidecar.stats, Format::TEXT).count(CPU, &[]), 0);
}

#[test]
fn off_says_nothing_and_what_cannot_be_seen_is_explained() {
    let test = "off_says_nothing_and_what_cannot_be_seen_is_explained";
    let folder = tempfile::tempdir().unwrap();
    let Some((_app, addr)) = gunicorn(test, folder.path()) else { return };
    let off = Sidecar::start("off", folder.path(), addr, "--app-process off");
    let scrape = Scrape::of(off.stats, Format::TEXT);
    assert!(FAMILIES.iter().all(|name| scrape.count(name, &[]) == 0));
    assert_eq!(get(off.admin, "/sources").text().trim(), "[]");

    let nobody = Sidecar::start("nobody", folder.path(), ([127, 0, 0, 1], 1).into(), "");
    Scrape::of(nobody.stats, Format::TEXT);
    assert_eq!(health(nobody.admin)["last_error"], "nobody listens on a port of the app");
}

#[test]
fn a_stranger_without_leave_to_look_says_so() {
    let test = "a_stranger_without_leave_to_look_says_so";
    if !rustix::process::geteuid().is_root() {
        return skip(test, "it needs root, to be somebody else");
    }
    let folder = tempfile::tempdir().unwrap();
    // Under a path that everybody may read, as that of the build may not be.
    let shared = tempfile::Builder::new().permissions(everybody()).tempdir().unwrap();
    let binary = shared.path().join("podmeter");
    std::fs::copy(env!("CARGO_BIN_EXE_podmeter"), &binary).unwrap();
    // Nobody else is user 4242, wherever this runs.
    let (_app, app, _) = somebody(4242, &binary, folder.path(), "127.0.0.1:9");
    let (_stranger, stats, admin) = somebody(1337, &binary, folder.path(), &app.to_string());
    let scrape = Scrape::of(stats, Format::TEXT);
    assert!(FAMILIES.iter().all(|name| scrape.count(name, &[]) == 0));
    let health = health(admin);
    assert_eq!(health["up"], false);
    let why = health["last_error"].as_str().unwrap();
    assert!(why.starts_with("the process that listens cannot be told: "), "{why}");
}

/// A proxy that runs as this user, with the addresses of its stats and its admin.
fn somebody(
    user: u32,
    binary: &Path,
    folder: &Path,
    target: &str,
) -> (Running, SocketAddr, SocketAddr) {
    let mut command = Command::new(binary);
    command.uid(user).gid(user).env_clear().current_dir("/");
    command.args(["proxy", "--forward", &format!("127.0.0.1:0={target}"), "--health-listen=off"]);
    command.args(["--stats-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]);
    command.args(["--log-format", "json"]);
    let mut process = Running::start(&format!("user {user}"), &mut command, folder);
    let mut listens = |what: &str| -> SocketAddr {
        process.wait_for(what, |process| {
            let said = process.said();
            let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let line = lines.into_iter().find(|line| line["message"] == what)?;
            line["listen"].as_str()?.parse().ok()
        })
    };
    let (stats, admin) = (listens("serving stats"), listens("serving admin"));
    (process, stats, admin)
}

fn everybody() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}
