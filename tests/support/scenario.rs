//! One connection's two ends, played without the proxy and then through it, and compared.

use super::app::TestApp;
use super::proxy::TestProxy;
use super::script::{Recording, Signals, Step, play};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// What both ends do.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) client: Vec<Step>,
    pub(crate) app: Vec<Step>,
}

/// What came to both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) client: Recording,
    pub(crate) app: Recording,
}

impl Scenario {
    pub(crate) fn new(client: impl Into<Vec<Step>>, app: impl Into<Vec<Step>>) -> Self {
        Self { client: client.into(), app: app.into() }
    }

    /// The client sends `request`, the app answers all of it with `answer`, and both part.
    pub(crate) fn exchange(request: &[u8], answer: &[u8]) -> Self {
        Self::new(
            [
                Step::Send(request.to_vec()),
                Step::Expect(answer.len()),
                Step::Finish,
                Step::ReadToEnd,
            ],
            [Step::Expect(request.len()), Step::Send(answer.to_vec()), Step::ReadToEnd],
        )
    }

    /// Plays it without the proxy.
    pub(crate) fn directly(&self) -> Outcome {
        self.play(|app| (app, ()))
    }

    /// Plays it through a proxy with `flags`.
    pub(crate) fn through(&self, flags: &str) -> Outcome {
        self.play(|app| {
            let proxy = TestProxy::before(app, flags);
            (proxy.addr(), proxy)
        })
    }

    /// Plays it with the client connecting to where `via` says that it gets to the app.
    fn play<P>(&self, via: impl FnOnce(SocketAddr) -> (SocketAddr, P)) -> Outcome {
        let signals = Arc::new(Signals::default());
        let app = TestApp::start(&self.app, &signals);
        let (addr, _proxy) = via(app.addr);
        let client = play(TcpStream::connect(addr).unwrap(), &self.client, &signals);
        Outcome { client, app: app.recording() }
    }

    /// Both ends read the same bytes and see the same end with the proxy and without, whether or
    /// not it reads along.
    #[track_caller]
    pub(crate) fn assert_unchanged(&self) -> Outcome {
        let directly = self.directly();
        for flags in ["", "--opaque-ports 1-65535"] {
            let through = self.through(flags);
            assert_eq!(through.client.received_and_end(), directly.client.received_and_end());
            assert_eq!(through.app.received_and_end(), directly.app.received_and_end());
        }
        directly
    }
}

impl Recording {
    /// What does not depend on how much the kernels on the way buffer.
    fn received_and_end(&self) -> Self {
        Self { sent: 0, ..self.clone() }
    }
}
