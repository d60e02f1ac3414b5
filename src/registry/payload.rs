//! Bodies that are made while they are sent, and the watch over them: a client's read timeout would count the time of the
//! upload itself (reqwest#2784).

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a registry may take to store a blob that it has whole.
const LONGEST_STORING: Duration = Duration::from_secs(300);

/// A body that is made while it is sent.
pub struct Payload {
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

struct Watched {
    last: Instant,
    over: bool,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Watched {
            last: Instant::now(),
            over: false,
        })))
    }

    pub(super) fn over(
        &self,
        stream: BoxStream<'static, Result<Bytes, std::io::Error>>,
    ) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
        let watched = Arc::clone(&self.0);
        let at_end = Arc::clone(&self.0);
        stream
            .inspect(move |_| watched.lock().unwrap_or_else(PoisonError::into_inner).last = Instant::now())
            .chain(
                futures_util::stream::once(
                    async move { at_end.lock().unwrap_or_else(PoisonError::into_inner).over = true },
                )
                .filter_map(async |()| None),
            )
    }

    /// Ends when nothing was taken of the body for `limit`. A body that is all sent may take long to be stored.
    pub(super) async fn stalled(&self, limit: Duration) {
        loop {
            let (last, over) = {
                let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                (watched.last, watched.over)
            };
            let end = last + if over { limit.max(LONGEST_STORING) } else { limit };
            if Instant::now() >= end {
                return;
            }
            tokio::time::sleep_until(end.into()).await;
        }
    }
}
