//! Messages to the kernel and back: the little of netlink that rules and routes take.
//!
//! A message is a header and attributes, which may hold attributes (netlink(7), and
//! `include/uapi/linux/netlink.h`). What the kernel sends is read without trusting its lengths.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt::{
    Timeout, set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force,
    set_socket_timeout,
};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketType, recv, send, socket};
use std::time::Duration;

/// What the kernel answered, and to which of our messages (from 0); `None` to none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NetlinkError {
    pub(super) errno: Errno,
    pub(super) message: Option<u32>,
}

/// Messages that go to the kernel in one piece.
#[derive(Debug, Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    count: u32,
    /// Where the last message begins that is answered, and its number.
    last: (usize, u32),
}

/// Attributes of a message that is being written.
#[derive(Debug)]
pub(super) struct Attributes<'a>(&'a mut Vec<u8>);

impl Messages {
    /// Adds a message: its type, its flags, the fixed part of its body, and its attributes.
    pub(super) fn push(
        &mut self,
        kind: u16,
        flags: u16,
        fixed: &[u8],
        attributes: impl FnOnce(&mut Attributes<'_>),
    ) {
        self.last = (self.bytes.len(), self.count);
        self.push_unanswered(kind, flags, fixed, attributes);
    }

    /// The same for one that ends a transaction, and which older kernels do not answer.
    pub(super) fn push_unanswered(
        &mut self,
        kind: u16,
        flags: u16,
        fixed: &[u8],
        attributes: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&self.count.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(fixed);
        pad(&mut self.bytes);
        attributes(&mut Attributes(&mut self.bytes));
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        self.count += 1;
    }

    /// Sends them, and waits until all are done or one has failed.
    pub(super) fn transact(mut self, protocol: Option<Protocol>) -> Result<(), NetlinkError> {
        // Failures are told in any case, and in order.
        let (start, last) = self.last;
        let flags = start + 6;
        let asked = u16::from_ne_bytes([self.bytes[flags], self.bytes[flags + 1]]) | ACK;
        self.bytes[flags..flags + 2].copy_from_slice(&asked.to_ne_bytes());
        let socket = Socket::open(protocol)?;
        socket.send(&self.bytes)?;
        loop {
            for message in socket.receive()? {
                let Some(errno) = message.error() else { continue };
                if errno != 0 {
                    let errno = Errno::from_raw_os_error(errno);
                    return Err(NetlinkError { errno, message: Some(message.number) });
                }
                if message.number == last {
                    return Ok(());
                }
            }
        }
    }

    /// Sends one question and gives the answers.
    pub(super) fn dump(self, protocol: Option<Protocol>) -> Result<Vec<Message>, NetlinkError> {
        let socket = Socket::open(protocol)?;
        socket.send(&self.bytes)?;
        let mut answers = Vec::new();
        loop {
            for message in socket.receive()? {
                match (message.kind, message.error()) {
                    (DONE, _) | (_, Some(0)) => return Ok(answers),
                    (_, Some(errno)) => {
                        let errno = Errno::from_raw_os_error(errno);
                        return Err(NetlinkError { errno, message: Some(message.number) });
                    }
                    _ => answers.push(message),
                }
            }
        }
    }
}

impl Attributes<'_> {
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) {
        let start = self.open(kind);
        self.0.extend_from_slice(value);
        self.close(start);
    }

    /// A text, which the kernel wants to end in a zero.
    pub(super) fn text(&mut self, kind: u16, text: &str) {
        let start = self.open(kind);
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self.close(start);
    }

    /// A number as nftables has it.
    pub(super) fn big_endian(&mut self, kind: u16, number: u32) {
        self.put(kind, &number.to_be_bytes());
    }

    /// Attributes within one.
    pub(super) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.open(kind | NESTED);
        inner(&mut Attributes(self.0));
        self.close(start);
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) {
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        pad(self.0);
    }
}

/// A message from the kernel.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) kind: u16,
    /// Which of our messages it answers.
    number: u32,
    body: Vec<u8>,
}

