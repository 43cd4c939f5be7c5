//! The laws that hold whatever two sides say to each other, checked over one script of it.
//!
//! Shared by the ordinary suite and the fuzz target, so it needs nothing but the observer.

use podmeter::clock::Nanos;
use podmeter::observe::host::KnownHosts;
use podmeter::observe::path::{Paths, Templates};
use podmeter::observe::{Direction, Ending, Event, Exchange, Flags, Passed, Rules, Watcher};
use std::sync::Arc;

/// What two sides do on one connection, in order.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) max_head_bytes: usize,
    pub(crate) steps: Vec<Step>,
    pub(crate) ending: Ending,
}

/// The step at index `i` happens at [`time`]`(i)`, and all its pieces do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Says(Direction, Vec<u8>),
    Finishes(Direction),
}

/// Everything that was seen, TCP bytes added up: their events alone may follow the splits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    /// From the client and from the app, where they were metered as TCP.
    pub(crate) tcp_bytes: [u64; 2],
    /// Of gRPC calls, likewise.
    pub(crate) messages: [u64; 2],
}

/// When the step at an index happens: read, and a little later written.
pub(crate) fn time(step: usize) -> Passed {
    let read = (step as u64 + 1) * 1000;
    Passed { read: Nanos(read), written: Nanos(read + WITHIN) }
}

/// The templates of the configuration; their numbers are their places.
pub(crate) const TEMPLATES: [&str; 2] = ["/users/{id}", "/"];
/// Templates that may be learned besides.
const MOST_LEARNED: u16 = 3;
/// How long each chunk is inside podmeter.
pub(crate) const WITHIN: u64 = 7;

/// Checks every law and gives what was seen.
pub(crate) fn check(script: &Script) -> Result<Seen, String> {
    let seen = play(script, Split::Nowhere)?;
    add_up(script, &seen).map_err(|broken| format!("{broken}\n{script}\nsaw {seen:#?}"))?;
    for piece in [1, 2, 7, 1021] {
        if script.bytes() / piece <= MAX_PIECES {
            is_the_same(script, &seen, Split::Every(piece))?;
        }
    }
    Ok(seen)
}

/// The same, and with a single split at every place.
pub(crate) fn check_each_split(script: &Script) -> Result<Seen, String> {
    let seen = check(script)?;
    for (i, step) in script.steps.iter().enumerate() {
        let Step::Says(_, bytes) = step else { continue };
        for at in 1..bytes.len() {
            is_the_same(script, &seen, Split::Once { step: i, at })?;
        }
    }
    Ok(seen)
}

fn is_the_same(script: &Script, seen: &Seen, split: Split) -> Result<(), String> {
    let otherwise = play(script, split)?;
    if otherwise == *seen {
        return Ok(());
    }
    let whole = format!("{script}\nwhole {seen:#?}");
    Err(format!("split {split:?} it is seen differently\n{whole}\nsplit {otherwise:#?}"))
}

/// Where what is said is split into chunks, besides between steps.
#[derive(Clone, Copy, Debug)]
enum Split {
    Nowhere,
    /// After so many bytes each.
    Every(usize),
    Once {
        step: usize,
        at: usize,
    },
}

impl Split {
    fn chunks(self, step: usize, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        let (first, length) = match self {
            Self::Every(length) => (0, length),
            Self::Once { step: here, at } if here == step => (at, bytes.len()),
            Self::Nowhere | Self::Once { .. } => (bytes.len(), 1),
        };
        let (first, rest) = bytes.split_at(first);
        Some(first).filter(|chunk| !chunk.is_empty()).into_iter().chain(rest.chunks(length))
    }
}

