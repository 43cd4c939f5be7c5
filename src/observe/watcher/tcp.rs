//! Meters a connection as TCP from the moment it is opened.

use crate::observe::tls::Tls;
use crate::observe::{Direction, Event, Flags, Sink};

/// Whether a connection is metered as TCP.
#[derive(Debug, Default)]
pub(in crate::observe) struct TcpMeter {
    is_open: bool,
}

impl TcpMeter {
    pub(in crate::observe) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(in crate::observe) fn open(&mut self, sink: &mut impl Sink) {
        self.open_as(None, sink);
    }

    /// The same, of what is known to be TLS.
    pub(super) fn open_as(&mut self, tls: Option<Tls>, sink: &mut impl Sink) {
        if !self.is_open {
            self.is_open = true;
            sink.event(Event::TcpOpened { tls });
        }
    }

    pub(in crate::observe) fn bytes(
        &mut self,
        direction: Direction,
        count: usize,
        sink: &mut impl Sink,
    ) {
        self.open(sink);
        if count > 0 {
            sink.event(Event::TcpBytes { direction, bytes: count as u64 });
        }
    }

    pub(super) fn close(&mut self, flags: Flags, sink: &mut impl Sink) {
        if self.is_open {
            self.is_open = false;
            sink.event(Event::TcpClosed { flags });
        }
    }
}
