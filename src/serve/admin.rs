//! The operators' listener: what the proxy is, was told and sees, and the way to end it.

use super::Stats;
use super::health::ready;
use super::http::Routes;
use super::reply::{self, Reply};
use super::selection::Selection;
use crate::config::Config;
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
    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Reply {
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
            "/stats" => self.stats(request.uri().query()).await,
            "/stats/prometheus" | "/metrics" => self.stats.scraped(&request).await,
            "/server_info" => self.server_info(),
            "/config_dump" => reply::json(self.config.as_ref()),
            "/sources" => self.sources(),
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
    /// What was recorded, one number a line under Envoy's own names, or as JSON.
    async fn stats(&self, query: Option<&str>) -> Reply {
        let selection = match Selection::read(query, &[]) {
            Ok(selection) => selection,
            Err(error) => return reply::text(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let mut statistics = self.stats.statistics().await;
        statistics.retain(|(name, value)| {
            selection.wants_name(name) && !(selection.used_only() && value == "0")
        });
        if query.unwrap_or_default().split('&').any(|part| part == "format=json") {
            let stats = statistics.iter().map(|(name, value)| {
                // A number where JSON has one for it; NaN and the infinities it has not.
                let number = value.parse::<serde_json::Number>();
                json!({ "name": name, "value": number.map_or(json!(value), Into::into) })
            });
            return reply::json(&json!({ "stats": stats.collect::<Vec<_>>() }));
        }
        let mut lines = String::new();
        for (name, value) in statistics {
            // A string takes whatever is written to it.
            let _ = writeln!(lines, "{name}: {value}");
        }
        reply::body(StatusCode::OK, "text/plain; charset=utf-8", lines)
    }

    /// The app's expositions, and what is told of its processes besides.
    fn sources(&self) -> Reply {
        let sources = self.stats.sources.health();
        let sources = sources.iter().map(|health| json!(health));
        let processes = self.stats.processes.health();
        let processes = processes.iter().map(|health| json!(health));
        reply::json(&sources.chain(processes).collect::<Vec<_>>())
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

const INDEX: &str = "\
podmeter
  GET  /stats              what was recorded, one number a line; ?format=json, ?filter=REGEX, ?usedonly
  GET  /stats/prometheus   the same in every dialect, and the app's own metrics;
                           ?filter=REGEX, ?usedonly, ?source=NAME
  GET  /ready              LIVE, or 503 while draining
  GET  /server_info        version, state, memory
  GET  /config_dump        the settings in force
  GET  /sources            why an app source is or is not merged, or the app's processes seen
  POST /quitquitquit       end the proxy as SIGTERM does";
