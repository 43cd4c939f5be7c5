//! What the routes answer: mostly a status, a type and some text.

use super::exposed::Exposed;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};

/// What every route gives.
pub(crate) type Reply = Response<Content>;

/// The body of an answer, not compressed yet.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of it.
    Whole(Bytes),
    /// An exposition that is written as its reader takes it.
    Parts(Box<Exposed>),
    /// What a GET would be given; nobody has made it, because it was a HEAD.
    Unmade,
}

/// A plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Reply {
    let mut text = text.into();
    text.push('\n');
    body(status, "text/plain; charset=utf-8", text)
}

/// A value as JSON, for people and programs.
pub(crate) fn json(value: &impl serde::Serialize) -> Reply {
    match serde_json::to_string_pretty(value) {
        Ok(text) => body(StatusCode::OK, "application/json", text + "\n"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("no JSON: {error}")),
    }
}

/// A body whose type is known.
pub(crate) fn body(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Reply {
    content(status, content_type, Content::Whole(bytes.into()))
}

/// The same for a body of any kind.
pub(crate) fn content(status: StatusCode, content_type: &'static str, content: Content) -> Reply {
    let mut reply = Response::new(content);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Nothing is here.
pub(crate) fn not_found(known: &[&str]) -> Reply {
    text(StatusCode::NOT_FOUND, format!("not here; try {}", known.join(", ")))
}

/// `None` if `method` reads, and the answer to give if it does not.
pub(crate) fn unless_read(method: &Method) -> Option<Reply> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    (!reads).then(|| not_allowed("GET, HEAD"))
}

/// `None` if `method` is POST, and the answer to give if it is not.
pub(crate) fn unless_post(method: &Method) -> Option<Reply> {
    (*method != Method::POST).then(|| not_allowed("POST"))
}

fn not_allowed(allow: &'static str) -> Reply {
    let mut reply =
        text(StatusCode::METHOD_NOT_ALLOWED, format!("only {allow} is understood here"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}
