//! Well-formed conversations over HTTP/1, generated with where each message begins and ends.

use crate::law::{Script, Step};
use podmeter::observe::path::PathId;
use podmeter::observe::{Direction, Ending, Method, Version};
use proptest::prelude::*;
use std::ops::Range;

/// Requests and answers with what both sides do, step by step.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub(crate) requests: Vec<Request>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) steps: Vec<Step>,
    pub(crate) ending: Ending,
}

/// Where a request stands in what the client says.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: Range<usize>,
    pub(crate) end: usize,
    pub(crate) offers: bool,
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// Of a template of the configuration, or one that is not known.
    pub(crate) path: PathId,
}

/// Where an answer stands in what the app says.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) interim: Vec<Range<usize>>,
    pub(crate) head: Range<usize>,
    /// `None` where it ends with the connection.
    pub(crate) end: Option<usize>,
    pub(crate) status: u16,
    pub(crate) is_last: bool,
}

impl Conversation {
    pub(crate) fn script(&self) -> Script {
        Script { max_head_bytes: 64 * 1024, steps: self.steps.clone(), ending: self.ending }
    }

    /// Whether any request offers to leave HTTP.
    pub(crate) fn offers(&self) -> bool {
        self.requests.iter().any(|request| request.offers)
    }

    fn says(&mut self, direction: Direction, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.steps.push(Step::Says(direction, bytes.to_vec()));
        }
    }
}

pub(crate) fn conversations() -> impl Strategy<Value = Conversation> {
    (
        proptest::collection::vec(plans(), 1..6),
        proptest::collection::vec(moves(), 0..40),
        any::<bool>(),
        prop::sample::select(&[Ending::ClientReset, Ending::AppReset, Ending::GivenUp][..]),
    )
        .prop_map(|(plans, moves, to_the_end, ending)| write(&plans, moves, to_the_end, ending))
}

/// One request and its answer, still to be written.
#[derive(Clone, Debug)]
struct Plan {
    empty_lines_before: usize,
    method: &'static str,
    target: &'static str,
    minor: u8,
    connection: &'static str,
    offers: bool,
    body: Body,
    interim: Vec<&'static str>,
    status: u16,
    answer_minor: u8,
    answer_closes: bool,
    answer_body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Unsaid,
    Length(usize),
    Chunked(Vec<usize>),
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Ask(usize),
    Answer(usize),
    ClientFinishes,
    AppFinishes,
}

fn plans() -> impl Strategy<Value = Plan> {
    let request = (
        0..2usize,
        prop::sample::select(&["GET", "HEAD", "POST", "BREW"][..]),
        prop::sample::select(&["/", "/users/7?q=/", "http://shop?a", "/users/a/b"][..]),
        prop_oneof![4 => Just(1u8), 1 => Just(0)],
        prop::sample::select(&["", "", "", "keep-alive", "close"][..]),
        prop::bool::weighted(0.1),
        bodies(),
    );
    let answer = (
        proptest::collection::vec(prop::sample::select(INTERIM), 0..2),
        prop::sample::select(&[200, 201, 204, 304, 404, 500, 503][..]),
        prop_oneof![6 => Just(1u8), 1 => Just(0)],
        prop::bool::weighted(0.1),
        bodies(),
    );
    (request, answer).prop_map(|(request, answer)| {
        let (empty_lines_before, method, target, minor, connection, offers, body) = request;
        let (interim, status, answer_minor, answer_closes, answer_body) = answer;
        Plan {
            empty_lines_before,
            method,
            target,
            minor,
            connection,
            offers: offers && minor == 1,
            body: body.in_version(minor),
            interim,
            status,
            answer_minor,
            answer_closes,
            answer_body: answer_body.in_version(answer_minor),
        }
    })
}

fn bodies() -> impl Strategy<Value = Body> {
    prop_oneof![
        2 => Just(Body::Unsaid),
        3 => (0..60usize).prop_map(Body::Length),
        2 => proptest::collection::vec(1..40usize, 0..4).prop_map(Body::Chunked),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        10 => (1..300usize).prop_map(Move::Ask),
        10 => (1..300usize).prop_map(Move::Answer),
        1 => Just(Move::ClientFinishes),
        1 => Just(Move::AppFinishes),
    ]
}

/// Writes what was planned down to bytes and steps.
fn write(plans: &[Plan], moves: Vec<Move>, to_the_end: bool, ending: Ending) -> Conversation {
    let (mut asks, mut says) = (Vec::new(), Vec::new());
    let mut told = Conversation { requests: vec![], answers: vec![], steps: vec![], ending };
    let (mut is_last_request, mut is_last_answer) = (false, false);
    for plan in plans {
        let request = plan.ask(&mut asks);
        if !is_last_request {
            told.requests.push(request);
        }
        if !is_last_answer && !is_last_request {
            told.answers.push(plan.answer(&mut says));
        }
        is_last_request |= plan.is_last_request();
        is_last_answer |= told.answers.last().is_some_and(|answer| answer.is_last);
    }
    let finish = [Move::Ask(usize::MAX), Move::Answer(usize::MAX)];
    let finish = finish.into_iter().chain([Move::AppFinishes, Move::ClientFinishes]);
    let finish = finish.filter(|_| to_the_end);
    let mut at = Position::default();
    for next in moves.into_iter().chain(finish) {
        at.step(next, &asks, &says, &mut told);
    }
    if at.client_finished && at.app_finished {
        told.ending = Ending::Finished;
    }
    told
}