/// Shows a script to a watcher.
fn play(script: &Script, split: Split) -> Result<Seen, String> {
    let mut watcher = Watcher::new(&script.rules());
    let mut seen = Seen::default();
    let mut fresh = Vec::new();
    let bound = 4 * script.max_head_bytes + 48 * 1024;
    let mut open = Open::default();
    let ends = script.steps.len();
    for (i, step) in script.steps.iter().enumerate() {
        match step {
            Step::Says(direction, bytes) => {
                for chunk in split.chunks(i, bytes) {
                    watcher.data(*direction, chunk, time(i), &mut fresh);
                    let kept = watcher.kept_bytes();
                    if kept > bound {
                        return Err(format!("{kept} bytes are kept, not {bound}\n{script}"));
                    }
                }
            }
            Step::Finishes(direction) => watcher.finished(*direction, time(i).read, &mut fresh),
        }
        seen.take(&mut fresh, &mut open).map_err(|broken| format!("{broken}\n{script}"))?;
    }
    watcher.closed(script.ending, time(ends).read, &mut fresh);
    seen.take(&mut fresh, &mut open).map_err(|broken| format!("{broken}\n{script}"))?;
    match open {
        Open { exchanges: 0, websockets: 0, spoken: 1, tcp: Tcp::Never | Tcp::Closed, .. } => {
            Ok(seen)
        }
        _ => Err(format!("{open:?} when all was over\n{script}")),
    }
}

/// What has begun and is not over.
#[derive(Debug, Default)]
struct Open {
    exchanges: usize,
    tcp: Tcp,
    unparsed: usize,
    websockets: usize,
    spoken: usize,
}

#[derive(Debug, Default, PartialEq)]
enum Tcp {
    #[default]
    Never,
    Open,
    Closed,
}

impl Seen {
    pub(crate) fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.events.iter().filter_map(|event| match event {
            Event::Exchange(exchange) => Some(exchange),
            _ => None,
        })
    }

    /// Adds news, which must be possible after what came before.
    fn take(&mut self, news: &mut Vec<Event>, open: &mut Open) -> Result<(), String> {
        for event in news.drain(..) {
            let possible = match event {
                Event::Began { .. } => {
                    open.exchanges += 1;
                    true
                }
                Event::ProbeBegan => true,
                Event::Exchange(exchange) if exchange.probe => true,
                Event::Messages { direction, count, .. } => {
                    self.messages[usize::from(direction == Direction::Response)] += count;
                    open.exchanges > 0
                }
                Event::Exchange(_) | Event::Dropped => {
                    let began = open.exchanges > 0;
                    open.exchanges = open.exchanges.saturating_sub(1);
                    began
                }
                Event::Speaks(_) => {
                    open.spoken += 1;
                    open.spoken == 1
                }
                Event::WebSocketOpened => {
                    open.websockets += 1;
                    true
                }
                Event::WebSocketFrame { .. } => open.websockets > 0,
                Event::WebSocketClosed { .. } => {
                    let was_open = open.websockets > 0;
                    open.websockets = open.websockets.saturating_sub(1);
                    was_open
                }
                Event::Unparsed { .. } => {
                    open.unparsed += 1;
                    open.unparsed == 1
                }
                Event::TcpOpened { .. } => {
                    std::mem::replace(&mut open.tcp, Tcp::Open) == Tcp::Never
                }
                Event::TcpBytes { direction, bytes } => {
                    self.tcp_bytes[usize::from(direction == Direction::Response)] += bytes;
                    open.tcp == Tcp::Open
                }
                Event::TcpClosed { .. } => {
                    std::mem::replace(&mut open.tcp, Tcp::Closed) == Tcp::Open
                }
            };
            if !possible {
                return Err(format!("{event:?} cannot come after {:#?}", self.events));
            }
            if !matches!(event, Event::TcpBytes { .. } | Event::Messages { .. }) {
                self.events.push(event);
            }
        }
        Ok(())
    }
}

/// Nothing is counted that did not happen.
fn add_up(script: &Script, seen: &Seen) -> Result<(), String> {
    let [client, app] = [Direction::Request, Direction::Response].map(|d| script.said(d));
    let mut requests = 0;
    let mut responses = 0;
    for exchange in seen.exchanges() {
        requests += exchange.request_bytes;
        responses += exchange.response_bytes;
        let first_byte = exchange.first_byte.unwrap_or(exchange.ended);
        if exchange.started > first_byte || first_byte > exchange.ended {
            return Err(format!("times that go backwards: {exchange:?}"));
        }
        let line = format!(" {}", exchange.status);
        let was_said = app
            .windows(9 + 3)
            .any(|w| w.starts_with(b"HTTP/1.") && w[8..].eq_ignore_ascii_case(line.as_bytes()));
        // What HTTP/2 says is written in another way.
        let was_said = was_said || client.windows(PREFACE.len()).any(|w| w == PREFACE);
        let possible = match exchange.flags {
            Flags::None | Flags::UpstreamProtocolError | Flags::DownstreamProtocolError => was_said,
            Flags::DownstreamClosed => was_said || exchange.status == 0,
            Flags::UpstreamClosed | Flags::UpstreamConnectFailure => exchange.status == 503,
            Flags::UpstreamReset => was_said || exchange.status == 503,
            Flags::UpstreamOverflow => false,
        };
        if !possible {
            return Err(format!("an exchange that did not happen: {exchange:?}"));
        }
    }
    for (said, exchanged, tcp) in
        [(client.len(), requests, seen.tcp_bytes[0]), (app.len(), responses, seen.tcp_bytes[1])]
    {
        if exchanged > said as u64 || tcp > said as u64 {
            return Err(format!("{exchanged} exchanged and {tcp} TCP bytes of {said}"));
        }
    }
    Ok(())
}

