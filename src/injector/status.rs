//! The plain listener: is the webhook alive, is it ready, and its numbers.

use std::sync::Arc;

use http::header::ACCEPT;
use http::{Request, StatusCode};
use hyper::body::Incoming;

use super::state::State;
use crate::clock::unix_seconds;
use crate::exposition;
use crate::serve::{Reply, Routes, reply, values};

/// Answers the kubelet and Prometheus.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) state: Arc<State>,
}

impl Routes for Status {
    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Reply {
        if let Some(refusal) = reply::unless_read(request.method()) {
            return refusal;
        }
        match request.uri().path() {
            // Whoever can answer at all is alive.
            "/healthz" | "/livez" => reply::text(StatusCode::OK, "ok"),
            "/readyz" => match self.state.unready() {
                None => reply::text(StatusCode::OK, "ok"),
                Some(why) => reply::text(StatusCode::SERVICE_UNAVAILABLE, why),
            },
            "/metrics" | "/stats/prometheus" => self.exposition(&request),
            _ => reply::not_found(&["/healthz", "/readyz", "/metrics"]),
        }
    }
}

impl Status {
    fn exposition(&self, request: &Request<Incoming>) -> Reply {
        let format = exposition::negotiate(values(request.headers(), ACCEPT));
        let now = unix_seconds();
        let families = self.state.measures.families(self.state.served.expires(), now);
        let merged = exposition::merge(families, Vec::new());
        let mut body = Vec::new();
        exposition::render(&merged, format, &mut body);
        reply::body(StatusCode::OK, format.content_type(), body)
    }
}
