//! Bodies that are made while they are sent, and the watch over them: a limit on the whole request would count the time of
//! the upload itself.

use super::pace::Pace;
use super::reach::Reach;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long a registry may take to store a blob that it has whole.
pub(super) const LONGEST_STORING: Duration = Duration::from_secs(300);

/// A body that is made while it is sent.
pub(crate) struct Payload {
    /// The bytes; an error in place of them breaks the request off.
    pub stream: BoxStream<'static, Result<Bytes, std::io::Error>>,
    /// How many there will be; unknown for what is compressed on the way.
    pub size: Option<u64>,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Watches a body on its way out.
pub(super) struct Watch(Arc<Mutex<Watched>>);

#[derive(Clone, Copy)]
struct Watched {
    last: Instant,
    state: BodyState,
    pace: Pace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyState {
    /// The next bytes are there, and nobody takes them.
    Offered,
    /// The request waits for the next bytes: whoever makes them has time limits of their own.
    Awaited,
    /// All were taken by the HTTP client. For what the kernel still holds of them there is `tcp_user_timeout`.
    Over,
}

impl Watch {
    pub(super) fn new(timeout: Duration) -> Self {
        Self(Arc::new(Mutex::new(Watched {
            last: Instant::now(),
            state: BodyState::Offered,
            pace: Pace::new(timeout),
        })))
    }

    /// The body is in this state from now on, and so many bytes of it more are given to the HTTP client.
    fn note(watched: &Mutex<Watched>, state: BodyState, bytes: usize) {
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let waited = match watched.state {
            BodyState::Offered => now - watched.last,
            BodyState::Awaited | BodyState::Over => Duration::ZERO,
        };
        watched.pace.count(waited, bytes);
        (watched.last, watched.state) = (now, state);
    }

    pub(super) fn over(
        &self,
        mut stream: BoxStream<'static, Result<Bytes, std::io::Error>>,
    ) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
        let watched = Arc::clone(&self.0);
        futures_util::stream::poll_fn(move |context| {
            let next = stream.poll_next_unpin(context);
            let (state, bytes) = match &next {
                Poll::Pending => (BodyState::Awaited, 0),
                Poll::Ready(Some(bytes)) => (BodyState::Offered, bytes.as_ref().map_or(0, Bytes::len)),
                Poll::Ready(None) => (BodyState::Over, 0),
            };
            Self::note(&watched, state, bytes);
            next
        })
    }

    /// Ends when nothing was taken of the body for `limit` though there was something to take, or too little for longer. A
    /// body that was all taken may take long to be stored.
    pub(super) async fn stalled(&self, limit: Duration) -> Reach {
        loop {
            let Watched { last, state, pace } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let end = match state {
                BodyState::Offered => last + pace.patience(),
                BodyState::Awaited => now + limit,
                BodyState::Over => last + limit.max(LONGEST_STORING),
            };
            if now >= end {
                return match state {
                    BodyState::Offered => pace.over(),
                    BodyState::Awaited | BodyState::Over => Reach::Timeout,
                };
            }
            tokio::time::sleep_until(end.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use tokio::time::timeout;

    #[tokio::test]
    async fn only_what_nobody_takes_stands_still() {
        let (limit, long) = (Duration::from_millis(20), Duration::from_secs(10));
        let watch = Watch::new(limit);
        let first = stream::iter([Ok(Bytes::from_static(b"x"))]);
        let mut body = Box::pin(watch.over(first.chain(stream::pending()).boxed()));
        body.next().await.unwrap().unwrap();
        assert_eq!(
            timeout(long, watch.stalled(limit)).await,
            Ok(Reach::Timeout),
            "taken, and then no more"
        );
        // The request wants more, and it is the source that has none.
        assert!(timeout(limit, body.next()).await.is_err());
        assert!(timeout(4 * limit, watch.stalled(limit)).await.is_err());
    }

    #[tokio::test]
    async fn what_is_taken_at_a_drip_has_an_end() {
        let (limit, long) = (Duration::from_millis(100), Duration::from_secs(10));
        let watch = Watch::new(limit);
        let bytes = stream::repeat_with(|| Ok(Bytes::from_static(b"x")));
        let mut body = Box::pin(watch.over(bytes.boxed()));
        let slowly = async {
            loop {
                body.next().await.unwrap().unwrap();
                tokio::time::sleep(limit / 4).await;
            }
        };
        let over = async { timeout(long, watch.stalled(limit)).await };
        tokio::select! {
            () = slowly => unreachable!(),
            over = over => assert_eq!(over, Ok(Reach::Drip)),
        }
    }
}
