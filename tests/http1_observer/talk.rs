//! A notation for what is said on a connection and what is expected to be seen of it.
//!
//! Every talk is checked against the laws as well, so each scenario holds however it is split.

use crate::law::{Script, Seen, Step, check, check_each_split, time};
use podmeter::clock::Nanos;
use podmeter::observe::grpc::Call;
use podmeter::observe::tls::Tls;
use podmeter::observe::websocket::CloseCode;
use podmeter::observe::{Direction, Ending, Event, Exchange};

/// A connection, told step by step. Step `i` happens at [`at`]`(i)`.
pub(crate) struct Talk {
    script: Script,
}

/// When the step at an index happens.
pub(crate) fn at(step: usize) -> Nanos {
    time(step).read
}

/// When what was said at a step had been passed on.
pub(crate) fn passed_at(step: usize) -> Nanos {
    time(step).written
}

impl Talk {
    pub(crate) fn new() -> Self {
        Self::with_heads_up_to(64 * 1024)
    }

    pub(crate) fn with_heads_up_to(max_head_bytes: usize) -> Self {
        let script = Script { max_head_bytes, steps: Vec::new(), ending: Ending::Finished };
        Self { script }
    }

    pub(crate) fn client(self, says: impl AsRef<[u8]>) -> Self {
        self.says(Direction::Request, says.as_ref())
    }

    pub(crate) fn app(self, says: impl AsRef<[u8]>) -> Self {
        self.says(Direction::Response, says.as_ref())
    }

    fn says(mut self, direction: Direction, bytes: &[u8]) -> Self {
        self.script.steps.push(Step::Says(direction, bytes.to_vec()));
        self
    }

    pub(crate) fn client_finishes(mut self) -> Self {
        self.script.steps.push(Step::Finishes(Direction::Request));
        self
    }

    pub(crate) fn app_finishes(mut self) -> Self {
        self.script.steps.push(Step::Finishes(Direction::Response));
        self
    }

    pub(crate) fn client_resets(self) -> Told {
        self.ends(Ending::ClientReset)
    }

    pub(crate) fn app_resets(self) -> Told {
        self.ends(Ending::AppReset)
    }

    pub(crate) fn refused(self) -> Told {
        self.ends(Ending::Refused)
    }

    pub(crate) fn given_up(self) -> Told {
        self.ends(Ending::GivenUp)
    }

    /// Both sides finish, the client first unless the app has already.
    pub(crate) fn closes(mut self) -> Told {
        for direction in [Direction::Request, Direction::Response] {
            let has_finished = |s: &Step| matches!(s, Step::Finishes(who) if *who == direction);
            if !self.script.steps.iter().any(has_finished) {
                self.script.steps.push(Step::Finishes(direction));
            }
        }
        self.ends(Ending::Finished)
    }

    pub(crate) fn ends(mut self, ending: Ending) -> Told {
        self.script.ending = ending;
        let is_short = self.script.bytes() < 2000;
        match if is_short { check_each_split(&self.script) } else { check(&self.script) } {
            Ok(seen) => Told { seen },
            Err(broken) => panic!("{broken}"),
        }
    }
}

/// What was seen.
pub(crate) struct Told {
    seen: Seen,
}

impl Told {
    /// Each exchange as `STATUS FLAGS`, in order.
    #[track_caller]
    pub(crate) fn counts(self, expected: &[&str]) -> Self {
        let counted: Vec<_> = self
            .seen
            .exchanges()
            .map(|exchange| format!("{} {}", exchange.status, exchange.flags.as_str()))
            .collect();
        assert_eq!(counted, expected, "{:#?}", self.seen);
        self
    }

    /// That so many bytes came from the client and from the app while it was metered as TCP, and
    /// how that ended.
    #[track_caller]
    pub(crate) fn meters_tcp(self, received: u64, sent: u64, flags: &str) -> Self {
        assert_eq!(self.seen.tcp_bytes, [received, sent], "{:#?}", self.seen);
        assert_eq!(self.tcp_flags(), Some(flags), "{:#?}", self.seen);
        self
    }

