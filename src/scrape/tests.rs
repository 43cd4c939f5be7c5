//! What a source can do to a scrape, over real sockets.

mod answers;
mod authorized;
mod connections;
mod health;
mod server;
mod tls;
mod unix;

use super::*;
use server::Server;
use std::time::Duration;

/// Sources at these URLs, named `a`, `b` and so on.
fn sources(urls: &[&str]) -> Sources {
    sources_in(urls, &mut Registry::default())
}

fn sources_in(urls: &[&str], registry: &mut Registry) -> Sources {
    let source = |(name, url): (char, &&str)| format!("{url},name={name}").parse().unwrap();
    let sources: Vec<AppMetrics> = ('a'..).zip(urls).map(source).collect();
    Sources::new(&sources, LIMIT, registry)
}

/// Asks the first source, which has all the time it needs.
async fn ask(sources: &Sources) -> Result<Body, FetchError> {
    ask_within(sources, PLENTY).await
}

async fn ask_within(sources: &Sources, time: Duration) -> Result<Body, FetchError> {
    sources.fetch(&Scraper::at(Instant::now() + time), |_| true).await.swap_remove(0).outcome
}

/// Why a source that sends these bytes gives no exposition.
async fn complaint(bytes: &'static [u8]) -> String {
    let server = Server::start(move |_, mut peer| {
        peer.request();
        peer.send(bytes);
    });
    let error = ask(&sources(&[&server.url()])).await.unwrap_err().to_string();
    error.strip_prefix(&format!("{}: ", server.url())).unwrap().to_owned()
}

#[test]
fn sources_can_be_shared_between_threads_and_their_futures_sent() {
    fn check(_: &(impl Send + Sync), _: impl Send) {}
    let sources = sources(&["http://127.0.0.1:1/"]);
    let now = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let now = now.block_on(async { Instant::now() });
    check(&sources, sources.fetch(&Scraper::at(now), |_| true));
}

/// Small, so that going beyond it is quick.
const LIMIT: u64 = 1 << 20;
/// A bug fails the test rather than hang it.
const PLENTY: Duration = Duration::from_secs(30);
/// Enough for a source that answers at once, and not too long to wait for one that does not.
const ENOUGH: Duration = Duration::from_secs(2);
/// Passes before the source has answered; nothing depends on how exactly.
const SHORT: Duration = Duration::from_millis(200);
