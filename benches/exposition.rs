//! How fast expositions are read, merged and written: 10 MB, 100,000 series, text to text.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use podmeter::exposition::{
    FamilyBuilder, Format, InputFormat, Kind, Labels, Limits, Scanned, Source, merge, parse,
    render, scan_for,
};

#[path = "bodies/exposition.rs"]
mod body;

fn throughput(criterion: &mut Criterion) {
    let body = body::body();
    let mut group = criterion.benchmark_group("exposition");
    group.sample_size(20).throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("parse", |b| b.iter(|| parse(black_box(&body), InputFormat::Text)));
    group.bench_function("scan", |b| b.iter(|| scan(black_box(&body))));
    group.bench_function("scan_merge_render", |b| {
        let mut out = Vec::with_capacity(body.len() + 4096);
        b.iter(|| {
            out.clear();
            let app = scan(black_box(&body));
            let merged = merge(vec![], vec![Source::new("app", app)]);
            render(&merged, Format::TEXT, &mut out);
            out.len()
        });
    });
    group.bench_function("parse_merge_render", |b| {
        let mut out = Vec::with_capacity(body.len() + 4096);
        b.iter(|| {
            out.clear();
            let app = parse(black_box(&body), InputFormat::Text);
            let merged = merge(vec![], vec![Source::new("app", app)]);
            render(&merged, Format::TEXT, &mut out);
            out.len()
        });
    });
    group.finish();
}

fn scan(body: &[u8]) -> Scanned<'_> {
    scan_for(Format::TEXT, body, InputFormat::Text, &Limits::default())
}

fn own_families(criterion: &mut Criterion) {
    let bounds = ["0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "+Inf"];
    let buckets: Vec<(&str, u64)> = bounds.iter().zip(1_u64..).map(|(le, n)| (*le, n)).collect();
    let labels: Vec<Labels> = (0..100)
        .map(|n| Labels::from_pairs([("code", n.to_string()), ("workload", "app-v1".to_owned())]))
        .collect();
    criterion.bench_function("exposition/100_histograms_of_our_own", |b| {
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            let mut family =
                FamilyBuilder::new("requests_seconds", Kind::Histogram, "Time of requests.");
            for labels in &labels {
                family.histogram(labels, black_box(&buckets), 12.5, 11);
            }
            render(&merge(vec![family.build()], vec![]), Format::TEXT, &mut out);
            out.len()
        });
    });
}

criterion_group!(benches, throughput, own_families);
criterion_main!(benches);
