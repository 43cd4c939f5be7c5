//! What the HTTP/1 observer sees of a connection: scenarios, laws, a model, and reference cases.

mod endings;
mod exchanges;
mod law;
mod limits;
mod talk;
mod tunnels;
mod unread;
