//! Whose fault it was: what came of an exchange, in words that a person understands.

use crate::observe::grpc::{Call, Severity};
use crate::observe::{Exchange, Flags};

/// Who is to blame for how an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody: it went well.
    None,
    /// Who answers: it failed, or was not there to answer.
    App,
    /// Who asks: it asked for what it cannot have, or left.
    Client,
    /// podmeter, which cut it short.
    Proxy,
}

impl Fault {
    /// As a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::App => "app",
            Self::Client => "client",
            Self::Proxy => "proxy",
        }
    }
}

/// What came of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It went well.
    Answered,
    /// A status from 500 on.
    ErrorStatus,
    /// A gRPC status that says that the server failed.
    GrpcError,
    /// The app could not be connected to (`UF`).
    Refused,
    /// The app closed the connection instead of answering (`UC`).
    Unanswered,
    /// The app broke off its answer (`UPE`).
    BrokenOff,
    /// The app reset the stream (`UR`).
    Reset,
    /// A status from 400 to 499.
    BadRequest,
    /// A gRPC status that says that the call was wrong.
    GrpcRefusal,
    /// The request could not be read (`DPE`).
    Unreadable,
    /// The client left before the answer was complete (`DC`).
    Left,
    /// podmeter ended the connection: `--idle-timeout`, or the end of `--drain-timeout`.
    GivenUp,
    /// podmeter had no room for it (`UO`).
    NoRoom,
}

impl Outcome {
    /// Every one, in the order of the metric's series.
    pub const ALL: [Self; 13] = [
        Self::Answered,
        Self::ErrorStatus,
        Self::GrpcError,
        Self::Refused,
        Self::Unanswered,
        Self::BrokenOff,
        Self::Reset,
        Self::BadRequest,
        Self::GrpcRefusal,
        Self::Unreadable,
        Self::Left,
        Self::GivenUp,
        Self::NoRoom,
    ];

    /// What came of `exchange`; `given_up` where podmeter has ended its connection.
    pub fn of(exchange: &Exchange, given_up: bool) -> Self {
        match exchange.flags {
            Flags::UpstreamConnectFailure => Self::Refused,
            Flags::UpstreamClosed => Self::Unanswered,
            Flags::UpstreamProtocolError => Self::BrokenOff,
            Flags::UpstreamReset => Self::Reset,
            Flags::UpstreamOverflow => Self::NoRoom,
            Flags::DownstreamClosed if given_up => Self::GivenUp,
            Flags::DownstreamClosed => Self::Left,
            Flags::DownstreamProtocolError => Self::Unreadable,
            Flags::None => Self::by_status(exchange),
        }
    }

    fn by_status(exchange: &Exchange) -> Self {
        match exchange.status {
            500.. => return Self::ErrorStatus,
            400..=499 => return Self::BadRequest,
            _ => {}
        }
        let severity = match exchange.call {
            Call::Http => Severity::Fine,
            Call::Grpc(status) => status.severity(),
        };
        match severity {
            Severity::Fine => Self::Answered,
            Severity::Refusal => Self::GrpcRefusal,
            Severity::Failure => Self::GrpcError,
        }
    }

    /// Whose fault it is.
    pub fn fault(self) -> Fault {
        match self {
            Self::Answered => Fault::None,
            Self::ErrorStatus
            | Self::GrpcError
            | Self::Refused
            | Self::Unanswered
            | Self::BrokenOff
            | Self::Reset => Fault::App,
            Self::BadRequest | Self::GrpcRefusal | Self::Unreadable | Self::Left => Fault::Client,
            Self::GivenUp | Self::NoRoom => Fault::Proxy,
        }
    }

    /// As a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ErrorStatus => "error_status",
            Self::GrpcError => "grpc_error",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::BrokenOff => "broken_off",
            Self::Reset => "reset",
            Self::BadRequest => "bad_request",
            Self::GrpcRefusal => "grpc_refusal",
            Self::Unreadable => "unreadable",
            Self::Left => "left",
            Self::GivenUp => "given_up",
            Self::NoRoom => "no_room",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_place_and_name() {
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at);
            let same = Outcome::ALL.iter().filter(|other| other.as_str() == outcome.as_str());
            assert_eq!(same.count(), 1);
        }
    }
}
