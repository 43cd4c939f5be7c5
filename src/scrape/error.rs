//! Says in one sentence why a source's exposition could not be had.

use super::intake::{ByteLimit, CODINGS, Coding};
use http::StatusCode;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A source that gave no exposition: its URL, and why.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {cause}")]
pub(crate) struct FetchError {
    /// Where the source is.
    pub(crate) url: String,
    /// What went wrong there.
    pub(crate) cause: Cause,
}

/// Why a source gave no exposition.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// The host has no address.
    #[error("no address is known for this host ({0})")]
    UnknownHost(io::Error),
    /// The port is closed.
    #[error("nobody listens there (connection refused)")]
    Refused,
    /// There is no such Unix socket.
    #[error("there is no such socket (the app has not made it yet, or elsewhere)")]
    NoSocket,
    /// The app does not accept what waits at its Unix socket.
    #[error("takes no more connections (too many wait already)")]
    Busy,
    /// A file that an option names is of no use.
    #[error("its {option}= is {}, which {why}", shown(path.to_string_lossy().as_bytes()))]
    File {
        /// The option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it is of no use.
        why: String,
    },
    /// No TLS came about.
    #[error("could not be spoken to in TLS ({0})")]
    Tls(String),
    /// Connecting failed in some other way.
    #[error("could not connect ({0})")]
    Unreachable(io::Error),
    /// The deadline came before the connection did.
    #[error("took no connection within {}", Seconds(*.0))]
    NoConnection(Duration),
    /// The deadline came before the whole head of an answer did.
    #[error("did not answer within {}", Seconds(*.0))]
    NoAnswer(Duration),
    /// The deadline came before the end of the body did.
    #[error("had sent only {received} bytes of its answer after {}", Seconds(*.within))]
    TooSlow {
        /// Bytes of the body that came, before decompression.
        received: u64,
        /// How long was waited.
        within: Duration,
    },
    /// The connection ended before the whole head of an answer came.
    #[error("closed the connection without an answer")]
    Hangup,
    /// What came is not HTTP/1, or its head is above 64 KiB.
    #[error("did not answer in HTTP/1 ({0})")]
    NotHttp(String),
    /// Another status than 200 or a redirect.
    #[error("answered {}{advice}", Status(*.status))]
    Status {
        /// The status.
        status: StatusCode,
        /// What to try, or nothing.
        advice: &'static str,
    },
    /// A redirect: where it leads to is up to whoever answers there, so it is not followed.
    #[error(
        "answered {} and redirects to {location}, which is not followed; give that URL to \
         --app-metrics if it is the right one", Status(*.status)
    )]
    Redirect {
        /// The status.
        status: StatusCode,
        /// The `Location`, quoted and cut short.
        location: String,
    },
    /// Compressed in a way that was not asked for.
    #[error("answered with Content-Encoding {0}, but only one of {CODINGS} was asked for")]
    Encoding(String),
    /// What is packed is broken or cut short.
    #[error("sent {coding} that cannot be unpacked ({error})")]
    Packed {
        /// How it was packed.
        coding: Coding,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The body is above the limit, as sent or decompressed.
    #[error("sent more than {} ({})", Size(.0.bytes), .0.setting)]
    TooLarge(ByteLimit),
    /// More samples than the source may have.
    #[error("sent more than {0} samples (max-samples=)")]
    TooManySamples(usize),
    /// The body ended before it was whole.
    #[error("broke off after {received} bytes of its answer, none of which are used ({why})")]
    BrokenOff {
        /// Bytes of the body that came, before decompression.
        received: u64,
        /// What the connection said of it.
        why: String,
    },
    /// Other scrapes' answers hold all the memory that there is for bodies.
    #[error("was left out, because too many large answers are on their way to other scrapers")]
    NoRoom,
    /// A fault of ours.
    #[error("could not be merged because of a fault in podmeter, which the log tells")]
    Mishap,
    /// The body came whole, but no sample is in it.
    #[error("answered 200 OK, but with nothing that is a sample ({0})")]
    NoSample(String),
}

