//! What the HTTP/1 observer sees of a connection: scenarios, laws, a model, and reference cases.
#![expect(clippy::panic, clippy::expect_used, reason = "so a test fails")]

mod conversations;
mod endings;
mod exchanges;
mod law;
mod laws;
mod limits;
mod model;
mod reference;
#[path = "../support/skip.rs"]
mod skip;
mod talk;
mod traces;
mod tunnels;
mod unread;
mod upgrades;
