//! The workloads of a release, each a sidecar before a real app.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::nginx::Nginx;
use crate::process::{Running, free_port};
use crate::prom::Target;
use crate::queries::Subject;
use crate::sidecar::Sidecar;

/// Everything that runs.
pub(crate) struct Pods {
    /// Two replicas of the canary, of which the second may be replaced.
    pub(crate) canary: [Sidecar; 2],
    pub(crate) primary: Sidecar,
    /// The canary once more, with Envoy's clusters named as Gloo and as Knative do: a pod has one
    /// way to name them.
    pub(crate) others: [Sidecar; 2],
    /// A release that only fails, named in each of the three ways.
    pub(crate) broken: [Sidecar; 3],
    /// The app itself.
    pub(crate) app: SocketAddr,
    replacement: SocketAddr,
    _apps: (Running, Nginx),
    // Removed last, when nobody writes into it any more.
    pub(crate) folder: TempDir,
}

impl Pods {
    pub(crate) fn start(nginx: &Path, python: &Path, folder: TempDir) -> Self {
        let path = folder.path();
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prometheus/app.py"));
        let mut shop = Running::start("app", &mut command, path);
        let app = shop.wait_for("it listens", |shop| {
            shop.said().strip_prefix("listening on ")?.trim().parse().ok()
        });
        let nginx = Nginx::start(
            nginx,
            path,
            "access_log off;",
            "location /ok { return 200 fine; } location /fail { return 503 broken; }",
        );
        let metrics = format!("--app-metrics http://{app}/metrics,name=shop");
        let start = |name: &str, app, flags: &str| Sidecar::start(name, path, app, flags);
        let canary = |ways: &str| flags("podinfo", "podinfo-canary", ways);
        let broken = |ways: &str| flags("broken", "broken-canary", ways);
        Self {
            canary: [
                start("canary", app, &format!("{} {metrics}", canary(MESHES))),
                start("canary-2", app, &canary(MESHES)),
            ],
            primary: start("primary", nginx.addr, &flags("podinfo-primary", "podinfo", MESHES)),
            others: [
                start("gloo", app, &canary(GLOO)),
                start("knative", app, &format!("{} --revision {CANARY_ROUTE}", canary(KNATIVE))),
            ],
            broken: [
                start("broken", nginx.addr, &broken(MESHES)),
                start("broken-gloo", nginx.addr, &broken(GLOO)),
                start(
                    "broken-knative",
                    nginx.addr,
                    &format!("{} --revision {BROKEN_ROUTE}", broken(KNATIVE)),
                ),
            ],
            app,
            replacement: free_port(),
            _apps: (shop, nginx),
            folder,
        }
    }

    /// The second replica is gone, and a new one comes up in its place.
    pub(crate) fn replace_a_canary(self) -> Self {
        let Self { canary: [first, second], replacement, app, folder, .. } = self;
        drop(second);
        let flags = flags("podinfo", "podinfo-canary", MESHES);
        let third = Sidecar::start_at("canary-3", folder.path(), app, replacement, &flags);
        Self { canary: [first, third], app, replacement, folder, ..self }
    }

    /// All of them as service discovery finds them, and the one that is still to come.
    pub(crate) fn targets(&self) -> [Target; 9] {
        let [canary, second] = &self.canary;
        let [gloo, knative] = &self.others;
        let [broken, broken_gloo, broken_knative] = &self.broken;
        [
            (CANARY_POD, canary.stats),
            (SECOND_POD, second.stats),
            (THIRD_POD, self.replacement),
            (PRIMARY_POD, self.primary.stats),
            (BROKEN_POD, broken.stats),
            ("gloo-1", gloo.stats),
            ("knative-1", knative.stats),
            ("broken-gloo-1-2-3", broken_gloo.stats),
            ("broken-knative-1-2-3", broken_knative.stats),
        ]
        .map(|(pod, stats)| Target { pod, namespace: NAMESPACE, stats })
    }
}

fn flags(workload: &str, service: &str, ways: &str) -> String {
    format!("--workload {workload} --namespace {NAMESPACE} --service {service},shop {ways}")
}

const MESHES: &str = "--dialect istio,envoy,linkerd,osm,http --path-templates off \
     --envoy-cluster-name {namespace}_{service}_{port} \
     --envoy-label service={service}_{namespace}_svc_{port}";
const GLOO: &str = "--dialect envoy \
     --envoy-cluster-name {namespace}-{workload}-canaryupstream-{port}_gloo-system";
const KNATIVE: &str = "--dialect envoy --envoy-cluster-name {namespace}/{revision}";

pub(crate) const NAMESPACE: &str = "shop";
// As a ReplicaSet names its pods: the hash and five letters.
pub(crate) const CANARY_POD: &str = "podinfo-6b7fd9-x2x9z";
pub(crate) const SECOND_POD: &str = "podinfo-6b7fd9-b8d4c";
pub(crate) const THIRD_POD: &str = "podinfo-6b7fd9-h5n6t";
pub(crate) const PRIMARY_POD: &str = "podinfo-primary-5c8f7-k7w2p";
pub(crate) const BROKEN_POD: &str = "broken-7d4f9-q8j5t";
const CANARY_ROUTE: &str = "podinfo-00002";
const BROKEN_ROUTE: &str = "broken-00001";
pub(crate) const CANARY: Subject<'_> = subject("podinfo", CANARY_ROUTE);
pub(crate) const PRIMARY: Subject<'_> = subject("podinfo-primary", "podinfo-00001");
pub(crate) const BROKEN: Subject<'_> = subject("broken", BROKEN_ROUTE);

const fn subject(target: &'static str, route: &'static str) -> Subject<'static> {
    Subject { namespace: NAMESPACE, target, service: target, route, interval: "1m" }
}