/// How far both sides have come.
#[derive(Default)]
struct Position {
    asked: usize,
    said: usize,
    client_finished: bool,
    app_finished: bool,
}

impl Position {
    /// Takes a step, if it makes sense.
    fn step(&mut self, next: Move, asks: &[u8], says: &[u8], told: &mut Conversation) {
        match next {
            // Behind an offer that the app will never answer, nobody knows what bytes are.
            Move::Ask(_) if self.client_finished || (self.app_finished && told.offers()) => {}
            Move::Ask(bytes) => {
                let end = self.asked.saturating_add(bytes).min(asks.len());
                told.says(Direction::Request, &asks[self.asked..end]);
                self.asked = end;
            }
            Move::Answer(_) if self.app_finished => {}
            Move::Answer(bytes) => {
                // An app answers what it has been asked.
                let heads = told.requests.iter().filter(|r| r.head.end <= self.asked).count();
                let unasked = told.answers.get(heads);
                let most = unasked.map_or(says.len(), Answer::start);
                let end = self.said.saturating_add(bytes).min(most);
                told.says(Direction::Response, &says[self.said..end]);
                self.said = end;
            }
            Move::ClientFinishes if !self.client_finished => {
                self.client_finished = true;
                told.steps.push(Step::Finishes(Direction::Request));
            }
            Move::AppFinishes if !self.app_finished => {
                self.app_finished = true;
                told.steps.push(Step::Finishes(Direction::Response));
            }
            Move::ClientFinishes | Move::AppFinishes => {}
        }
    }
}

impl Answer {
    /// Where it starts, interim answers included.
    pub(crate) fn start(&self) -> usize {
        self.interim.first().map_or(self.head.start, |interim| interim.start)
    }
}

impl Plan {
    fn is_last_request(&self) -> bool {
        self.connection == "close" || (self.minor == 0 && self.connection != "keep-alive")
    }

    fn ask(&self, out: &mut Vec<u8>) -> Request {
        out.extend(b"\r\n".repeat(self.empty_lines_before));
        let start = out.len();
        out.extend(format!("{} {} HTTP/1.{}\r\n", self.method, self.target, self.minor).bytes());
        out.extend(b"Host: shop\r\n");
        if !self.connection.is_empty() {
            out.extend(format!("Connection: {}\r\n", self.connection).bytes());
        }
        if self.offers {
            out.extend(b"connection: x, Upgrade\r\nUPGRADE: h2c\r\n");
        }
        self.body.write_head_end(out);
        let head = start..out.len();
        self.body.write(out);
        let method = match self.method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            _ => Method::Other,
        };
        let version = if self.minor == 1 { Version::Http11 } else { Version::Http10 };
        let path = match self.target {
            "/users/7?q=/" => PathId(0),
            "/users/a/b" => PathId::OTHER,
            _ => PathId(1),
        };
        Request { head, end: out.len(), offers: self.offers, method, version, path }
    }

    fn answer(&self, out: &mut Vec<u8>) -> Answer {
        let interim = self.interim.iter().map(|interim| {
            let start = out.len();
            out.extend(interim.bytes());
            start..out.len()
        });
        let interim = interim.collect();
        let start = out.len();
        out.extend(format!("HTTP/1.{} {} Said\r\n", self.answer_minor, self.status).bytes());
        if self.answer_closes {
            out.extend(b"Connection: close\r\n");
        } else if self.answer_minor == 0 {
            out.extend(b"Connection: keep-alive\r\n");
        }
        self.answer_body.write_head_end(out);
        let head = start..out.len();
        let has_body = self.method != "HEAD" && !matches!(self.status, 204 | 304);
        let until_close = has_body && matches!(self.answer_body, Body::Unsaid);
        if until_close {
            out.extend(content(50));
        } else if has_body {
            self.answer_body.write(out);
        }
        let end = (!until_close).then_some(out.len());
        let is_last = self.answer_closes || self.is_last_request() || until_close;
        Answer { interim, head, end, status: self.status, is_last }
    }
}

impl Body {
    /// HTTP/1.0 has no chunks.
    fn in_version(self, minor: u8) -> Self {
        match self {
            Self::Chunked(sizes) if minor == 0 => Self::Length(sizes.iter().sum()),
            other => other,
        }
    }

    fn write_head_end(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unsaid => {}
            Self::Length(length) => out.extend(format!("content-length: {length} \r\n").bytes()),
            Self::Chunked(_) => out.extend(b"Transfer-Encoding: chunked\r\n"),
        }
        out.extend(b"\r\n");
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unsaid => {}
            Self::Length(length) => out.extend(content(*length)),
            Self::Chunked(sizes) => {
                for size in sizes {
                    let extension = if size % 3 == 0 { ";a=b" } else { "" };
                    out.extend(format!("{size:x}{extension}\r\n").bytes());
                    out.extend(content(*size));
                    out.extend(b"\r\n");
                }
                let trailer = if sizes.len() % 2 == 0 { "Trailer: x\r\n" } else { "" };
                out.extend(format!("0\r\n{trailer}\r\n").bytes());
            }
        }
    }
}

/// A body that looks like what it is not.
fn content(length: usize) -> impl Iterator<Item = u8> {
    let misleading = b"\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    misleading.iter().copied().cycle().take(length)
}

const INTERIM: &[&str] =
    &["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"];
