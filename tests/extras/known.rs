//! A meter that has recorded what a test knows.

use std::sync::Arc;
use std::time::Duration;

use podmeter::clock::Nanos;
use podmeter::config::Identity;
use podmeter::dialect::{self, Dialect, Dialects, Subject, Vitals};
use podmeter::exposition::{self, Format};
use podmeter::meter::{Extras, Layout, Meter, Natives, Recorder, Route, RouteId, Side};
use podmeter::observe::grpc::Call;
use podmeter::observe::host::HostId;
use podmeter::observe::path::PathId;
use podmeter::observe::trace::Trace;
use podmeter::observe::{Event, Exchange, Flags, Method, Sink, Version};
use podmeter::process::Process;

/// When the clock of these meters read zero.
pub(crate) const EPOCH: Duration = Duration::from_millis(1_700_000_000_250);

/// A meter of one port, and what is shown of it.
pub(crate) struct Known {
    meter: Arc<Meter>,
    recorder: Recorder,
    dialects: Dialects,
}

/// One request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// When it was over.
    pub(crate) at: u64,
    pub(crate) status: u16,
    pub(crate) nanos: u64,
    pub(crate) bytes: u64,
    pub(crate) trace: Option<Trace>,
}

impl Known {
    /// Natives are recorded at this resolution.
    pub(crate) fn new(schema: u8, natives: Option<Natives>) -> Self {
        let port = Route {
            side: Side::Inbound,
            listen: ([0, 0, 0, 0], 8080).into(),
            target: ([127, 0, 0, 1], 8081).into(),
            opaque: false,
        };
        let layout = Layout {
            first_host: HostId(0),
            extras: Extras { epoch: Some(EPOCH), natives, exemplars: true },
            ..dialect::layout(&[], vec![port])
        };
        let layout = dialect::with_native(layout, schema);
        let identity = Identity { workload: Some("shop".to_owned()), ..Identity::default() };
        let all: Vec<_> = Dialect::all().collect();
        let dialects = Dialects::new(&all, &Subject::new(&identity), &layout);
        let meter = Meter::new(layout);
        let recorder = Recorder::new(&meter.shard(0).unwrap(), RouteId(0));
        Self { meter, recorder, dialects }
    }

    pub(crate) fn record(&mut self, asked: Asked) {
        let Asked { at, status, nanos, bytes, trace } = asked;
        let ended = Nanos(at.max(nanos));
        self.recorder.event(Event::Began { host: HostId(0) });
        self.recorder.event(Event::Exchange(Exchange {
            host: HostId(0),
            method: Method::Get,
            path: PathId::OTHER,
            version: Version::Http11,
            call: Call::Http,
            status: if status == 0 { 200 } else { status },
            flags: Flags::None,
            started: Nanos(ended.0 - nanos),
            ended,
            first_byte: Some(ended),
            first_data: Some(ended),
            held: 7_000,
            held_request: 2_000,
            request_bytes: bytes,
            response_bytes: bytes,
            probe: false,
            trace,
        }));
    }

    /// Everything that is shown of it in a format.
    pub(crate) fn shown(&self, format: Format) -> Vec<u8> {
        let vitals = Vitals {
            draining: false,
            uptime: Duration::from_secs(61),
            now: Nanos(0),
            workers: 1,
            process: Process::default(),
        };
        let snapshot = self.meter.snapshot();
        let families = self.dialects.families_for(format.syntax(), &snapshot, &vitals);
        let merged = exposition::merge_for(format, families, Vec::new());
        let mut body = Vec::new();
        exposition::render(&merged, format, &mut body);
        body
    }
}
