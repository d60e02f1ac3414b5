//! Bodies: requests read whole or in part, answers that are whole, break off, or never end.

use super::fault::Break;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

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

/// Sent so many bytes at a time: what a client does not take is not counted as sent.
const PIECE: usize = 16 * 1024;
/// Between two bytes of what drips.
const DRIP: Duration = Duration::from_millis(100);

/// The body of an answer.
pub(super) struct Body {
    bytes: Bytes,
    at: usize,
    end: End,
    /// Bytes sent so far.
    pub sent: Arc<AtomicU64>,
}

enum End {
    Whole,
    Broken {
        how: Break,
        flushed: bool,
    },
    /// From this byte on they come one by one.
    Drip(usize, Pin<Box<Sleep>>),
    Never,
}

impl Body {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::new(bytes, End::Whole)
    }

    /// These bytes up to there, then a break.
    pub(super) fn broken(bytes: Bytes, at: usize, how: Break) -> Self {
        let at = at.min(bytes.len());
        match how {
            Break::Drip => Self::new(bytes, End::Drip(at, Box::pin(tokio::time::sleep(DRIP)))),
            how => Self::new(bytes.slice(..at), End::Broken { how, flushed: false }),
        }
    }

    /// These bytes over and over.
    pub(super) fn endless(bytes: Bytes) -> Self {
        Self::new(bytes, End::Never)
    }

    fn new(bytes: Bytes, end: End) -> Self {
        Self {
            bytes,
            at: 0,
            end,
            sent: Arc::default(),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let at = self.at;
        let most = match &mut self.end {
            End::Drip(from, pause) if at >= *from => {
                std::task::ready!(pause.as_mut().poll(context));
                pause.set(tokio::time::sleep(DRIP));
                1
            }
            End::Drip(from, _) => *from - at,
            _ => usize::MAX,
        };
        if self.at < self.bytes.len() {
            let end = (self.at + PIECE.min(most)).min(self.bytes.len());
            let piece = self.bytes.slice(self.at..end);
            let is_round = matches!(self.end, End::Never) && end == self.bytes.len();
            self.at = if is_round { 0 } else { end };
            self.sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut self.end {
            End::Whole | End::Never | End::Drip(..) => Poll::Ready(None),
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
        matches!(self.end, End::Whole) && self.at == self.bytes.len()
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            End::Whole => SizeHint::with_exact((self.bytes.len() - self.at) as u64),
            End::Broken { .. } | End::Never | End::Drip(..) => SizeHint::default(),
        }
    }
}