    #[track_caller]
    pub(crate) fn meters_no_tcp(self) -> Self {
        assert_eq!(self.tcp_flags(), None, "{:#?}", self.seen);
        self
    }

    fn tcp_flags(&self) -> Option<&str> {
        self.seen.events.iter().find_map(|event| match event {
            Event::TcpClosed { flags } => Some(flags.as_str()),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn drops(self, expected: usize) -> Self {
        let dropped = self.seen.events.iter().filter(|e| matches!(e, Event::Dropped)).count();
        assert_eq!(dropped, expected, "{:#?}", self.seen);
        self
    }

    /// That so many gRPC messages came to their end, from the client and from the app.
    #[track_caller]
    pub(crate) fn carries_messages(self, received: u64, sent: u64) -> Self {
        assert_eq!(self.seen.messages, [received, sent], "{:#?}", self.seen);
        self
    }

    /// What was told of `WebSocket` connections: `opened`, `DIRECTION KIND` and `closed CODE`.
    #[track_caller]
    pub(crate) fn sees_websocket(self, expected: &[&str]) -> Self {
        let seen = self.seen.events.iter().filter_map(|event| match event {
            Event::WebSocketOpened => Some("opened".to_owned()),
            Event::WebSocketFrame { direction, kind } => {
                let from = if *direction == Direction::Request { "client" } else { "app" };
                Some(format!("{from} {}", kind.as_str()))
            }
            Event::WebSocketClosed { code, .. } => {
                Some(format!("closed {}", CloseCode::label(code.index())))
            }
            _ => None,
        });
        assert_eq!(seen.collect::<Vec<_>>(), expected, "{:#?}", self.seen);
        self
    }

    /// What the connection is taken to speak.
    #[track_caller]
    pub(crate) fn speaks(self, expected: &str) -> Self {
        let spoken = self.seen.events.iter().find_map(|event| match event {
            Event::Speaks(spoken) => Some(spoken.as_str()),
            _ => None,
        });
        assert_eq!(spoken, Some(expected), "{:#?}", self.seen);
        self
    }

    /// Server name, protocol and version that a client of TLS asked for.
    #[track_caller]
    pub(crate) fn greets(self, expected: Option<Tls>) -> Self {
        let greeted = self.seen.events.iter().find_map(|event| match event {
            Event::TcpOpened { tls } => Some(*tls),
            _ => None,
        });
        assert_eq!(greeted, Some(expected), "{:#?}", self.seen);
        self
    }

    /// How an exchange ended as a call: `http`, or `grpc STATUS`.
    #[track_caller]
    pub(crate) fn calls(self, expected: &[&str]) -> Self {
        let calls = self.seen.exchanges().map(|exchange| match exchange.call {
            Call::Http => "http".to_owned(),
            Call::Grpc(status) => format!("grpc {}", status.as_str()),
        });
        assert_eq!(calls.collect::<Vec<_>>(), expected, "{:#?}", self.seen);
        self
    }

    /// `PROTOCOL REASON`, or nothing.
    #[track_caller]
    pub(crate) fn stops_reading(self, expected: &str) -> Self {
        let unparsed = self.seen.events.iter().find_map(|event| match event {
            Event::Unparsed { protocol, reason } => {
                Some(format!("{} {}", protocol.as_str(), reason.as_str()))
            }
            _ => None,
        });
        assert_eq!(unparsed.unwrap_or_default(), expected, "{:#?}", self.seen);
        self
    }

    /// Exactly these exchanges, and nothing else at all.
    #[track_caller]
    pub(crate) fn counts_only(self, expected: &[&str]) -> Self {
        self.counts(expected).meters_no_tcp().drops(0).stops_reading("")
    }

    /// The exchange at an index, for its finer points.
    #[track_caller]
    pub(crate) fn exchange(&self, index: usize) -> Exchange {
        *self.seen.exchanges().nth(index).unwrap_or_else(|| panic!("{:#?}", self.seen))
    }
}
