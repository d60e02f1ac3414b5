//! Bodies: requests read whole or in part, answers that are whole, break off, or never end.

use super::fault::Break;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The connection ends here.
#[derive(Debug)]
pub(super) struct Broken(pub Break);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("scripted break")
    }
}

impl std::error::Error for Broken {}

/// Reads a request's body up to `most` bytes; the rest stays unread.
pub(super) async fn read(body: &mut Incoming, most: usize) -> Result<Bytes, Broken> {
    let mut read = BytesMut::new();
    while read.len() < most {
        match body.frame().await {
            None => break,
            Some(Err(_)) => return Err(Broken(Break::Reset)),
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    read.extend_from_slice(&bytes[..bytes.len().min(most - read.len())]);
                }
            }
        }
    }
    Ok(read.freeze())
}

/// The body of an answer.
pub(super) struct Body {
    bytes: Bytes,
    sent: bool,
    end: End,
}

enum End {
    Whole,
    Broken { how: Break, flushed: bool },
    Never,
}

impl Body {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self {
            bytes,
            sent: false,
            end: End::Whole,
        }
    }

    /// These bytes, then a break.
    pub(super) fn broken(bytes: Bytes, how: Break) -> Self {
        let end = End::Broken { how, flushed: false };
        Self {
            bytes,
            sent: false,
            end,
        }
    }

    /// These bytes over and over.
    pub(super) fn endless(bytes: Bytes) -> Self {
        Self {
            bytes,
            sent: false,
            end: End::Never,
        }
    }

    /// Of what is sent; of an endless body, of one round.
    pub(super) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.sent && !self.bytes.is_empty() {
            self.sent = !matches!(self.end, End::Never);
            return Poll::Ready(Some(Ok(Frame::data(self.bytes.clone()))));
        }
        match &mut self.end {
            End::Whole | End::Never => Poll::Ready(None),
            End::Broken { how: Break::Stall, .. } => Poll::Pending,
            End::Broken { how, flushed: true } => Poll::Ready(Some(Err(Broken(*how)))),
            End::Broken { flushed, .. } => {
                // One round more: hyper writes out what it has before it asks again.
                *flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.end, End::Whole) && (self.sent || self.bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            End::Whole if !self.sent => SizeHint::with_exact(self.length()),
            End::Whole => SizeHint::with_exact(0),
            End::Broken { .. } | End::Never => SizeHint::default(),
        }
    }
}
