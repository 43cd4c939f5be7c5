//! A simple account of well-formed conversations, kept by the one who wrote them: it knows where
//! each message begins and ends, reads nothing, and must agree with the observer in everything.

use crate::law::{Script, Step, WITHIN, check, time};
use crate::laws::seeded;
use crate::talk::{at, passed_at};
use podmeter::clock::Nanos;
use podmeter::observe::host::HostId;
use podmeter::observe::{Direction, Ending, Event, Exchange, Flags};
use proptest::prelude::*;
use std::ops::Range;

proptest! {
    #![proptest_config(seeded(6000))]

    #[test]
    fn a_conversation_is_counted_as_the_one_who_wrote_it_would(conversation in conversations()) {
        let seen = check(&conversation.script()).map_err(TestCaseError::fail)?;
        let mut expected = conversation.account();
        let counted: Vec<_> = seen.exchanges().copied().collect();
        if conversation.offers() {
            // What comes behind an offer waits for its answer; its own times are not kept.
            for (counted, expected) in counted.iter().zip(&mut expected) {
                prop_assert!(counted.started <= expected.started);
                prop_assert!(counted.held <= expected.held);
                (expected.started, expected.held) = (counted.started, counted.held);
            }
        }
        prop_assert_eq!(counted, expected, "{}", conversation.script());
        let unparsed = seen.events.iter().any(|event| matches!(event, Event::Unparsed { .. }));
        prop_assert!(!unparsed, "{}", conversation.script());
    }
}

/// Requests and answers with what both sides do, step by step.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    requests: Vec<Request>,
    answers: Vec<Answer>,
    steps: Vec<Step>,
    ending: Ending,
}

/// Where a request stands in what the client says.
#[derive(Clone, Debug)]
struct Request {
    head: Range<usize>,
    end: usize,
    offers: bool,
}

/// Where an answer stands in what the app says.
#[derive(Clone, Debug)]
struct Answer {
    interim: Vec<Range<usize>>,
    head: Range<usize>,
    /// `None` where it ends with the connection.
    end: Option<usize>,
    status: u16,
    is_last: bool,
}

impl Conversation {
    pub(crate) fn script(&self) -> Script {
        Script { max_head_bytes: 64 * 1024, steps: self.steps.clone(), ending: self.ending }
    }

    fn offers(&self) -> bool {
        self.requests.iter().any(|request| request.offers)
    }

    /// What became of each request.
    fn account(&self) -> Vec<Exchange> {
        let mut account = Account::default();
        for (i, step) in self.steps.iter().enumerate() {
            match step {
                Step::Says(direction, bytes) => {
                    let said = account.said(*direction);
                    said.extend(std::iter::repeat_n(i, bytes.len()));
                    account.answer(self, i);
                }
                Step::Finishes(Direction::Request) => account.client_finished = true,
                Step::Finishes(Direction::Response) => account.app_finishes(self, i),
            }
        }
        let (by_client, by_app) = (Flags::DownstreamClosed, Flags::UpstreamClosed);
        let flags = match self.ending {
            _ if account.app_finished => by_app,
            Ending::AppReset if !account.client_finished => by_app,
            _ => by_client,
        };
        account.give_up(self, flags, at(self.steps.len()));
        account.exchanges
    }
}

/// The account so far.
#[derive(Default)]
struct Account {
    /// The step of every byte from the client.
    asked: Vec<usize>,
    /// The step of every byte from the app.
    answered: Vec<usize>,
    client_finished: bool,
    app_finished: bool,
    /// How many requests are over.
    over: usize,
    exchanges: Vec<Exchange>,
}

impl Account {
    fn said(&mut self, direction: Direction) -> &mut Vec<usize> {
        match direction {
            Direction::Request => &mut self.asked,
            Direction::Response => &mut self.answered,
        }
    }

    /// Records the answers that became complete at a step.
    fn answer(&mut self, told: &Conversation, step: usize) {
        while let Some(answer) = told.answers.get(self.over)
            && answer.end.is_some_and(|end| self.answered.len() >= end)
        {
            self.record(told, answer.status, Flags::None, passed_at(step), 2 * WITHIN);
        }
    }

