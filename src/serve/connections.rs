//! Accepts connections for our own listeners: so many at a time, until we stop.

use crate::drain::Drain;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Has `converse` talk on each connection, of which there are at most `most` at a time; more wait in
/// the backlog. It is told who is at the other end, and ends by itself once `drain` stops.
pub(crate) fn accept<T: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    most: usize,
    drain: &Drain,
    converse: impl Fn(TcpStream, SocketAddr, Drain) -> T + Send + Sync + 'static,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(most));
    let own = drain.clone();
    drain.spawn(async move {
        let accept = async {
            // The semaphore is never closed, so there is always a place in the end.
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                match listener.accept().await {
                    Ok((socket, peer)) => {
                        let talk = converse(socket, peer, own.clone());
                        own.spawn(async move {
                            talk.await;
                            drop(place);
                        });
                    }
                    // Out of descriptors, most likely: those who wait go on waiting.
                    Err(_) => tokio::time::sleep(BREATH).await,
                }
            }
        };
        tokio::select! {
            () = accept => {}
            () = own.stopped() => {}
        }
    });
    Ok(())
}

const BREATH: Duration = Duration::from_millis(50);
