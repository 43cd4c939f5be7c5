//! What the HTTP/1 observer sees of a connection: scenarios, laws, a model, and reference cases.

mod endings;
mod exchanges;
mod law;
mod laws;
mod limits;
mod model;
mod talk;
mod tunnels;
mod unread;
