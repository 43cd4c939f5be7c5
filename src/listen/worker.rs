//! The threads that carry traffic: each a single-threaded runtime with its own listening sockets,
//! scratch buffer and shard of the meter.

use super::accept::{Port, accept};
use crate::clock::Clock;
use crate::drain::Connections;
use crate::meter::Meter;
use crate::pump::Scratch;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle, LocalOptions};
use tokio_util::sync::CancellationToken;

/// What all workers share.
#[derive(Clone, Debug)]
pub(crate) struct Staff {
    pub(crate) clock: Clock,
    pub(crate) connections: Arc<Connections>,
}

/// The running workers.
#[derive(Debug)]
pub(crate) struct Workers {
    handles: Box<[Handle]>,
    threads: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Workers {
    /// Starts one thread for each list of sockets; `sockets[w][p]` listens for `ports[p]`.
    pub(crate) fn start(
        sockets: Vec<Vec<TcpListener>>,
        ports: &[Port],
        meter: &Arc<Meter>,
        staff: &Staff,
    ) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let mut handles = Vec::new();
        let mut threads = Vec::new();
        for (index, sockets) in sockets.into_iter().enumerate() {
            let (told, handle) = std::sync::mpsc::sync_channel(1);
            let (ports, meter, staff) = (ports.to_vec(), Arc::clone(meter), staff.clone());
            let stop = stop.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            threads.push(thread.spawn(move || {
                let runtime =
                    Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
                let runtime = match runtime {
                    Ok(runtime) => runtime,
                    // Nobody to tell means that the start was given up.
                    Err(error) => return drop(told.send(Err(error))),
                };
                runtime.block_on(work(index, sockets, ports, &meter, staff, &stop, || {
                    drop(told.send(Ok(Handle::current())));
                }));
                // Dropping the runtime drops its connections, and they close their books.
            })?);
            let started = handle.recv().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
            handles.push(started?);
        }
        Ok(Self { handles: handles.into(), threads, stop })
    }

    /// A way to wait for the workers that does not keep them.
    pub(crate) fn settler(&self) -> Settler {
        Settler(self.handles.clone())
    }

    /// Gives up the connections that are left and waits for the threads to end.
    pub(crate) fn stop(self) {
        self.stop.cancel();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
    }
}

/// Waits until every worker has written down what it has passed on.
#[derive(Clone, Debug)]
pub(crate) struct Settler(Box<[Handle]>);

impl Settler {
    /// A worker hands an answer's last byte to the kernel and writes the exchange down in one go,
    /// but a client can be quicker than that and ask for the numbers in between. A task that runs
    /// on the worker runs after it: once each has run one, every answer that any client had before
    /// is counted.
    pub(crate) async fn settle(&self) {
        let passes: Vec<_> = self.0.iter().map(|worker| worker.spawn(async {})).collect();
        for pass in passes {
            // A worker that has stopped has nothing left to write down.
            let _ = pass.await;
        }
    }
}

async fn work(
    index: usize,
    sockets: Vec<TcpListener>,
    ports: Vec<Port>,
    meter: &Arc<Meter>,
    staff: Staff,
    stop: &CancellationToken,
    started: impl FnOnce(),
) {
    let Some(shard) = meter.shard(index) else {
        return tracing::error!(index, "the meter has no shard for this worker");
    };
    let scratch = Scratch::new();
    for (socket, port) in sockets.into_iter().zip(ports) {
        let (shard, scratch) = (Rc::clone(&shard), Rc::clone(&scratch));
        tokio::task::spawn_local(accept(socket, port, shard, scratch, staff.clone()));
    }
    started();
    stop.cancelled().await;
}
