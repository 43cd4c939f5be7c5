//! Whatever two sides say to each other, watching it never panics, and how the bytes are split
//! into chunks does not change what was seen.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use podmeter::clock::Nanos;
use podmeter::observe::host::KnownHosts;
use podmeter::observe::{Direction, Ending, Event, Passed, Rules, Watcher};

fuzz_target!(|script: &[u8]| {
    let whole = watch(script, usize::MAX);
    assert_eq!(whole, watch(script, 1));
    assert_eq!(whole, watch(script, 7));
});

/// What is seen of a scripted conversation when no chunk is longer than `most` bytes.
///
/// The client speaks first. Two bytes that no HTTP head may hold direct the script: at
/// [`OTHER_SIDE`] the other side goes on, and at [`FINISHED`] too, but the side that spoke has
/// finished. How the connection ends depends on the script's length.
fn watch(script: &[u8], most: usize) -> Seen {
    let mut seen = Seen::default();
    let mut watcher = Watcher::new(&rules());
    let mut speaker = Direction::Request;
    let mut finished = Vec::new();
    for turn in script.split_inclusive(|byte| matches!(*byte, OTHER_SIDE | FINISHED)) {
        let is_finishing = turn.ends_with(&[FINISHED]);
        let bytes = turn.strip_suffix(&[OTHER_SIDE]).unwrap_or(turn);
        let bytes = bytes.strip_suffix(&[FINISHED]).unwrap_or(bytes);
        if !finished.contains(&speaker) {
            for chunk in bytes.chunks(most) {
                watcher.data(speaker, chunk, Passed::default(), &mut seen.events);
                seen.add_up();
            }
            if is_finishing {
                watcher.finished(speaker, Nanos(0), &mut seen.events);
                finished.push(speaker);
            }
        }
        speaker = match speaker {
            Direction::Request => Direction::Response,
            Direction::Response => Direction::Request,
        };
    }
    let ending = match script.len() % 3 {
        _ if finished.len() == 2 => Ending::Finished,
        0 => Ending::ClientReset,
        1 => Ending::AppReset,
        _ => Ending::GivenUp,
    };
    watcher.closed(ending, Nanos(0), &mut seen.events);
    seen.add_up();
    seen.check();
    seen
}

const OTHER_SIDE: u8 = 0xff;
const FINISHED: u8 = 0xfe;

/// A small limit, so that the fuzzer meets it.
fn rules() -> Arc<Rules> {
    Arc::new(Rules {
        hosts: KnownHosts::new(&["shop.prod.svc.cluster.local"]),
        max_head_bytes: 256,
    })
}

/// Events, with the bytes metered as TCP added up: their number alone follows the splits.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    events: Vec<Event>,
    tcp_request_bytes: u64,
    tcp_response_bytes: u64,
}

impl Seen {
    fn add_up(&mut self) {
        let (to_app, to_client) = (&mut self.tcp_request_bytes, &mut self.tcp_response_bytes);
        self.events.retain(|event| match event {
            Event::TcpBytes { direction: Direction::Request, bytes } => {
                *to_app += bytes;
                false
            }
            Event::TcpBytes { direction: Direction::Response, bytes } => {
                *to_client += bytes;
                false
            }
            _ => true,
        });
    }

    /// What began is over, and what was opened is closed.
    fn check(&self) {
        let count = |kind: fn(&Event) -> bool| self.events.iter().filter(|e| kind(e)).count();
        let began = count(|event| matches!(event, Event::Began));
        let over = count(|event| matches!(event, Event::Exchange(_) | Event::Dropped));
        assert_eq!(began, over, "{self:?}");
        let opened = count(|event| matches!(event, Event::TcpOpened));
        let closed = count(|event| matches!(event, Event::TcpClosed { .. }));
        assert!(opened == closed && opened <= 1, "{self:?}");
    }
}
