//! Makes a conversation of any bytes. Shared by the ordinary suite and the fuzz target.

use crate::law::{Script, Step};
use podmeter::observe::{Direction, Ending};

/// Both sides have said their SETTINGS. Then each byte says how much of what follows is said next,
/// and by whom; the number of bytes says how the connection ends.
pub(crate) fn script(bytes: &[u8], max_head_bytes: usize) -> Script {
    let mut steps = vec![
        Step::Says(Direction::Request, HELLO.to_vec()),
        Step::Says(Direction::Response, HELLO_BACK.to_vec()),
    ];
    let mut rest = bytes;
    while let Some((&turn, after)) = rest.split_first() {
        let (says, later) = after.split_at(after.len().min(usize::from(turn >> 1)));
        let by = if turn & 1 == 0 { Direction::Request } else { Direction::Response };
        if !says.is_empty() {
            steps.push(Step::Says(by, says.to_vec()));
        }
        rest = later;
    }
    let ending = match bytes.len() % 3 {
        0 => Ending::AppReset,
        1 => Ending::GivenUp,
        _ => Ending::ClientReset,
    };
    Script { max_head_bytes, steps, ending }
}

const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const HELLO_BACK: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";
