//! HTTP/2 after an upgrade from HTTP/1 (RFC 7540, 3.2): the request that offered it is stream 1.

use super::Http2;
use super::streams::Stream;
use crate::clock::Awaited;
use crate::observe::Rules;
use crate::observe::grpc::{ContentKind, GrpcStatus};
use crate::observe::http1::Asked;
use std::sync::Arc;

/// What the `HTTP2-Settings` field says that matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::observe) struct H2cSettings {
    header_table_size: Option<u32>,
    max_frame_size: Option<u32>,
}

impl H2cSettings {
    /// The payload of a SETTINGS frame in base64url without padding (RFC 7540, 3.2.1); `None`
    /// where it is none.
    pub(in crate::observe) fn read(value: &[u8]) -> Option<Self> {
        let mut settings = Self::default();
        // Four letters are three bytes, and eight letters are one setting.
        let (all, rest) = value.as_chunks::<8>();
        for letters in all {
            let mut one = 0_u64;
            for &letter in letters {
                one = one << 6 | u64::from(sextet(letter)?);
            }
            let [_, _, i0, i1, value @ ..] = one.to_be_bytes();
            let value = u32::from_be_bytes(value);
            match u16::from_be_bytes([i0, i1]) {
                super::HEADER_TABLE_SIZE => settings.header_table_size = Some(value),
                super::MAX_FRAME_SIZE => settings.max_frame_size = Some(value),
                _ => {}
            }
        }
        rest.is_empty().then_some(settings)
    }
}

fn sextet(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    })
}

impl Http2 {
    /// For a connection that both sides have agreed to go on with in HTTP/2.
    pub(in crate::observe) fn upgraded(
        rules: Arc<Rules>,
        settings: H2cSettings,
        request: Asked,
    ) -> Self {
        let mut this = Self::new(rules, request.started);
        // The answer that agreed has acknowledged them.
        if let Some(size) = settings.header_table_size {
            this.app.decoder.offer(size);
            this.app.decoder.limit(size);
        }
        if let Some(length) = settings.max_frame_size {
            this.app.walk.max_length = this.app.walk.max_length.max(length);
        }
        this.newest = 1;
        let stream = Stream {
            started: request.started,
            first_byte: Awaited::STILL,
            first_data: Awaited::STILL,
            held: request.held,
            request_bytes: request.request_bytes,
            response_bytes: request.response_bytes,
            messages: Default::default(),
            status: 0,
            host: request.host,
            method: request.method,
            path: request.path,
            content: ContentKind::Other,
            grpc_status: GrpcStatus::NONE,
            is_asked: true,
            websocket: false,
            is_probe: request.probe,
            trace: request.trace,
        };
        this.streams.insert(1, stream);
        this
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_base64url() {
        let read = |text: &str| H2cSettings::read(text.as_bytes());
        assert_eq!(read(""), Some(H2cSettings::default()));
        // As curl sends it: no push of ours concerns us.
        assert_eq!(read("AAMAAABkAAQAoAAAAAIAAAAA"), Some(H2cSettings::default()));
        let sizes = H2cSettings { header_table_size: Some(0), max_frame_size: Some(0x00ff_ffff) };
        assert_eq!(read("AAEAAAAAAAUA____"), Some(sizes));
        for broken in ["AAMAAABkAAQAoAAAAAIAAAA", "AAMAAAB=", "AAMAAAB/"] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}
