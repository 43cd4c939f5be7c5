//! What recording one exchange costs, and what showing everything costs a scrape.

use criterion::{Criterion, criterion_group, criterion_main};
use podmeter::clock::Nanos;
use podmeter::config::Identity;
use podmeter::dialect::{self, Dialect, Dialects, Subject, Vitals};
use podmeter::exposition::{self, Format};
use podmeter::meter::{Layout, Meter, Recorder, Route, RouteId, Side};
use podmeter::observe::grpc::Call;
use podmeter::observe::host::HostId;
use podmeter::observe::path::PathId;
use podmeter::observe::trace::{Trace, TraceId};
use podmeter::observe::{Event, Exchange, Flags, Method, Sink, Version};
use podmeter::process::Process;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::time::Duration;

fn layout(asked: &[Dialect]) -> Layout {
    let port = Route {
        side: Side::Inbound,
        listen: ([127, 0, 0, 1], 8080).into(),
        target: ([127, 0, 0, 1], 8081).into(),
        opaque: false,
    };
    Layout { first_host: HostId(0), ..dialect::layout(asked, vec![port]) }
}

fn exchange(status: u16) -> Event {
    Event::Exchange(Exchange {
        host: HostId(0),
        method: Method::Get,
        path: PathId::OTHER,
        version: Version::Http11,
        call: Call::Http,
        status,
        flags: Flags::None,
        started: Nanos(0),
        ended: Nanos(1_234_567),
        first_byte: None,
        first_data: None,
        held: 9_000,
        held_request: 4_000,
        request_bytes: 400,
        response_bytes: 1_200,
        probe: false,
        trace: None,
    })
}

fn record(criterion: &mut Criterion) {
    let meter = Meter::new(layout(&[]));
    let Some(shard) = meter.shard(0) else { return };
    let mut recorder = Recorder::new(&shard, RouteId(0));
    criterion.bench_function("record one exchange, the same series", |bencher| {
        bencher.iter(|| {
            recorder.event(black_box(Event::Began { host: HostId(0) }));
            recorder.event(black_box(exchange(200)));
        });
    });
    criterion.bench_function("record one exchange, four series in turn", |bencher| {
        let mut turn = 0;
        bencher.iter(|| {
            turn = (turn + 1) % 4;
            recorder.event(black_box(Event::Began { host: HostId(0) }));
            recorder.event(black_box(exchange([200, 404, 500, 503][turn])));
        });
    });
    // Beside it in one run: what it costs that every dialect is asked for, with method, path and version.
    let every: Vec<_> = Dialect::all().collect();
    for (name, asked) in [("istio", &every[..1]), ("every dialect", &every[..])] {
        let meter = Meter::new(layout(asked));
        let Some(shard) = meter.shard(0) else { return };
        let mut recorder = Recorder::new(&shard, RouteId(0));
        criterion.bench_function(&format!("record one exchange, {name} asked for"), |bencher| {
            bencher.iter(|| {
                recorder.event(black_box(Event::Began { host: HostId(0) }));
                recorder.event(black_box(exchange(200)));
            });
        });
    }
    // Beside it in one run: what native histograms and a trace add.
    for (name, layout, trace) in [
        ("record one exchange, native bounds too", native(), None),
        ("record one exchange, native bounds too, sampled", native(), Some(trace())),
    ] {
        let meter = Meter::new(layout);
        let Some(shard) = meter.shard(0) else { return };
        let mut recorder = Recorder::new(&shard, RouteId(0));
        let mut event = exchange(200);
        if let Event::Exchange(exchange) = &mut event {
            exchange.trace = trace;
        }
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                recorder.event(black_box(Event::Began { host: HostId(0) }));
                recorder.event(black_box(event));
            });
        });
    }
}

fn native() -> Layout {
    dialect::with_native(layout(&[]), 3)
}

fn trace() -> Trace {
    Trace::new(TraceId::long(1, 2), NonZeroU64::MIN)
}

fn show(criterion: &mut Criterion) {
    let meter = Meter::new(layout(&[]));
    let Some(shard) = meter.shard(0) else { return };
    let mut recorder = Recorder::new(&shard, RouteId(0));
    // Four label sets are some 250 samples in istio; these are 10,000.
    for status in 200..360 {
        recorder.event(exchange(status));
    }
    let names: Vec<_> = Dialect::all().collect();
    let identity = Identity::default();
    let dialects = Dialects::new(&names, &Subject::new(&identity), meter.layout());
    let vitals = Vitals {
        draining: false,
        uptime: Duration::ZERO,
        now: Nanos(0),
        workers: 1,
        process: Process::default(),
    };
    criterion.bench_function("show 10,000 samples", |bencher| {
        bencher.iter(|| {
            let families = dialects.families(&meter.snapshot(), &vitals);
            let merged = exposition::merge(families, Vec::new());
            let mut text = Vec::new();
            exposition::render(&merged, Format::TEXT, &mut text);
            black_box(text)
        });
    });
}

criterion_group!(benches, record, show);
criterion_main!(benches);