impl Message {
    /// The messages in what was received; what is cut short is none.
    fn read_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut messages = Vec::new();
        while let Some((header, _)) = bytes.split_first_chunk::<HEADER>() {
            let [l0, l1, l2, l3, k0, k1, _, _, n0, n1, n2, n3, ..] = *header;
            let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(0);
            let Some(body) = bytes.get(HEADER..length) else { break };
            messages.push(Self {
                kind: u16::from_ne_bytes([k0, k1]),
                number: u32::from_ne_bytes([n0, n1, n2, n3]),
                body: body.to_vec(),
            });
            bytes = bytes.get(aligned(length)..).unwrap_or_default();
        }
        messages
    }

    /// The error number if it is an acknowledgement; 0 is success.
    fn error(&self) -> Option<i32> {
        let code = self.body.first_chunk::<4>().filter(|_| self.kind == ERROR)?;
        Some(i32::from_ne_bytes(*code).wrapping_neg())
    }

    /// The attributes after a fixed part of so many bytes.
    pub(super) fn attributes(&self, fixed: usize) -> impl Iterator<Item = (u16, &[u8])> {
        attributes(self.body.get(aligned(fixed)..).unwrap_or_default())
    }
}

/// The attributes in `bytes`; what is cut short is none.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[l0, l1, k0, k1], _) = bytes.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = bytes.get(4..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & !NESTED, value))
    })
}

#[derive(Debug)]
struct Socket(OwnedFd);

impl Socket {
    fn open(protocol: Option<Protocol>) -> Result<Self, NetlinkError> {
        let fd = socket(AddressFamily::NETLINK, SocketType::RAW, protocol)?;
        // The kernel takes a transaction in one piece only, and long lists of ports make it large.
        // Without the capability for that, the transaction itself will say so.
        let _ = set_socket_send_buffer_size_force(&fd, BUFFER);
        let _ = set_socket_recv_buffer_size_force(&fd, BUFFER);
        set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self(fd))
    }

    fn send(&self, bytes: &[u8]) -> Result<(), NetlinkError> {
        send(&self.0, bytes, SendFlags::empty())?;
        Ok(())
    }

    fn receive(&self) -> Result<Vec<Message>, NetlinkError> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((_, length)) => {
                    return Ok(Message::read_all(buffer.get(..length).unwrap_or_default()));
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl From<Errno> for NetlinkError {
    fn from(errno: Errno) -> Self {
        Self { errno, message: None }
    }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(aligned(bytes.len()), 0);
}

/// What is not there shall be made.
pub(super) const CREATE: u16 = 0x400;
/// What is there already is an error.
pub(super) const EXCLUSIVE: u16 = 0x200;
/// After the others.
pub(super) const APPEND: u16 = 0x800;
/// All there are.
pub(super) const DUMP: u16 = 0x300;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NESTED: u16 = 0x8000;
const HEADER: usize = 16;
const BUFFER: usize = 8 << 20;
/// The kernel answers at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut messages = Messages::default();
        messages.push(7, CREATE, &[1, 2, 3], |a| {
            a.text(1, "abc");
            a.nest(2, |a| a.big_endian(3, 0x0102_0304));
        });
        messages.push(8, 0, &[], |_| {});
        let read = Message::read_all(&messages.bytes);
        assert_eq!(read.iter().map(|m| (m.kind, m.number)).collect::<Vec<_>>(), [(7, 0), (8, 1)]);
        let found: Vec<_> = read[0].attributes(3).collect();
        assert_eq!(found[0], (1, &b"abc\0"[..]));
        assert_eq!(attributes(found[1].1).collect::<Vec<_>>(), [(3, &[1, 2, 3, 4][..])]);
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic_or_hang(bytes: Vec<u8>) {
            for message in Message::read_all(&bytes) {
                let _ = message.error();
                prop_assert!(message.attributes(4).count() <= bytes.len());
            }
        }
    }
}
