//! The proxy inside the test's own process, configured by flags as on a command line.

use super::PATIENCE;
use clap::Parser;
use podmeter::app::App;
use podmeter::config::{Config, ProxyArgs};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// A running proxy; dropping it stops it and gives up what it carries.
pub(crate) struct TestProxy {
    /// Where each `--forward` listens.
    pub(crate) forwards: Vec<SocketAddr>,
    /// Where the stats are, if they were asked for with `--stats-listen`.
    pub(crate) stats: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    stopped: Receiver<()>,
}

/// Flags as on the command line.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: ProxyArgs,
}

impl TestProxy {
    /// Forwards a port of its own to `target`; `flags` are separated by spaces.
    pub(crate) fn before(target: SocketAddr, flags: &str) -> Self {
        Self::start(&format!("--forward 127.0.0.1:0={target} {flags}"))
    }

    /// Starts with `flags`, separated by spaces. Listeners that are not named are off.
    pub(crate) fn start(flags: &str) -> Self {
        let config = config(flags);
        let (tell, told) = channel();
        let (stop, stopping) = oneshot::channel();
        let (last, stopped) = channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let app = App::bind(config).unwrap();
                tell.send((app.forward_addrs().to_vec(), app.stats_addr())).unwrap();
                let stopping = Arc::new(Mutex::new(Some(stopping)));
                let stop = || {
                    // The first to ask waits for the test; who asks again need not wait.
                    let stopping = stopping.lock().unwrap().take();
                    async move {
                        if let Some(stopping) = stopping {
                            drop(stopping.await);
                        }
                    }
                };
                app.run(stop).await.unwrap();
            });
            drop(last);
        });
        let (forwards, stats) = told.recv_timeout(PATIENCE).expect("the proxy starts");
        Self { forwards, stats, stop: Some(stop), stopped }
    }

    /// Where the only `--forward` listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.forwards[0]
    }

    /// Stops the proxy and waits until all its threads are gone.
    pub(crate) fn stop(mut self) {
        self.stop_now();
    }

    fn stop_now(&mut self) {
        if let Some(stop) = self.stop.take() {
            drop(stop);
            let gone = self.stopped.recv_timeout(PATIENCE);
            let gone = matches!(gone, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
            assert!(gone || std::thread::panicking(), "the proxy did not stop");
        }
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.stop_now();
    }
}

/// The configuration that `flags` ask for, with every listener off that they do not name.
pub(crate) fn config(flags: &str) -> Config {
    let line = std::iter::once("proxy").chain(flags.split_whitespace());
    let mut args = Flags::try_parse_from(line).unwrap().settings;
    for listener in [&mut args.stats_listen, &mut args.admin_listen, &mut args.health_listen] {
        listener.get_or_insert_with(|| "off".to_owned());
    }
    Config::try_from(args).unwrap()
}
