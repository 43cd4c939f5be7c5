//! Real worker processes behind one port, of which every scrape reaches another.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use podmeter::exposition::Format;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http::{get, try_ask};
use crate::process::{Running, eventually, python};
use crate::scrape::Scrape;
use crate::sidecar::Sidecar;
use crate::skip::skip;

const WORKERS: usize = 4;

/// The shop with several worker processes, where there is a gunicorn.
fn shop(test: &str, folder: &Path, flags: &[&str]) -> Option<(Running, SocketAddr)> {
    let Some(python) = python() else {
        skip(test, "it needs PODMETER_PYTHON with gunicorn");
        return None;
    };
    let mut command = Command::new(python);
    command
        .args(["-m", "gunicorn", "--workers", &WORKERS.to_string(), "--bind", "127.0.0.1:0"])
        .args(["--chdir", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/app_sums")])
        .args(flags)
        .arg("shop:app")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut gunicorn = Running::start("gunicorn", &mut command, folder);
    let addr = gunicorn.wait_for("it listens", |gunicorn| {
        let said = gunicorn.said();
        let (_, rest) = said.split_once("Listening at: http://")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    Some((gunicorn, addr))
}

/// Sends requests over connections of their own, some at a time; all are answered.
fn send(shop: SocketAddr, count: usize) {
    let at_a_time = 8;
    std::thread::scope(|scope| {
        for sender in 0..at_a_time {
            scope.spawn(move || {
                for _ in (sender..count).step_by(at_a_time) {
                    assert_eq!(get(shop, "/buy").status, 200);
                }
            });
        }
    });
}

fn sold(scrape: &Scrape) -> f64 {
    scrape.sum("shop_requests_total", &[("path", "/buy")])
}

fn workers(sidecar: &Sidecar) -> Value {
    let reply = get(sidecar.admin, "/sources");
    serde_json::from_slice::<Value>(&reply.body).unwrap()[0]["workers"].clone()
}

fn start(folder: &Path, shop: SocketAddr) -> Sidecar {
    let flags = format!(
        "--app-metrics {},mode=sum,workers={WORKERS},gauge.shop_pid=label,name=shop",
        shop.port()
    );
    Sidecar::start("podmeter", folder, shop, &flags)
}

/// Scrapes until the sum is as expected; it never falls on the way, nor goes beyond.
fn scrape_until(sidecar: &Sidecar, from: f64, expected: f64) -> Scrape {
    let mut last = from;
    eventually(&format!("the sum is {expected}"), || {
        let scrape = Scrape::of(sidecar.stats, Format::OPENMETRICS);
        let now = sold(&scrape);
        assert!((last..=expected).contains(&now), "{last}, then {now}:\n{}", scrape.text);
        last = now;
        let complete = now == expected && scrape.count("shop_pid", &[]) == WORKERS;
        if complete { Ok(scrape) } else { Err(format!("{now}: {}", workers(sidecar))) }
    })
}

fn every_request_is_counted_once(test: &str, flags: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let Some((_gunicorn, shop)) = shop(test, folder.path(), flags) else { return };
    let sidecar = start(folder.path(), shop);

    send(shop, 200);
    let scrape = scrape_until(&sidecar, 0.0, 200.0);
    assert_eq!(scrape.value("shop_seconds_count", &[]), 200.0);
    assert_eq!(scrape.value("shop_seconds_bucket", &[("le", "1.0")]), 200.0);
    assert_eq!(scrape.value("shop_seconds_sum", &[]), 100.0);
    assert_eq!(scrape.value("shop_sizes_sum", &[]), 600.0);
    assert_eq!(scrape.value("shop_workers", &[]), 4.0);
    println!("{test}: {}", workers(&sidecar));

    // One is killed, and another takes its place; what it had counted stays.
    let pid = scrape.samples("shop_pid", &[]).next().unwrap().value;
    let pids: Vec<u64> = scrape.samples("shop_pid", &[]).map(|pid| pid.value.to_bits()).collect();
    let victim = Pid::from_raw(pid.to_string().parse().unwrap()).unwrap();
    kill_process(victim, Signal::KILL).unwrap();
    eventually("another worker is there", || {
        let scrape = Scrape::of(sidecar.stats, Format::OPENMETRICS);
        assert_eq!(sold(&scrape), 200.0, "{}", scrape.text);
        let now: Vec<u64> =
            scrape.samples("shop_pid", &[]).map(|pid| pid.value.to_bits()).collect();
        let replaced = !now.contains(&pid.to_bits()) && now.iter().any(|pid| !pids.contains(pid));
        if replaced { Ok(()) } else { Err(format!("{now:?}")) }
    });
    send(shop, 50);
    let scrape = scrape_until(&sidecar, 200.0, 250.0);
    assert_eq!(scrape.value("shop_workers", &[]), 4.0);
    println!("{test}, one killed: {}", workers(&sidecar));

    // Two scrapers at once see the same.
    std::thread::scope(|scope| {
        let scrapers =
            [(); 4].map(|()| scope.spawn(|| sold(&Scrape::of(sidecar.stats, Format::TEXT))));
        for scraper in scrapers {
            assert_eq!(scraper.join().unwrap(), 250.0);
        }
    });
}

#[test]
fn every_request_of_forked_workers_is_counted_once() {
    every_request_is_counted_once("every_request_of_forked_workers_is_counted_once", &[]);
}

#[test]
fn every_request_of_workers_with_threads_is_counted_once() {
    let flags = ["--worker-class", "gthread", "--threads", "4", "--preload"];
    every_request_is_counted_once("every_request_of_workers_with_threads_is_counted_once", &flags);
}

#[test]
fn counts_stay_while_the_whole_app_is_down() {
    let test = "counts_stay_while_the_whole_app_is_down";
    let folder = tempfile::tempdir().unwrap();
    let Some((gunicorn, shop)) = shop(test, folder.path(), &[]) else { return };
    let sidecar = start(folder.path(), shop);
    send(shop, 40);
    scrape_until(&sidecar, 0.0, 40.0);
    drop(gunicorn);
    eventually("nobody listens", || match try_ask(shop, "GET", "/metrics", &[]) {
        Ok(_) => Err("somebody does".to_owned()),
        Err(_) => Ok(()),
    });
    let scrape = Scrape::of(sidecar.stats, Format::TEXT);
    assert_eq!(sold(&scrape), 40.0);
    assert_eq!(scrape.count("shop_workers", &[]), 0);
    assert_eq!(scrape.count("shop_pid", &[]), 0);
    let scrape = Scrape::of(sidecar.stats, Format::TEXT);
    assert_eq!(scrape.value("podmeter_app_scrape_up", &[("source", "shop")]), 0.0);
}
