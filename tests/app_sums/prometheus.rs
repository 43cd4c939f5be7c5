//! A real Prometheus, which takes a counter that falls for a restart of all that it counts.

use crate::groups::{sidecar, words};
use crate::process::program;
use crate::prom::{Prometheus, Target};
use crate::said::App;
use crate::skip::skip;

#[test]
fn prometheus_sees_every_job_once_and_no_reset() {
    let Some(program) = program("prometheus") else {
        return skip("prometheus_sees_every_job_once_and_no_reset", "it needs prometheus");
    };
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (App::saying(&words(1_000, 30, 1)), App::saying(&words(2_000, 4, 2)));
    let sidecar = sidecar(&folder, &[(&one, "name=one,mode=sum"), (&two, "name=two,mode=sum")]);
    let target = Target { pod: "shop", namespace: "sales", stats: sidecar.stats };
    let prometheus = Prometheus::start(&program, folder.path(), &[target]);
    let sum = |expected| prometheus.wait_for("jobs_total", expected);
    sum(34.0);
    one.falls_silent();
    two.says(&words(2_000, 6, 2));
    sum(36.0);
    one.says(&words(9_000, 1, 1));
    sum(37.0);
    two.says(&words(9_000, 40, 2));
    sum(77.0);
    one.says(&words(10_000, 3, 1));
    two.falls_silent();
    sum(80.0);
    for name in ["jobs_total", "t_sum", "t_count"] {
        prometheus.wait_for(&format!("resets({name}[5m])"), 0.0);
        let grown = format!("max_over_time({name}[5m]) - min_over_time({name}[5m])");
        prometheus.wait_for(&grown, 46.0);
    }
}
