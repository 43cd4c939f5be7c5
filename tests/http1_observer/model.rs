//! A simple account of well-formed conversations, kept by the one who wrote them: it knows where
//! each message begins and ends, reads nothing, and must agree with the observer in everything.

use crate::conversations::{Conversation, conversations};
use crate::law::{Step, TEMPLATES, WITHIN, check, time};
use crate::laws::seeded;
use crate::talk::{at, passed_at};
use podmeter::clock::Nanos;
use podmeter::observe::grpc::Call;
use podmeter::observe::host::HostId;
use podmeter::observe::path::PathId;
use podmeter::observe::{Direction, Ending, Event, Exchange, Flags};
use proptest::prelude::*;

proptest! {
    #![proptest_config(seeded(6000))]

    #[test]
    fn a_conversation_is_counted_as_the_one_who_wrote_it_would(conversation in conversations()) {
        let seen = check(&conversation.script()).map_err(TestCaseError::fail)?;
        let mut expected = conversation.account();
        let mut counted: Vec<_> = seen.exchanges().copied().collect();
        for counted in &mut counted {
            // What is learned depends on what was answered before; its own tests are about that.
            if usize::from(counted.path.0) >= TEMPLATES.len() {
                counted.path = PathId::OTHER;
            }
        }
        if conversation.offers() {
            // What comes behind an offer waits for its answer; its own times are not kept.
            for (counted, expected) in counted.iter().zip(&mut expected) {
                prop_assert!(counted.started <= expected.started);
                prop_assert!(counted.held <= expected.held);
                prop_assert!(counted.held_request <= expected.held_request);
                (expected.started, expected.held) = (counted.started, counted.held);
                expected.held_request = counted.held_request;
            }
        }
        prop_assert_eq!(counted, expected, "{}", conversation.script());
        let unparsed = seen.events.iter().any(|event| matches!(event, Event::Unparsed { .. }));
        prop_assert!(!unparsed, "{}", conversation.script());
    }
}

impl Conversation {
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
        let first_data = answer.and_then(|answer| {
            let is_body = answer.head.end < so_far.min(answer.end.unwrap_or(so_far));
            is_body.then(|| time(self.answered[answer.head.end]).written)
        });
        let response_bytes = answer.map_or(0, |answer| {
            so_far.min(answer.end.unwrap_or(so_far)).saturating_sub(answer.start())
        });
        self.exchanges.push(Exchange {
            host: HostId(0),
            method: request.method,
            path: request.path,
            version: request.version,
            call: Call::Http,
            status,
            flags,
            started: at(self.asked[request.head.start]),
            ended: now,
            first_byte,
            first_data,
            held,
            held_request: WITHIN,
            request_bytes: (self.asked.len().min(request.end) - request.head.start) as u64,
            response_bytes: response_bytes as u64,
            probe: false,
            trace: None,
        });
        self.over += 1;
    }
}
