//! One body, read by podmeter (validated, merged and written again) and by the crates that parse it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use podmeter::exposition::{Format, InputFormat, Limits, Source, merge, render, scan_for};

#[path = "../../bodies/exposition.rs"]
mod body;

fn parsers(criterion: &mut Criterion) {
    let body = body::body();
    let text = std::str::from_utf8(&body).expect("the body is ASCII");
    let mut group = criterion.benchmark_group("peers");
    group.sample_size(10).throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("podmeter: read, merge, write", |b| {
        let mut out = Vec::with_capacity(body.len() + 4096);
        b.iter(|| {
            out.clear();
            let limits = Limits::default();
            let app = scan_for(Format::TEXT, black_box(&body), InputFormat::Text, &limits);
            render(&merge(vec![], vec![Source::new("app", app)]), Format::TEXT, &mut out);
            out.len()
        });
    });
    group.bench_function("prometheus-parse: read", |b| {
        b.iter(|| {
            let lines = black_box(text).lines().map(|line| Ok(line.to_owned()));
            prometheus_parse::Scrape::parse(lines).map(|scrape| scrape.samples.len())
        });
    });
    group.bench_function("openmetrics-parser: read", |b| {
        b.iter(|| openmetrics_parser::prometheus::parse_prometheus(black_box(text)).is_ok());
    });
    group.finish();
}

criterion_group!(benches, parsers);
criterion_main!(benches);
