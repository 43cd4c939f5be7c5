//! What the HTTP/2 observer sees of a connection: scenarios, laws, and another's decoder as a model.
#![expect(clippy::panic, clippy::expect_used, reason = "so a test fails")]

mod calls;
mod connections;
mod conversations;
mod endings;
mod exchanges;
mod fuzzed;
#[path = "../http1_observer/law.rs"]
#[expect(dead_code, reason = "each suite uses a part of it")]
mod law;
mod laws;
mod limits;
mod model;
#[path = "../http1_observer/talk.rs"]
#[expect(dead_code, reason = "each suite uses a part of it")]
mod talk;
mod traces;
mod unread;
mod wire;
