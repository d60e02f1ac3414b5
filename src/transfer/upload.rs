//! One blob into a registry: a producer reads and checks, a request sends what it gives, both in one task.

use super::checked::Checked;
use super::origin::Origin;
use super::{Mover, wrong_bytes};
use crate::access::Served;
use crate::failure::Failure;
use crate::registry::manifest::Descriptor;
use crate::registry::retry::{self, chance};
use crate::registry::{self, Payload, Problem, Upload};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use std::io;
use tokio::sync::mpsc::{Sender, channel};

/// Pieces that wait between producer and request.
const WAITING: usize = 2;

/// What broke an upload off.
pub(super) enum Broken {
    /// The target, or the way to it: another try may help.
    Target(registry::Error),
    /// The source, or the bytes themselves, after all tries of its own.
    Failed(Failure),
}

/// Whether another try of an upload can help. A session that a registry has lost (404) is opened anew, as is one whose
/// token expired while the bytes were on their way (401).
pub(super) fn may_pass(error: &registry::Error) -> bool {
    match &error.problem {
        Problem::Unreachable(reach) => reach.may_pass(),
        Problem::Refused { status, .. } => retry::may_pass(*status) || matches!(status, 401 | 404 | 416),
        _ => false,
    }
}

pub(super) async fn carry(
    mover: &Mover<'_>,
    blob: &Descriptor,
    origin: &Origin,
    to: &Served,
    upload: Upload,
) -> Result<(), Broken> {
    let (sender, mut receiver) = channel::<Result<Bytes, io::Error>>(WAITING);
    let payload = Payload {
        stream: stream::poll_fn(move |context| receiver.poll_recv(context)).boxed(),
        size: Some(blob.size),
    };
    let put = to
        .registry
        .put_blob(&to.repository, &blob.digest, upload, payload, &to.scopes);
    let (produced, put) = tokio::join!(produce(mover, blob, origin, sender), put);
    match (produced, put) {
        // The source's failure is the reason; the request only broke off for want of bytes.
        (Err(failure), _) => Err(Broken::Failed(failure)),
        (Ok(()), Ok(())) => Ok(()),
        (Ok(()), Err(error)) => Err(Broken::Target(error)),
    }
}

/// Gives the bytes of a blob to a request. Ends early and content if the request is gone: then that is what failed.
async fn produce(
    mover: &Mover<'_>,
    blob: &Descriptor,
    origin: &Origin,
    to: Sender<Result<Bytes, io::Error>>,
) -> Result<(), Failure> {
    let result = match origin {
        Origin::Registry(from) => from_registry(mover, blob, from, &to).await,
    };
    if result.is_err() {
        let _ = to.send(Err(io::Error::other("the source failed"))).await;
    }
    result
}

/// Reads a blob of a registry, going on where it broke off.
async fn from_registry(
    mover: &Mover<'_>,
    blob: &Descriptor,
    from: &Served,
    to: &Sender<Result<Bytes, io::Error>>,
) -> Result<(), Failure> {
    let mut checked = Checked::new(&blob.digest, blob.size);
    let mut tries = 1;
    let mut best = 0;
    loop {
        let error = match read_on(mover, blob, from, &mut checked, to).await {
            Ok(Flow::Gone) => return Ok(()),
            Ok(Flow::Ended) => break,
            Ok(Flow::Wrong(wrong)) => return Err(wrong_bytes(blob, &format!("`{}`", from.repository), &wrong)),
            Err(error) => error,
        };
        if checked.passed() > best {
            // What makes progress may go on as long as it does.
            (best, tries) = (checked.passed(), 1);
        }
        let pause = mover.policy.pause(&error.problem, tries, None, chance());
        let Some(pause) = pause else {
            return Err(mover.access.explain(&registry::Error { tries, ..error }, from, false));
        };
        tracing::warn!(
            "{error}; going on at byte {} in {:.1} s",
            checked.passed(),
            pause.as_secs_f64()
        );
        tokio::time::sleep(pause).await;
        tries += 1;
    }
    match checked.finish() {
        Ok(last) => {
            if let Some(last) = last {
                mover.count(last.len());
                let _ = to.send(Ok(last)).await;
            }
            Ok(())
        }
        Err(wrong) => Err(wrong_bytes(blob, &format!("`{}`", from.repository), &wrong)),
    }
}

enum Flow {
    /// All bytes were read.
    Ended,
    /// Nobody takes them any more.
    Gone,
    /// They are not the blob's.
    Wrong(super::checked::Wrong),
}

async fn read_on(
    mover: &Mover<'_>,
    blob: &Descriptor,
    from: &Served,
    checked: &mut Checked,
    to: &Sender<Result<Bytes, io::Error>>,
) -> Result<Flow, registry::Error> {
    if checked.passed() == blob.size {
        return Ok(Flow::Ended);
    }
    let start = checked.passed();
    let mut read = from
        .registry
        .read_blob(&from.repository, &blob.digest, (start, None), &from.scopes)
        .await?;
    // A registry that ignores ranges begins anew; what has passed is passed over.
    let mut surplus = start - read.start;
    while let Some(mut bytes) = read.chunk().await? {
        let over = surplus.min(bytes.len() as u64);
        surplus -= over;
        // `over` is at most the length of bytes in memory.
        drop(bytes.split_to(usize::try_from(over).unwrap_or(bytes.len())));
        if bytes.is_empty() {
            continue;
        }
        match checked.push(bytes) {
            Ok(None) => {}
            Ok(Some(before)) => {
                mover.count(before.len());
                if to.send(Ok(before)).await.is_err() {
                    return Ok(Flow::Gone);
                }
            }
            Err(wrong) => return Ok(Flow::Wrong(wrong)),
        }
    }
    Ok(Flow::Ended)
}