    fn app_finishes(&mut self, told: &Conversation, step: usize) {
        if let Some(answer) = told.answers.get(self.over)
            && answer.end.is_none()
            && self.answered.len() >= answer.head.end
        {
            self.record(told, answer.status, Flags::None, at(step), WITHIN);
        }
        let flags =
            if self.client_finished { Flags::DownstreamClosed } else { Flags::UpstreamClosed };
        self.give_up(told, flags, at(step));
        self.app_finished = true;
    }

    /// No more answers come to the requests that began.
    fn give_up(&mut self, told: &Conversation, flags: Flags, now: Nanos) {
        let began = self.began(told);
        while self.over < began {
            let last = told.answers.last().filter(|answer| answer.is_last);
            let has_begun = last.is_some_and(|last| self.answered.len() >= last.head.end);
            if has_begun && self.over >= told.answers.len() {
                self.over = began; // the app said that it would answer no more
                return;
            }
            let answer = told.answers.get(self.over);
            let status = answer.filter(|answer| self.answered.len() >= answer.head.end);
            let (status, flags) = match (status, flags) {
                (Some(answer), Flags::UpstreamClosed) => {
                    (answer.status, Flags::UpstreamProtocolError)
                }
                (Some(answer), flags) => (answer.status, flags),
                (None, Flags::UpstreamClosed) => (503, flags),
                (None, flags) => (0, flags),
            };
            self.record(told, status, flags, now, WITHIN);
        }
    }

    /// How many requests have begun: their heads have been sent, and no offer stands before them.
    fn began(&self, told: &Conversation) -> usize {
        let mut began = 0;
        for (i, request) in told.requests.iter().enumerate() {
            if self.asked.len() < request.head.end {
                break;
            }
            began += 1;
            let answer = told.answers.get(i);
            if request.offers && answer.is_none_or(|a| self.answered.len() < a.head.end) {
                break;
            }
        }
        began
    }

    fn record(&mut self, told: &Conversation, status: u16, flags: Flags, now: Nanos, held: u64) {
        let request = &told.requests[self.over];
        let answer = told.answers.get(self.over);
        let so_far = self.answered.len();
        let first_byte = answer.and_then(|answer| {
            let mut heads = answer.interim.iter().chain([&answer.head]);
            // An interim answer counts for nothing once it can be told from the answer.
            let first = heads.find(|head| {
                head.start < so_far && (so_far < head.end || head.start == answer.head.start)
            })?;
            Some(time(self.answered[first.start]).written)
        });
        let response_bytes = answer.map_or(0, |answer| {
            let start = answer.interim.first().map_or(answer.head.start, |interim| interim.start);
            so_far.min(answer.end.unwrap_or(so_far)).saturating_sub(start)
        });
        self.exchanges.push(Exchange {
            host: HostId(0),
            status,
            flags,
            started: at(self.asked[request.head.start]),
            ended: now,
            first_byte,
            held,
            request_bytes: (self.asked.len().min(request.end) - request.head.start) as u64,
            response_bytes: response_bytes as u64,
        });
        self.over += 1;
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
        let (empty_lines_before, method, minor, connection, offers, body) = request;
        let (interim, status, answer_minor, answer_closes, answer_body) = answer;
        Plan {
            empty_lines_before,
            method,
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

impl Conversation {
    fn says(&mut self, direction: Direction, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.steps.push(Step::Says(direction, bytes.to_vec()));
        }
    }
}

impl Answer {
    fn start(&self) -> usize {
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
        out.extend(format!("{} / HTTP/1.{}\r\nHost: shop\r\n", self.method, self.minor).bytes());
        if !self.connection.is_empty() {
            out.extend(format!("Connection: {}\r\n", self.connection).bytes());
        }
        if self.offers {
            out.extend(b"connection: x, Upgrade\r\nUPGRADE: h2c\r\n");
        }
        self.body.write_head_end(out);
        let head = start..out.len();
        self.body.write(out);
        Request { head, end: out.len(), offers: self.offers }
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
