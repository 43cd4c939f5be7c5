//! What the demo says before its table: where to look and what to paste into a Prometheus.

use super::reading::JOBS;
use super::scraper::PATH;
use super::sidecar::{NAMESPACE, Sidecar};

/// The whole text. The addresses are those of this run.
pub(super) fn guide(primary: &Sidecar, canary: &Sidecar) -> String {
    let row = |role: &str, sidecar: &Sidecar| {
        format!(
            "  {role:<9}{:<17}{:<23}{}\n",
            sidecar.pod.workload,
            sidecar.listen.to_string(),
            sidecar.app
        )
    };
    format!(
        "Two versions of one app run on this machine. Neither has a line of metrics code;\n\
         before each stands a sidecar, and a client sends both a steady load. Ctrl-C ends it all.\n\
         \n\
         {:<11}{:<17}{:<23}app\n{}{}\
         \n\
         Where to look, in another terminal\n\
         \n\
         \x20 curl -s http://{}{PATH} | grep istio_requests_total\n\
         \x20 curl -s http://{}{PATH} | grep {JOBS}\n\
         \n\
         \x20 primary  http://{}{PATH}\n\
         \x20          http://{}/ for operators\n\
         \x20 canary   http://{}{PATH}\n\
         \x20          http://{}/ for operators\n\
         \n\
         The second curl shows metrics that an app made itself: those of a worker beside the\n\
         primary, which the sidecar merges into its own answer. One address to scrape a pod.\n\
         \n\
         Paste into prometheus.yml\n\
         \n{}\n\
         and ask it what a release controller (Flagger) asks of the canary; of the primary with\n\
         destination_workload=~\"{}\" (Prometheus matches whole names)\n\
         \n\
         # success rate in per cent\n{}\n\n\
         # 99th percentile of the latency in milliseconds\n{}\n\n",
        "  workload",
        "",
        "sidecar",
        row("primary", primary),
        row("canary", canary),
        canary.stats,
        primary.stats,
        primary.stats,
        primary.admin,
        canary.stats,
        canary.admin,
        scrape_config(primary, canary),
        primary.pod.workload,
        success_query(canary.pod.workload),
        latency_query(canary.pod.workload),
    )
}

fn scrape_config(primary: &Sidecar, canary: &Sidecar) -> String {
    format!(
        "scrape_configs:\n\
         \x20 - job_name: podmeter-demo\n\
         \x20   scrape_interval: 5s\n\
         \x20   metrics_path: {PATH}\n\
         \x20   static_configs:\n\
         \x20     - targets: [\"{}\", \"{}\"]\n",
        primary.stats, canary.stats
    )
}

/// Flagger's `request-success-rate` for Istio.
fn success_query(workload: &str) -> String {
    let series = format!(
        "istio_requests_total{{reporter=\"destination\",\
         destination_workload_namespace=\"{NAMESPACE}\",destination_workload=~\"{workload}\""
    );
    format!("sum(rate({series},response_code!~\"5.*\"}}[1m]))\n  / sum(rate({series}}}[1m])) * 100")
}

/// Flagger's `request-duration` for Istio.
fn latency_query(workload: &str) -> String {
    format!(
        "histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket{{\
         reporter=\"destination\",destination_workload_namespace=\"{NAMESPACE}\",\
         destination_workload=~\"{workload}\"}}[1m])) by (le))"
    )
}
