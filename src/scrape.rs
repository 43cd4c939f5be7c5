//! stub
use crate::config::AppMetrics;
use bytes::Bytes;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
pub(crate) const TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";
#[derive(Debug)]
pub(crate) struct Sources;
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: Bytes,
}
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) name: String,
    pub(crate) labelled: bool,
    pub(crate) outcome: Result<Body, String>,
}
impl Sources {
    pub(crate) fn new(_: &[AppMetrics], _: u64, _: &mut Registry) -> Self {
        Self
    }
    pub(crate) async fn fetch(&self, _: Instant) -> Vec<Fetched> {
        Vec::new()
    }
    pub(crate) fn health(&self) -> Vec<String> {
        Vec::new()
    }
}
pub(crate) fn deadline(_: Option<&http::HeaderValue>, now: Instant) -> Instant {
    now + std::time::Duration::from_secs(9)
}
