//! The operators' listener: what the proxy is, was told and sees, and the way to end it.

use super::Stats;
use super::health::ready;
use super::http::Routes;
use super::reply::{self, Reply};
use crate::config::Config;
use crate::exposition::Family;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;

/// Answers on the admin listener.
#[derive(Debug)]
pub(crate) struct Admin {
    stats: Arc<Stats>,
    config: Arc<Config>,
}

impl Admin {
    pub(crate) fn new(stats: &Arc<Stats>, config: &Arc<Config>) -> Self {
        Self { stats: Arc::clone(stats), config: Arc::clone(config) }
    }
}

impl Routes for Admin {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path();
        let refusal = match path {
            "/quitquitquit" => reply::unless_post(request.method()),
            _ => reply::unless_read(request.method()),
        };
        if let Some(refusal) = refusal {
            return refusal;
        }
        match path {
            "/" => reply::text(StatusCode::OK, INDEX),
            "/ready" => ready(&request, &self.stats.lifecycle),
            "/stats" => self.stats(request.uri().query().unwrap_or_default()).await,
            "/stats/prometheus" | "/metrics" => self.stats.scraped(&request).await,
            "/server_info" => self.server_info(),
            "/config_dump" => reply::json(self.config.as_ref()),
            "/sources" => reply::json(&self.stats.sources.health()),
            "/quitquitquit" => {
                self.stats.lifecycle.quit.cancel();
                reply::text(StatusCode::OK, "OK")
            }
            _ => reply::not_found(&[
                "/",
                "/ready",
                "/stats",
                "/stats/prometheus",
                "/server_info",
                "/config_dump",
                "/sources",
                "/quitquitquit",
            ]),
        }
    }
}

impl Admin {
    /// The proxy's own samples, one a line as Envoy's `/stats` has them, or as JSON.
    async fn stats(&self, query: &str) -> Reply {
        self.stats.settler.settle().await;
        let families = self.stats.own_families();
        let samples = families.iter().flat_map(samples);
        if query.split('&').any(|part| part == "format=json") {
            let stats: Vec<_> =
                samples.map(|(name, value)| json!({ "name": name, "value": value })).collect();
            return reply::json(&json!({ "stats": stats }));
        }
        let mut lines = String::new();
        for (name, value) in samples {
            // A string takes whatever is written to it.
            let _ = writeln!(lines, "{name}: {value}");
        }
        reply::body(StatusCode::OK, "text/plain; charset=utf-8", lines)
    }

    fn server_info(&self) -> Reply {
        let vitals = self.stats.vitals();
        let identity = &self.config.identity;
        reply::json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "state": if vitals.draining { "DRAINING" } else { "LIVE" },
            "uptime_current_epoch": format!("{}s", vitals.uptime.as_secs()),
            "hot_restart_version": "disabled",
            "node": {
                "id": identity.pod,
                "cluster": identity.cluster,
                "metadata": {
                    "workload": identity.workload,
                    "namespace": identity.namespace,
                    "app": identity.app,
                    "version": identity.version,
                },
            },
            "concurrency": vitals.workers,
            "memory": {
                "resident_bytes": vitals.process.resident_bytes,
                "private_bytes": vitals.process.private_bytes,
            },
            "open_fds": vitals.process.open_fds,
        }))
    }
}

/// The samples of a family, each with its name and labels as one text.
fn samples<'a>(family: &'a Family<'static>) -> impl Iterator<Item = (String, String)> + 'a {
    family.samples().iter().map(|sample| {
        let mut name = family.sample_name(sample);
        let labels = family.labels(sample);
        for (index, (label, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            // A string takes whatever is written to it.
            let _ = write!(name, "{before}{label}={value:?}");
        }
        if !labels.is_empty() {
            name.push('}');
        }
        (name, sample.value().to_text())
    })
}

const INDEX: &str = "\
podmeter
  GET  /stats              everything recorded, one sample a line; ?format=json
  GET  /stats/prometheus   the same and the app's own metrics, for Prometheus
  GET  /ready              LIVE, or 503 while draining
  GET  /server_info        version, state, memory
  GET  /config_dump        the settings in force
  GET  /sources            why an app source is or is not merged
  POST /quitquitquit       end the proxy as SIGTERM does";
