//! The apps of the demo: two versions of one that knows no metrics, and a server for it and others.

use crate::drain::Drain;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// What an app answers.
pub(super) type Answer = Response<Full<Bytes>>;

/// One version of the app: how slow it is and how often it fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// What it answers with.
    greeting: &'static str,
    /// What most answers take, in milliseconds: from, and how much more at most.
    usual: (u64, u64),
    /// What slow answers take.
    slow: (u64, u64),
    /// One in so many answers is slow.
    slow_one_in: u64,
    /// So many of a thousand answers are 500.
    failing_in_thousand: u64,
}

impl Version {
    /// The version that everybody uses.
    pub(super) const STABLE: Self = Self {
        greeting: "hello from the stable version\n",
        usual: (4, 9),
        slow: (20, 20),
        slow_one_in: 50,
        failing_in_thousand: 0,
    };

    /// The version that is being tried out.
    pub(super) const WORSE: Self = Self {
        greeting: "hello from the new version\n",
        usual: (12, 33),
        slow: (120, 110),
        slow_one_in: 20,
        failing_in_thousand: 32,
    };

    /// Starts it on a free port and says which.
    pub(super) async fn start(self, drain: &Drain) -> io::Result<SocketAddr> {
        let answered = Arc::new(AtomicU64::new(0));
        serve(drain, move |_| {
            let (status, takes) = self.nth(answered.fetch_add(1, Ordering::Relaxed));
            async move {
                tokio::time::sleep(takes).await;
                let body = if status == StatusCode::OK { self.greeting } else { "it broke\n" };
                let mut answer = Answer::new(Full::from(body));
                *answer.status_mut() = status;
                answer
            }
        })
        .await
    }

    /// What the answer number `n` is and how long it takes: the same in every run.
    fn nth(&self, n: u64) -> (StatusCode, Duration) {
        let fails = scatter(3 * n) % 1000 < self.failing_in_thousand;
        let is_slow = scatter(3 * n + 1).is_multiple_of(self.slow_one_in);
        let (least, more) = if is_slow { self.slow } else { self.usual };
        let millis = least + scatter(3 * n + 2) % (more + 1);
        let status = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        (status, Duration::from_millis(millis))
    }
}

/// A fixed sequence of numbers that follow no pattern (the finalizer of Steele, Lea and Flood's
/// `SplitMix64`).
pub(super) fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Has `answer` answer requests on a free loopback port until `drain` stops; says which port.
pub(super) async fn serve<A, F>(drain: &Drain, answer: A) -> io::Result<SocketAddr>
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let (answer, own) = (Arc::new(answer), drain.clone());
    drain.spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = own.stopped() => return,
            };
            match accepted {
                Ok((socket, _)) => own.spawn(converse(socket, Arc::clone(&answer), own.clone())),
                // Out of file descriptors: those who wait go on waiting.
                Err(_) => tokio::time::sleep(BREATH).await,
            }
        }
    });
    Ok(addr)
}

async fn converse<A, F>(socket: TcpStream, answer: Arc<A>, drain: Drain)
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    // The load keeps its connections and writes small requests: they shall not wait for one
    // another's acknowledgements.
    let _: io::Result<()> = socket.set_nodelay(true);
    let service = service_fn(|request| {
        let answer = answer(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        // How a client's connection ends is the client's own affair.
        _ = connection => {}
        () = drain.stopped() => {}
    }
}

const BREATH: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(version: Version, answers: u64) -> usize {
        (0..answers).filter(|&n| version.nth(n).0 != StatusCode::OK).count()
    }

    fn mean_millis(version: Version) -> u128 {
        (0..1000).map(|n| version.nth(n).1.as_millis()).sum::<u128>() / 1000
    }

    #[test]
    fn the_worse_version_fails_for_about_3_per_cent_and_from_the_first_seconds_on() {
        for answers in 50..1000 {
            let failed = failures(Version::WORSE, answers) as f64 / answers as f64;
            assert!((0.012..0.1).contains(&failed), "{failed} of {answers}");
        }
        let of_ten_thousand = failures(Version::WORSE, 10_000);
        assert!((250..400).contains(&of_ten_thousand), "{of_ten_thousand}");
    }

    #[test]
    fn the_stable_version_never_fails() {
        assert_eq!(failures(Version::STABLE, 10_000), 0);
    }

    #[test]
    fn the_worse_version_is_slower() {
        assert!(mean_millis(Version::WORSE) > 2 * mean_millis(Version::STABLE));
    }
}
