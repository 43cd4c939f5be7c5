//! Accepts connections: a socket for each worker on each port, and the worker threads.

mod accept;
mod socket;
mod worker;

pub(crate) use accept::Port;
pub(crate) use socket::{BindError, bind, bind_shared};
pub(crate) use worker::{Settler, Staff, Workers};