impl Script {
    /// Any bytes are a script. The client speaks first; after [`OTHER_SIDE`] the other side does,
    /// and after [`FINISHED`] too, for the side that spoke has finished. How the connection ends
    /// depends on the number of bytes.
    pub(crate) fn from_bytes(bytes: &[u8], max_head_bytes: usize) -> Self {
        let mut steps = Vec::new();
        let mut finished = [false; 2];
        let mut speaker = Direction::Request;
        for turn in bytes.split_inclusive(|&byte| byte == OTHER_SIDE || byte == FINISHED) {
            let mark = turn.last().filter(|&&byte| byte == OTHER_SIDE || byte == FINISHED);
            let says = &turn[..turn.len() - usize::from(mark.is_some())];
            let has_finished = &mut finished[usize::from(speaker == Direction::Response)];
            if !*has_finished && !says.is_empty() {
                steps.push(Step::Says(speaker, says.to_vec()));
            }
            if !*has_finished && mark == Some(&FINISHED) {
                *has_finished = true;
                steps.push(Step::Finishes(speaker));
            }
            speaker = match speaker {
                Direction::Request => Direction::Response,
                Direction::Response => Direction::Request,
            };
        }
        let ending = match bytes.len() % 4 {
            _ if finished == [true, true] => Ending::Finished,
            0 if steps.iter().all(|step| matches!(step, Step::Says(Direction::Request, _))) => {
                Ending::Refused
            }
            1 => Ending::AppReset,
            2 => Ending::GivenUp,
            _ => Ending::ClientReset,
        };
        Self { max_head_bytes, steps, ending }
    }

    fn rules(&self) -> Arc<Rules> {
        let hosts = KnownHosts::new(&["shop.prod.svc.cluster.local"]);
        let templates = Templates::read(TEMPLATES.iter().copied()).unwrap_or_default();
        // New for each reading: what was learned in one would be known in the next.
        let paths = Some(Arc::new(Paths::new(templates, Some(MOST_LEARNED))));
        let max_head_bytes = self.max_head_bytes;
        Arc::new(Rules { hosts, max_head_bytes, probes_apart: true, traces: true, paths })
    }

    /// All that one side says.
    pub(crate) fn said(&self, by: Direction) -> Vec<u8> {
        let says = |step: &Step| match step {
            Step::Says(direction, bytes) if *direction == by => bytes.clone(),
            _ => Vec::new(),
        };
        self.steps.iter().flat_map(says).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        let bytes = |step: &Step| match step {
            Step::Says(_, bytes) => bytes.len(),
            Step::Finishes(_) => 0,
        };
        self.steps.iter().map(bytes).sum()
    }
}

impl std::fmt::Display for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, step) in self.steps.iter().enumerate().take(MAX_SHOWN) {
            match step {
                Step::Says(direction, bytes) => {
                    let shown = &bytes[..bytes.len().min(MAX_SHOWN)];
                    writeln!(f, "{i}: {direction:?} {:?}", shown.escape_ascii().to_string())?;
                }
                Step::Finishes(direction) => writeln!(f, "{i}: {direction:?} finishes")?,
            }
        }
        write!(f, "{:?}, heads up to {} bytes", self.ending, self.max_head_bytes)
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// Bytes that no HTTP head may hold.
pub(crate) const OTHER_SIDE: u8 = 0xff;
pub(crate) const FINISHED: u8 = 0xfe;
/// Splitting megabytes into single bytes says nothing new.
const MAX_PIECES: usize = 300_000;
const MAX_SHOWN: usize = 4096;
