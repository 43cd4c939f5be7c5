//! What can be wrong with what is observed.

/// Why an observer stopped understanding a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A request head that is not valid HTTP, or that two servers could read differently.
    MalformedRequest,
    /// A request head longer than `--max-head-bytes`.
    RequestHeadTooLarge,
    /// The request's `Content-Length` and `Transfer-Encoding` leave its end open to debate.
    AmbiguousRequestLength,
    /// Chunked framing that is broken in the request.
    MalformedRequestChunk,
    /// More unanswered pipelined requests than are kept track of.
    PipelineTooDeep,
    /// More bytes after an upgrade request than are kept until it is answered.
    UpgradeBacklog,
    /// The app answered before the request's head was complete.
    AnsweredEarly,
    /// An answer to no request.
    UnsolicitedResponse,
    /// A response head that is not valid HTTP.
    MalformedResponse,
    /// A response head longer than `--max-head-bytes`.
    ResponseHeadTooLarge,
    /// The response's `Content-Length` and `Transfer-Encoding` leave its end open to debate.
    AmbiguousResponseLength,
    /// Chunked framing that is broken in the response.
    MalformedResponseChunk,
    /// An HTTP/2 frame that is not what its type demands: a wrong length, or padding beyond it.
    MalformedFrame,
    /// An HTTP/2 frame that is longer than the other side takes.
    FrameTooLarge,
    /// An HTTP/2 frame where none of its type may stand.
    UnexpectedFrame,
    /// A header block that HPACK cannot read.
    MalformedHeaderBlock,
    /// A header table that is larger than is kept track of.
    HeaderTableTooLarge,
    /// More streams open at once than are kept track of.
    TooManyStreams,
    /// HTTP/2 was spoken to an app that answered in HTTP/1.
    AnsweredInHttp1,
}

impl Reason {
    /// Every reason, in the order of the metric's series.
    pub const ALL: [Self; 19] = [
        Self::MalformedRequest,
        Self::RequestHeadTooLarge,
        Self::AmbiguousRequestLength,
        Self::MalformedRequestChunk,
        Self::PipelineTooDeep,
        Self::UpgradeBacklog,
        Self::AnsweredEarly,
        Self::UnsolicitedResponse,
        Self::MalformedResponse,
        Self::ResponseHeadTooLarge,
        Self::AmbiguousResponseLength,
        Self::MalformedResponseChunk,
        Self::MalformedFrame,
        Self::FrameTooLarge,
        Self::UnexpectedFrame,
        Self::MalformedHeaderBlock,
        Self::HeaderTableTooLarge,
        Self::TooManyStreams,
        Self::AnsweredInHttp1,
    ];

    /// As a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed_request",
            Self::RequestHeadTooLarge => "request_head_too_large",
            Self::AmbiguousRequestLength => "ambiguous_request_length",
            Self::MalformedRequestChunk => "malformed_request_chunk",
            Self::PipelineTooDeep => "pipeline_too_deep",
            Self::UpgradeBacklog => "upgrade_backlog",
            Self::AnsweredEarly => "answered_early",
            Self::UnsolicitedResponse => "unsolicited_response",
            Self::MalformedResponse => "malformed_response",
            Self::ResponseHeadTooLarge => "response_head_too_large",
            Self::AmbiguousResponseLength => "ambiguous_response_length",
            Self::MalformedResponseChunk => "malformed_response_chunk",
            Self::MalformedFrame => "malformed_frame",
            Self::FrameTooLarge => "frame_too_large",
            Self::UnexpectedFrame => "unexpected_frame",
            Self::MalformedHeaderBlock => "malformed_header_block",
            Self::HeaderTableTooLarge => "header_table_too_large",
            Self::TooManyStreams => "too_many_streams",
            Self::AnsweredInHttp1 => "answered_in_http1",
        }
    }
}

/// What went wrong with an exchange or a connection, spelled as in Envoy's access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flags {
    /// Nothing.
    None,
    /// The app could not be connected to.
    UpstreamConnectFailure,
    /// A limit of podmeter's turned the connection away.
    UpstreamOverflow,
    /// The app closed the connection before it gave a status.
    UpstreamClosed,
    /// The app broke off an answer it had begun.
    UpstreamProtocolError,
    /// The app reset the request's stream.
    UpstreamReset,
    /// The client went away.
    DownstreamClosed,
    /// The request could not be read, but was answered.
    DownstreamProtocolError,
}

impl Flags {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::UpstreamConnectFailure,
        Self::UpstreamOverflow,
        Self::UpstreamClosed,
        Self::UpstreamProtocolError,
        Self::UpstreamReset,
        Self::DownstreamClosed,
        Self::DownstreamProtocolError,
    ];

    /// The status that the app itself gave in full: 0 where it did not, or broke off.
    pub(super) fn answer(self, status: u16) -> u16 {
        if matches!(self, Self::None | Self::DownstreamProtocolError) { status } else { 0 }
    }

    /// As a metric label; `-` for none.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "-",
            Self::UpstreamConnectFailure => "UF",
            Self::UpstreamOverflow => "UO",
            Self::UpstreamClosed => "UC",
            Self::UpstreamProtocolError => "UPE",
            Self::UpstreamReset => "UR",
            Self::DownstreamClosed => "DC",
            Self::DownstreamProtocolError => "DPE",
        }
    }
}
