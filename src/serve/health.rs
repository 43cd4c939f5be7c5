//! The kubelet's listener: is the proxy ready for traffic?

use super::Lifecycle;
use super::app_probes::AppProbes;
use super::http::Routes;
use super::reply::{self, Reply};
use crate::config::Config;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;

/// Answers `/healthz/ready`, and the app's probes that were given to us.
#[derive(Debug)]
pub(crate) struct Health {
    lifecycle: Arc<Lifecycle>,
    app: AppProbes,
}

impl Health {
    pub(crate) fn new(lifecycle: &Arc<Lifecycle>, config: &Config) -> Self {
        let app = AppProbes::new(&config.app_probes, &config.forwards);
        Self { lifecycle: Arc::clone(lifecycle), app }
    }
}

impl Routes for Health {
    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Reply {
        match request.uri().path() {
            "/healthz/ready" => ready(&request, &self.lifecycle),
            _ => match self.app.answer(&request).await {
                Some(reply) => reply,
                None => reply::not_found(&["/healthz/ready"]),
            },
        }
    }
}

/// 200 while the proxy takes traffic, 503 once it drains; the words are Envoy's.
pub(super) fn ready<B>(request: &Request<B>, lifecycle: &Lifecycle) -> Reply {
    if let Some(refusal) = reply::unless_read(request.method()) {
        return refusal;
    }
    if lifecycle.is_draining() {
        reply::text(StatusCode::SERVICE_UNAVAILABLE, "DRAINING")
    } else {
        reply::text(StatusCode::OK, "LIVE")
    }
}
