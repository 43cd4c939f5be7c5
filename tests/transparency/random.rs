//! Whatever both ends do in whatever order, each reads what the other sent and nothing else.

use crate::support::PATIENCE;
use crate::support::proxy::TestProxy;
use crate::support::script::{is_pattern, pattern};
use proptest::prelude::*;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;

/// What one end does: it reads all the time, as fast as it likes.
#[derive(Clone, Debug)]
struct Conduct {
    /// Sends so many bytes after so many times of letting others run.
    sends: Vec<(usize, usize)>,
    /// Reads so many bytes at most, after so many times of letting others run.
    reads: (usize, usize),
    /// At last, after so many times of letting others run, it sends no more or resets.
    last: (usize, Last),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Finish,
    /// Only once the other end has finished.
    FinishAfter,
    Reset,
}

/// What one end saw.
#[derive(Debug)]
struct Seen {
    received: Vec<u8>,
    sent: usize,
    was_reset: bool,
}

fn conduct() -> impl Strategy<Value = Conduct> {
    let size = prop_oneof![4 => 1..200usize, 2 => 1000..70_000usize, 1 => 100_000..600_000usize];
    let sends = proptest::collection::vec((0..30usize, size), 0..8);
    let reads = (0..5usize, prop_oneof![500..3000usize, 10_000..100_000usize]);
    let last =
        prop_oneof![3 => Just(Last::Finish), 2 => Just(Last::FinishAfter), 1 => Just(Last::Reset)];
    (sends, reads, (0..60usize, last)).prop_map(|(sends, reads, last)| Conduct {
        sends,
        reads,
        last,
    })
}

async fn behave(stream: TcpStream, conduct: &Conduct) -> Seen {
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let (finished, when_finished) = tokio::sync::oneshot::channel();
    let read = async {
        let mut received = Vec::new();
        let (yields, most) = conduct.reads;
        let mut chunk = vec![0; most];
        let was_reset = loop {
            yield_times(yields).await;
            match reader.read(&mut chunk).await {
                Ok(0) => break false,
                Ok(read) => received.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break true,
                Err(error) => panic!("{error}"),
            }
        };
        let _ = finished.send(());
        (received, was_reset)
    };
    let write = async {
        let (mut sent, mut was_reset) = (0, false);
        for &(yields, count) in &conduct.sends {
            yield_times(yields).await;
            let end = sent + count;
            while sent < end && !was_reset {
                let chunk = pattern(sent);
                match writer.write(&chunk[..chunk.len().min(end - sent)]).await {
                    Ok(written) => sent += written,
                    Err(_) => was_reset = true,
                }
            }
        }
        yield_times(conduct.last.0).await;
        match conduct.last.1 {
            Last::Finish => drop(writer.shutdown().await),
            Last::FinishAfter => {
                drop(when_finished.await);
                drop(writer.shutdown().await);
            }
            Last::Reset => {
                let socket = socket2::SockRef::from(writer.as_ref());
                socket.set_linger(Some(Duration::ZERO)).unwrap();
                writer.forget();
                return (sent, was_reset, true);
            }
        }
        writer.forget();
        (sent, was_reset, false)
    };
    tokio::pin!(read);
    // Who resets does not wait for what it could still read.
    let mut seen = None;
    let (sent, write_failed, resets) = {
        tokio::pin!(write);
        loop {
            tokio::select! {
                done = &mut write => break done,
                got = &mut read, if seen.is_none() => seen = Some(got),
            }
        }
    };
    let (received, was_reset) = match seen {
        Some(seen) => seen,
        None if resets => (Vec::new(), true),
        None => read.await,
    };
    Seen { received, sent, was_reset: was_reset || write_failed }
}

async fn yield_times(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

async fn play(
    proxy: SocketAddr,
    listener: &TcpListener,
    client: &Conduct,
    app: &Conduct,
) -> [Seen; 2] {
    let connection = TcpStream::connect(proxy).await.unwrap();
    let accepted = listener.accept().await.unwrap().0;
    let (client, app) = tokio::join!(behave(connection, client), behave(accepted, app));
    [client, app]
}

#[test]
fn whatever_both_ends_do_each_reads_what_the_other_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let proxy = TestProxy::before(listener.local_addr().unwrap(), "--workers 2");
    let config = ProptestConfig {
        failure_persistence: None,
        // A case that hangs takes its time.
        max_shrink_iters: 20,
        ..ProptestConfig::with_cases(600)
    };
    proptest!(config, |(client in conduct(), mut app in conduct())| {
        if client.last.1 == Last::FinishAfter && app.last.1 == Last::FinishAfter {
            app.last.1 = Last::Finish;
        }
        let both = play(proxy.addr(), &listener, &client, &app);
        let played = runtime.block_on(async { tokio::time::timeout(PATIENCE, both).await });
        let [at_client, at_app] = played.expect("both ends come to an end");
        prop_assert!(is_pattern(&at_client.received) && is_pattern(&at_app.received));
        prop_assert!(at_app.received.len() <= at_client.sent);
        prop_assert!(at_client.received.len() <= at_app.sent);
        if client.last.1 != Last::Reset && app.last.1 != Last::Reset {
            prop_assert!(!at_client.was_reset && !at_app.was_reset);
            prop_assert_eq!(at_app.received.len(), at_client.sent);
            prop_assert_eq!(at_client.received.len(), at_app.sent);
        }
    });
}
