//! nginx as the app, and its access log as the truth.
//!
//! What nginx logs of clients that leave: 499 where it has sent nothing, which podmeter counts as
//! 0 with DC; the status, without its mark of completion, where it was sending, which is the
//! status with DC; and 400 without a byte sent for half a head, which is no request at all.

use std::fmt::Write as _;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;

use crate::app::Exchanges;
use crate::nginx::Nginx;

/// A running nginx that logs each request.
pub(crate) struct LoggingNginx {
    nginx: Nginx,
    log: PathBuf,
}

/// The log, read as podmeter's labels.
pub(crate) struct Log {
    pub(crate) exchanges: Exchanges,
    pub(crate) half_heads: u64,
}

impl LoggingNginx {
    /// Starts one, and tells of each request for `/hold` that has arrived.
    pub(crate) fn start(program: &Path, folder: &Path) -> (Self, Receiver<()>) {
        let log = folder.join("access.log");
        // More than the first second's share of `limit_rate`.
        std::fs::write(folder.join("slow"), vec![b'x'; 100_000]).unwrap();
        let (silent, arrivals) = silent_app();
        let folder_ = folder.display();
        let http = format!(
            "log_format facts '$status $bytes_sent $request_completion';
             access_log {} facts buffer=64k;",
            log.display()
        );
        let mut locations = format!(
            "location = /hold {{ proxy_pass http://{silent}; }}
             location = /slow {{ root {folder_}; limit_rate 2000; }}"
        );
        for status in [200, 201, 404, 500, 503] {
            writeln!(locations, "location = /{status} {{ return {status} hello; }}").unwrap();
        }
        locations += "location = /204 { return 204; }\n";
        locations += "location = /302 { return 302 http://elsewhere/; }\n";
        let nginx = Nginx::start(program, folder, &http, &locations);
        (Self { nginx, log }, arrivals)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.nginx.addr
    }

    /// Ends nginx, so that it writes what it has kept back, and reads the log.
    pub(crate) fn log_at_the_end(mut self) -> Log {
        self.nginx.process.signal(Signal::QUIT);
        assert!(self.nginx.process.ended().success());
        let mut log = Log { exchanges: Exchanges::new(), half_heads: 0 };
        for line in std::fs::read_to_string(&self.log).unwrap().lines() {
            let [status, sent, completion] = *line.split(' ').collect::<Vec<_>>() else {
                panic!("nginx logged {line:?}")
            };
            let exchange = match (status, sent, completion) {
                ("400", "0", "") => {
                    log.half_heads += 1;
                    continue;
                }
                ("499", "0", "") => (0, "DC"),
                (status, _, "OK") => (status.parse().unwrap(), "-"),
                (status, sent, _) => {
                    assert_ne!(sent, "0", "nginx logged {line:?}");
                    (status.parse().unwrap(), "DC")
                }
            };
            *log.exchanges.entry((exchange.0, exchange.1.to_owned())).or_default() += 1;
        }
        log
    }
}

/// What nginx asks at `/hold`: it takes requests, says so, and never answers.
fn silent_app() -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let (arrived, arrivals) = channel();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, arrived) = (socket.unwrap(), arrived.clone());
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                if socket.read(&mut bytes).is_ok_and(|count| count > 0) {
                    arrived.send(()).unwrap();
                }
                while socket.read(&mut bytes).is_ok_and(|count| count > 0) {}
            });
        }
    });
    (addr, arrivals)
}
