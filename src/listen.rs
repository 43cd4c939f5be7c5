//! Accepts connections: a socket for each worker on each port, and the worker threads.

mod accept;
mod intercepted;
mod socket;
mod worker;

pub(crate) use accept::{Port, Way};
pub(crate) use intercepted::{Interception, OwnPorts};
pub(crate) use socket::{BindError, Reach, bind, bind_shared};
pub(crate) use worker::{Settler, Staff, Workers};