impl Cause {
    /// Why there was no connection.
    pub(super) fn of_connecting(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            _ => Self::Unreachable(error),
        }
    }

    /// Why there was no head.
    pub(super) fn of_asking(error: &hyper::Error) -> Self {
        if error.is_parse_too_large() {
            Self::NotHttp("its head is above 64 KiB".to_owned())
        } else if error.is_parse() {
            Self::NotHttp(innermost(error))
        } else if let Some(alert) = of_tls(error) {
            // A server may take the greeting first and look at our certificate later.
            Self::Tls(alert.to_string())
        } else {
            // An orderly end, a reset, or an end while we wrote: the person sees the same.
            Self::Hangup
        }
    }

    /// Why there was no whole body.
    pub(super) fn of_reading(error: &hyper::Error, received: u64) -> Self {
        let why = match innermost(error) {
            // An orderly end says so in TLS; without that anybody between may have cut it.
            why if why.contains("close_notify") => {
                "the connection ended without the farewell of TLS".to_owned()
            }
            why => why,
        };
        Self::BrokenOff { received, why }
    }

    /// Whether the time ran out.
    pub(super) fn is_a_hang(&self) -> bool {
        matches!(self, Self::NoConnection(_) | Self::NoAnswer(_) | Self::TooSlow { .. })
    }

    /// Why, as a label says it.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::UnknownHost(_) => "unknown_host",
            Self::Refused | Self::NoSocket | Self::Busy => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::File { .. } => "file",
            Self::Tls(_) => "tls",
            Self::NoConnection(_) | Self::NoAnswer(_) | Self::TooSlow { .. } => "timeout",
            Self::Hangup | Self::BrokenOff { .. } => "broken_off",
            Self::NotHttp(_) => "not_http",
            Self::Status { .. } | Self::Redirect { .. } => "status",
            Self::Encoding(_) | Self::Packed { .. } => "encoding",
            Self::TooLarge(_) | Self::TooManySamples(_) => "too_large",
            Self::NoSample(_) => "no_sample",
            Self::NoRoom => "no_room",
            Self::Mishap => "mishap",
        }
    }
}

/// Text from the network as a sentence shows it: quoted, on one line, and cut short.
pub(super) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN_CHARS)]);
    match text.char_indices().nth(SHOWN_CHARS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", &text[..end]),
    }
}

/// What TLS had to say of an error, if it is one of TLS.
fn of_tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An I/O error shows what is in it only so.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inside.and_then(|inside| inside.downcast_ref()) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What an error goes back to; the layers above it only say that there was one.
fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A status with its reason, where it has one.
struct Status(StatusCode);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.canonical_reason() {
            Some(reason) => write!(f, "{} {reason}", self.0.as_u16()),
            None => write!(f, "{}", self.0.as_u16()),
        }
    }
}

/// A duration in seconds, to the tenth where that says enough.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let digits = if seconds < 1.0 { 3 } else { 1 };
        let text = format!("{seconds:.digits$}");
        write!(f, "{} s", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A size in the largest unit that tells it exactly.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

const SHOWN_CHARS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_a_sentence_behind_the_url() {
        let told = |cause| {
            let url = "http://app:9102/metrics".to_owned();
            FetchError { url, cause }.to_string().split_off("http://app:9102/metrics: ".len())
        };
        let within = Duration::from_millis(9_500);
        let limit = ByteLimit { bytes: 16 << 20, setting: "--app-metrics-max-bytes" };
        let unknown = || io::Error::other("Name or service not known");
        for (cause, sentence) in [
            (
                Cause::UnknownHost(unknown()),
                "no address is known for this host (Name or service not known)",
            ),
            (Cause::Refused, "nobody listens there (connection refused)"),
            (
                Cause::of_connecting(io::Error::other("No route to host")),
                "could not connect (No route to host)",
            ),
            (Cause::NoConnection(within), "took no connection within 9.5 s"),
            (Cause::NoAnswer(within), "did not answer within 9.5 s"),
            (
                Cause::TooSlow { received: 70, within },
                "had sent only 70 bytes of its answer after 9.5 s",
            ),
            (Cause::TooLarge(limit), "sent more than 16 MiB (--app-metrics-max-bytes)"),
        ] {
            assert_eq!(told(cause), sentence);
        }
    }

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        let seconds = |millis| Seconds(Duration::from_millis(millis)).to_string();
        assert_eq!(seconds(9_500), "9.5 s");
        assert_eq!(seconds(9_499), "9.5 s");
        assert_eq!(seconds(20_000), "20 s");
        assert_eq!(seconds(90), "0.09 s");
        assert_eq!(seconds(0), "0 s");
        assert_eq!(Size(16 << 20).to_string(), "16 MiB");
        assert_eq!(Size(1500).to_string(), "1500 bytes");
        assert_eq!(Size(1 << 10).to_string(), "1 KiB");
    }

    #[test]
    fn what_the_network_said_stays_one_short_line() {
        assert_eq!(shown(b"a\r\nb\xff"), "\"a\\r\\nb\u{fffd}\"");
        assert!(shown(&[b'x'; 10_000]).chars().count() < 130);
    }
}
