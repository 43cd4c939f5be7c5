//! Under load, and among clients that break off, the counters equal the app's own log: per status,
//! per flag, and to the last one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use aborts::Aborts;
use app::App;
use books::{Books, Watch};
use load::Wrk;
use nginx_log::LoggingNginx;
use process::{eventually, program, python};
use sidecar::Sidecar;
use skip::skip;

#[path = "exact_load/aborts.rs"]
mod aborts;
#[path = "exact_load/app.rs"]
mod app;
#[path = "exact_load/books.rs"]
mod books;
#[path = "support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod exposition_checker;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod http;
#[path = "exact_load/load.rs"]
mod load;
#[path = "support/nginx.rs"]
mod nginx;
#[path = "exact_load/nginx_log.rs"]
mod nginx_log;
#[path = "support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "support/scrape.rs"]
mod scrape;
#[path = "support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "support/skip.rs"]
mod skip;

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn one_worker_counts_what_the_app_answered() {
    count_what_the_app_answered("one_worker_counts_what_the_app_answered", 1);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn two_workers_count_what_the_app_answered() {
    count_what_the_app_answered("two_workers_count_what_the_app_answered", 2);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn one_worker_counts_what_nginx_logged() {
    count_what_nginx_logged("one_worker_counts_what_nginx_logged", 1);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn two_workers_count_what_nginx_logged() {
    count_what_nginx_logged("two_workers_count_what_nginx_logged", 2);
}

fn count_what_the_app_answered(test: &str, workers: usize) {
    let Some(tools) = Tools::find(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let app = App::start();
    let sidecar = sidecar(folder.path(), app.addr, workers);
    let mut aborts = Aborts::new(sidecar.inbound, app.arrivals());
    let runs = under_load(
        &tools,
        folder.path(),
        &sidecar,
        || app.answered() >= REQUESTS,
        || {
            aborts.in_every_way();
        },
    );
    // The app notes what it has written only after writing it.
    eventually("the app's connections end", || match app.open() {
        0 => Ok(()),
        open => Err(format!("{open} are open")),
    });
    let books = Books::when_drained(sidecar.stats);
    assert_eq!(books.exchanges, app.log());
    assert_eq!(books.tcp_connections, aborts.without_a_request + runs * load::PROBES);
    println!("{test}: {runs} runs of wrk, {} rounds of aborts: {books:?}", aborts.rounds);
}

fn count_what_nginx_logged(test: &str, workers: usize) {
    let Some(tools) = Tools::find(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (nginx, arrivals) = LoggingNginx::start(&tools.nginx, folder.path());
    let sidecar = sidecar(folder.path(), nginx.addr(), workers);
    let mut aborts = Aborts::new(sidecar.inbound, arrivals);
    // wrk tells by itself how much it has asked for, but only nginx knows what it has answered.
    let enough = || Books::now(sidecar.stats).answered() >= REQUESTS;
    let runs = under_load(&tools, folder.path(), &sidecar, enough, || aborts.that_nginx_knows());
    let books = Books::when_drained(sidecar.stats);
    let log = nginx.log_at_the_end();
    assert_eq!(books.exchanges, log.exchanges);
    assert_eq!(log.half_heads, aborts.half_heads);
    assert_eq!(books.tcp_connections, aborts.without_a_request + runs * load::PROBES);
    println!("{test}: {runs} runs of wrk, {} rounds of aborts: {books:?}", aborts.rounds);
}

fn sidecar(folder: &Path, app: SocketAddr, workers: usize) -> Sidecar {
    Sidecar::start("podmeter", folder, app, &format!("--workers {workers}"))
}

/// Runs wrk until there is `enough`, and at the same time `abort`s and watches the stats, which
/// must be valid and never go back. Gives how often wrk ran: each of its ends is 256 aborts more,
/// as it leaves with a request in flight on every connection.
///
/// Such a request is answered all the same, and both sides count it: wrk leaves with a FIN, which
/// podmeter passes on behind the request, and then hands the answer to the kernel before it can
/// know that nobody wants it.
fn under_load(
    tools: &Tools,
    folder: &Path,
    sidecar: &Sidecar,
    enough: impl Fn() -> bool,
    mut abort: impl FnMut() + Send,
) -> u64 {
    let wrk = Wrk::new(&tools.wrk, folder);
    let over = AtomicBool::new(false);
    let mut watch = Watch::new(sidecar.stats, &tools.python);
    let mut runs = 0;
    std::thread::scope(|scope| {
        let is_over = || over.load(Ordering::Relaxed);
        let aborting = scope.spawn(move || {
            while !is_over() {
                abort();
            }
        });
        let watching = scope.spawn(move || {
            while !is_over() {
                watch.look();
            }
        });
        // If another thread fails, this one must not go on for ever.
        while !enough() && !aborting.is_finished() && !watching.is_finished() {
            wrk.run(sidecar.inbound);
            runs += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    runs
}

/// What the tests call on.
struct Tools {
    wrk: PathBuf,
    nginx: PathBuf,
    python: PathBuf,
}

impl Tools {
    fn find(test: &str) -> Option<Self> {
        let found = (program("wrk"), program("nginx"), python());
        let (Some(wrk), Some(nginx), Some(python)) = found else {
            skip(test, "wrk, nginx or PODMETER_PYTHON is missing");
            return None;
        };
        Some(Self { wrk, nginx, python })
    }
}

/// For each test; there are two for each app.
const REQUESTS: u64 = 250_000;
