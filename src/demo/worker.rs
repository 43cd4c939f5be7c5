//! The app of the demo that has metrics of its own: a queue's worker beside the primary.

use super::apps::{Answer, scatter, serve};
use crate::drain::Drain;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Starts the worker and its `/metrics` on a free port and says which.
pub(super) async fn start(drain: &Drain) -> io::Result<SocketAddr> {
    let mut registry = Registry::default();
    let (jobs, waiting) = (Counter::<u64>::default(), Gauge::<i64>::default());
    let took = Histogram::new([0.01, 0.02, 0.05, 0.1, 0.2]);
    registry.register("worker_jobs", "Jobs done", jobs.clone());
    registry.register("worker_queue_length", "Jobs that wait", waiting.clone());
    registry.register("worker_job_duration_seconds", "Time that a job took", took.clone());
    let own = drain.clone();
    drain.spawn(async move {
        tokio::select! {
            () = work(&jobs, &waiting, &took) => {}
            () = own.stopped() => {}
        }
    });
    serve(drain, move |request| std::future::ready(expose(&request, &registry))).await
}

async fn work(jobs: &Counter, waiting: &Gauge, took: &Histogram) {
    for n in 0.. {
        let job = Duration::from_millis(10 + scatter(n) % 60);
        tokio::time::sleep(job).await;
        took.observe(job.as_secs_f64());
        jobs.inc();
        waiting.set((scatter(n) >> 32).rem_euclid(7).cast_signed());
    }
}

fn expose(request: &Request<Incoming>, registry: &Registry) -> Answer {
    let mut text = String::new();
    if request.uri().path() != "/metrics" || encode(&mut text, registry).is_err() {
        let mut answer = Answer::new(Full::from("not here; try /metrics\n"));
        *answer.status_mut() = StatusCode::NOT_FOUND;
        return answer;
    }
    let mut answer = Answer::new(Full::from(text));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
    answer
}

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
