//! Who asks: users, passwords, tokens and headers, and where they are never seen.

use super::server::{Server, ok};
use super::*;
use std::path::PathBuf;

/// Answers each request with its own head.
fn echo() -> Server {
    Server::start(|_, mut peer| {
        while let Some(head) = peer.request() {
            peer.send(&ok(&head));
        }
    })
}

/// What the source was asked with, of one header.
async fn said(sources: &Sources, header: &str, scraper: &Scraper<'_>) -> Vec<String> {
    let head = sources.fetch(scraper, |_| true).await.swap_remove(0).outcome.unwrap().bytes;
    let head = String::from_utf8(head.to_vec()).unwrap();
    let prefix = format!("{header}: ");
    head.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

fn anybody() -> Scraper<'static> {
    Scraper::at(Instant::now() + PLENTY)
}

fn secret(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn basic_credentials_come_from_files_without_the_line_end() {
    let (server, dir) = (echo(), tempfile::tempdir().unwrap());
    // The example of RFC 7617, 2.
    let both = secret(&dir, "both", b"Aladdin:open sesame\n");
    let password = secret(&dir, "password", b"open sesame\r\n");
    for options in [
        format!("basic-auth-file={}", both.display()),
        format!("basic-auth-user=Aladdin,basic-auth-password-file={}", password.display()),
    ] {
        let sources = sources(&[&format!("{},{options}", server.url())]);
        let said = said(&sources, "authorization", &anybody()).await;
        assert_eq!(said, ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
    }
}

#[tokio::test]
async fn a_token_that_changes_holds_for_the_next_scrape() {
    let (server, dir) = (echo(), tempfile::tempdir().unwrap());
    let token = secret(&dir, "token", b"one\n");
    let url = server.url();
    let source = format!("{url},bearer-token-file={0},header-file=X-Key:{0}", token.display());
    let sources = sources(&[&source]);
    for (text, expected) in [("one\n", "one"), ("two", "two"), ("three\n\n", "three")] {
        secret(&dir, "new", text.as_bytes());
        std::fs::rename(dir.path().join("new"), &token).unwrap();
        let bearer = said(&sources, "authorization", &anybody()).await;
        assert_eq!(bearer, [format!("Bearer {expected}")]);
        assert_eq!(said(&sources, "x-key", &anybody()).await, [expected]);
    }
    assert_eq!(server.accepted(), 1, "a secret is no reason for another connection");
}

#[tokio::test]
async fn the_scrapers_authorization_is_passed_on_only_where_asked() {
    let server = echo();
    let value = HeaderValue::from_static("Bearer of-the-scraper");
    let scraper = Scraper { authorization: Some(&value), ..anybody() };
    let plain = sources(&[&server.url()]);
    assert!(said(&plain, "authorization", &scraper).await.is_empty());
    let forwarding = sources(&[&format!("{},forward-authorization=true", server.url())]);
    assert_eq!(said(&forwarding, "authorization", &scraper).await, ["Bearer of-the-scraper"]);
    assert!(said(&forwarding, "authorization", &anybody()).await.is_empty());
}

#[tokio::test]
async fn headers_are_added_and_may_say_who_is_asked() {
    let server = echo();
    let source = "header=X-Tenant: shop,header=Host: shop.example,header=user-agent: us";
    let sources = sources(&[&format!("{},{source}", server.url())]);
    assert_eq!(said(&sources, "x-tenant", &anybody()).await, ["shop"]);
    assert_eq!(said(&sources, "host", &anybody()).await, ["shop.example"]);
    assert_eq!(said(&sources, "user-agent", &anybody()).await, ["us"]);
}

#[tokio::test]
async fn protobuf_is_asked_for_only_where_the_answer_is_protobuf() {
    let (server, text) = (echo(), anybody());
    let sources = sources(&[&server.url()]);
    let text = said(&sources, "accept", &text).await.remove(0);
    assert!(!text.contains("protobuf"), "{text}");
    let scraper = Scraper { wants: Wants::Protobuf, ..anybody() };
    let protobuf = said(&sources, "accept", &scraper).await.remove(0);
    let first = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                 encoding=delimited";
    assert!(protobuf.starts_with(first), "{protobuf}");
}

#[tokio::test]
async fn a_source_that_does_not_know_us_is_told_of_with_what_may_help() {
    let refusing = Server::answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    let dir = tempfile::tempdir().unwrap();
    let token = secret(&dir, "token", b"s3cret");
    let told = async |options: &str| {
        let sources = sources(&[&format!("{}{options}", refusing.url())]);
        let error = sources.fetch(&anybody(), |_| true).await.swap_remove(0).outcome.unwrap_err();
        error.to_string().split_once("answered ").unwrap().1.to_owned()
    };
    assert_eq!(
        told("").await,
        "401 Unauthorized; it was asked without a password or token (basic-auth-file=, \
         bearer-token-file=)"
    );
    assert_eq!(
        told(&format!(",bearer-token-file={}", token.display())).await,
        "401 Unauthorized; it was asked with the token of bearer-token-file="
    );
    assert_eq!(
        told(",forward-authorization=true").await,
        "401 Unauthorized; the scraper sent no Authorization to pass on"
    );
}

#[tokio::test]
async fn a_secret_that_is_of_no_use_is_told_of_without_it() {
    let (server, dir) = (echo(), tempfile::tempdir().unwrap());
    let file = |name: &str, text: &[u8]| secret(&dir, name, text).display().to_string();
    let gone = dir.path().join("gone").display().to_string();
    for (option, why) in [
        (format!("basic-auth-file={}", file("a", b"s3cret\n")), "does not hold USER:PASSWORD"),
        (format!("bearer-token-file={}", file("b", b"s3\ncret")), "holds what no header can"),
        (format!("bearer-token-file={}", file("c", b"\n\n")), "is empty"),
        (format!("header-file=X:{}", file("d", b"s3\0cret")), "holds what no header can"),
        (format!("bearer-token-file={gone}"), "could not be read (No such file or directory"),
        (format!("header-file=X:{}", dir.path().display()), "could not be read (it is no file)"),
    ] {
        let source: AppMetrics = format!("{},{option}", server.url()).parse().unwrap();
        let refused = check(std::slice::from_ref(&source)).unwrap_err().to_string();
        let sources = Sources::new(&[source], LIMIT, &mut Registry::default());
        let error = sources.fetch(&anybody(), |_| true).await.swap_remove(0).outcome.unwrap_err();
        assert!(matches!(error.cause, Cause::File { .. }), "{error}");
        for told in [refused, error.to_string()] {
            assert!(told.contains(why), "{told}");
            assert!(!told.contains("s3cret") && !told.contains("cret\""), "{told}");
        }
    }
    assert_eq!(server.accepted(), 0, "nobody is asked without the password");
}

#[tokio::test]
async fn no_secret_is_in_what_is_shown_of_a_source() {
    let (server, dir) = (echo(), tempfile::tempdir().unwrap());
    let token = secret(&dir, "token", b"s3cret");
    let options = format!("header=X-Key: s3cret,header-file=X-File:{}", token.display());
    let sources =
        sources(&[&format!("{},bearer-token-file={},{options}", server.url(), token.display())]);
    let _ = sources.fetch(&anybody(), |_| true).await;
    let shown = serde_json::to_string(&sources.health()).unwrap();
    assert!(!shown.contains("s3cret") && shown.contains("asked with a token"), "{shown}");
    assert!(!format!("{sources:?}").contains("s3cret"));
}
