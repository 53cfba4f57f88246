//! Where a session stands, and what it waits for, in words.

/// Where a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiveStage {
    /// The last request is answered, and the next one has not begun.
    #[default]
    Idle,
    /// A request head is coming.
    ReadingHead,
    /// No backend is up, or none has room.
    Queued,
    /// A connection to a backend is being made.
    Connecting,
    /// The request goes to the backend.
    SendingRequest,
    /// It has gone there, and the response has not begun.
    WaitingForResponse,
    /// The response goes to the client.
    SendingResponse,
    /// Bytes pass both ways.
    Tunnel,
    /// The client has its last answer.
    Closing,
}

impl LiveStage {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Idle,
        Self::ReadingHead,
        Self::Queued,
        Self::Connecting,
        Self::SendingRequest,
        Self::WaitingForResponse,
        Self::SendingResponse,
        Self::Tunnel,
        Self::Closing,
    ];

    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::ReadingHead => "reading_head",
            Self::Queued => "queued",
            Self::Connecting => "connecting",
            Self::SendingRequest => "sending_request",
            Self::WaitingForResponse => "waiting_for_response",
            Self::SendingResponse => "sending_response",
            Self::Tunnel => "tunnel",
            Self::Closing => "closing",
        }
    }
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitReason {
    /// It moves, or is about to.
    #[default]
    Nothing,
    /// With `--hold`.
    BackendUp,
    /// With `--max-in-flight`.
    BackendRoom,
    /// None is left on this machine.
    DescriptorOrPort,
    /// The other side's system accepts it.
    Connection,
    /// The client is slow, or waits to be asked for the body.
    RequestBody,
    /// The backend takes no more now.
    RoomAtBackend,
    /// The request has gone there.
    FirstByte,
    /// It has begun.
    ResponseHead,
    /// The backend sends no more now.
    ResponseBody,
    /// The client takes no more now.
    RoomAtClient,
    /// Of either side.
    TunnelBytes,
}

impl WaitReason {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Nothing,
        Self::BackendUp,
        Self::BackendRoom,
        Self::DescriptorOrPort,
        Self::Connection,
        Self::RequestBody,
        Self::RoomAtBackend,
        Self::FirstByte,
        Self::ResponseHead,
        Self::ResponseBody,
        Self::RoomAtClient,
        Self::TunnelBytes,
    ];

    /// In words; empty for nothing.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::BackendUp => "a backend that is up",
            Self::BackendRoom => "a backend with room for it",
            Self::DescriptorOrPort => "a descriptor or port of this machine",
            Self::Connection => "the connection to the backend",
            Self::RequestBody => "more of the request from the client",
            Self::RoomAtBackend => "the backend to take more of the request",
            Self::FirstByte => "the first byte of the response",
            Self::ResponseHead => "the rest of the response head",
            Self::ResponseBody => "more of the response from the backend",
            Self::RoomAtClient => "the client to take more of the response",
            Self::TunnelBytes => "bytes from either side",
        }
    }
}
