//! A real sidecar before one of the demo's apps: the proxy itself, on a thread of its own.
//!
//! It is no process of its own, so that nothing of it can outlive the demo, however that ends.

use super::DemoError;
use crate::app::{App, AppError};
use crate::config::{Config, ProxyArgs};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// Who a sidecar stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pod {
    /// The Deployment's name.
    pub(super) workload: &'static str,
    /// The pod's.
    pub(super) name: &'static str,
    /// The app's version.
    pub(super) version: &'static str,
}

/// A running sidecar.
#[derive(Debug)]
pub(super) struct Sidecar {
    /// Who it stands for.
    pub(super) pod: Pod,
    /// Where the app listens.
    pub(super) app: SocketAddr,
    /// Where the app's clients connect.
    pub(super) listen: SocketAddr,
    /// Where Prometheus scrapes.
    pub(super) stats: SocketAddr,
    /// Where operators look.
    pub(super) admin: SocketAddr,
    stop: Arc<Notify>,
    ended: oneshot::Receiver<Result<(), AppError>>,
}

impl Sidecar {
    /// Puts a sidecar before `app`; it merges the metrics that are at `metrics`, if any.
    pub(super) fn start(
        pod: Pod,
        app: SocketAddr,
        metrics: Option<SocketAddr>,
    ) -> Result<Self, DemoError> {
        let proxy = App::bind(Config::try_from(settings(pod, app, metrics))?)?;
        let nowhere = || DemoError::Nowhere { workload: pod.workload };
        let listen = proxy.forward_addrs().first().copied().ok_or_else(nowhere)?;
        let stats = proxy.stats_addr().ok_or_else(nowhere)?;
        let admin = proxy.admin_addr().ok_or_else(nowhere)?;
        let stop = Arc::new(Notify::new());
        let (tell, ended) = oneshot::channel();
        let told = Arc::clone(&stop);
        std::thread::Builder::new().name(pod.workload.to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let outcome = match runtime {
                Ok(runtime) => runtime.block_on(proxy.run(|| told.notified())),
                Err(error) => Err(error.into()),
            };
            // Nobody waits for it where the demo ended with an error.
            let _ = tell.send(outcome);
        })?;
        Ok(Self { pod, app, listen, stats, admin, stop, ended })
    }

    /// Lets it drain, as SIGTERM would, and waits until it is gone.
    pub(super) async fn stop(self) -> Result<(), DemoError> {
        self.stop.notify_one();
        match self.ended.await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(DemoError::Panicked { workload: self.pod.workload }),
        }
    }
}

/// What the command line of such a sidecar would say.
fn settings(pod: Pod, app: SocketAddr, metrics: Option<SocketAddr>) -> ProxyArgs {
    let text = |value: &str| Some(value.to_owned());
    ProxyArgs {
        forward: vec![format!("{FREE}={app}")],
        stats_listen: text(FREE),
        admin_listen: text(FREE),
        health_listen: text("off"),
        app_metrics: metrics.iter().map(|at| format!("http://{at}/metrics,name=worker")).collect(),
        workload: text(pod.workload),
        namespace: text(NAMESPACE),
        pod: text(pod.name),
        app: text(APP),
        version_label: text(pod.version),
        service: vec![APP.to_owned()],
        // The demo's own client is gone by then; a stranger's connection may hold for so long.
        drain_timeout: text("1s"),
        ..ProxyArgs::default()
    }
}

/// The namespace that the demo's pods say they are in.
pub(super) const NAMESPACE: &str = "demo";
/// The app, and the Service that leads to it.
pub(super) const APP: &str = "podinfo";
const FREE: &str = "127.0.0.1:0";
