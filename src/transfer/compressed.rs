//! One plain layer into a registry, compressed on its way: neither digest nor size is known before it is over.

use super::progress::Counter;
use super::upload::{Broken, Outlet, PIECE, WAITING, is_spoilt, left};
use super::{Destination, Mover};
use crate::archive::{BlobSource, Gzip, Layer};
use crate::explain::failure::{Failure, Kind};
use crate::names::Digest;
use crate::names::Hasher;
use crate::registry::retry::Tries;
use crate::registry::{self, Payload, Problem, Remote, Resumed, Upload};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt as _};
use std::io::{self, Read};
use tokio::sync::mpsc::channel;

/// What a compressed layer became.
#[derive(Debug, Clone)]
struct Compressed {
    digest: Digest,
    size: u64,
}

impl Mover<'_> {
    /// Uploads a plain layer of a docker-archive, compressed on its way; gives digest and size of what it became. Neither
    /// is known beforehand, so the bytes go into an open session that their digest closes.
    pub(crate) async fn compressed(
        &self,
        layer: &Layer,
        name: &str,
        to: &Destination,
    ) -> Result<(Digest, u64), Failure> {
        let remote = &to.remote;
        let explained = |error: &registry::Error| self.session.explain(error, remote, true);
        let mut tries = Tries::new(self.policy, 0);
        let mut session = None;
        // So many bytes came out of the layer so far: no session can have more.
        let mut made = 0;
        let counter = self.progress.counter();
        loop {
            let upload = if let Some(upload) = session.take() {
                upload
            } else {
                let begun = remote.begin_upload().await;
                begun.map_err(|error| explained(&error))?
            };
            let error = match self
                .compress_once(layer, name, remote, &upload, (&mut made, &counter))
                .await
            {
                Ok(compressed) => {
                    self.progress.expect(compressed.size);
                    return Ok((compressed.digest, compressed.size));
                }
                Err(Broken::Failed(failure)) => return Err(failure),
                Err(Broken::Target(error)) => error,
            };
            self.pause(&error, &upload, &mut tries, remote).await?;
            // The same bytes come out of the same layer, so what arrived need not be sent again.
            let left = left(upload, (None, made), &error, remote, &mut tries).await;
            if let Resumed::Session(upload) = left.map_err(|error| explained(&error))? {
                session = Some(upload);
            }
        }
    }

    async fn compress_once(
        &self,
        layer: &Layer,
        name: &str,
        to: &Remote,
        upload: &Upload,
        (made, counter): (&mut u64, &Counter),
    ) -> Result<Compressed, Broken> {
        let (sender, mut receiver) = channel::<Result<Bytes, io::Error>>(WAITING);
        let payload = Payload {
            stream: counter.over(
                upload.stored,
                stream::poll_fn(move |context| receiver.poll_recv(context)).boxed(),
            ),
            size: None,
        };
        let mut outlet = Outlet {
            to: sender,
            skip: upload.stored,
        };
        let mut reader = Gzip::new(layer.content.reader(), layer.diff_id.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut hasher = Hasher::sha256();
            let mut size = 0;
            let result = pieces(&mut reader, |piece| {
                hasher.update(&piece);
                size += piece.len() as u64;
                outlet.send(piece)
            });
            if result.is_err() {
                let _ = outlet.to.blocking_send(Err(io::Error::other("the source failed")));
            }
            result.map(|()| Compressed {
                digest: hasher.finish(),
                size,
            })
        });
        let (read, appended) = tokio::join!(read, to.append(upload, payload));
        let unread = |error: &io::Error| {
            Broken::Failed(Failure::new(
                Kind::Other,
                format!("a layer of {name} cannot be read: {error}"),
                "have the image saved again; the archive is damaged",
            ))
        };
        let compressed = read
            .map_err(|error| unread(&io::Error::other(error)))?
            .map_err(|error| unread(&error))?;
        *made = compressed.size.max(*made);
        let session = appended.map_err(Broken::Target)?;
        let closed = to.close_upload(&compressed.digest, &session).await;
        closed.map_err(|error| {
            let is_gone = matches!(error.problem, Problem::Refused { status: 404 | 416, .. });
            if is_gone || is_spoilt(&error, upload) {
                return Broken::Target(error);
            }
            // It has had its tries.
            Broken::Failed(self.session.explain(&error, to, true))
        })?;
        Ok(compressed)
    }

    /// The digest of bytes that lie in an archive.
    pub(crate) async fn digest_of(&self, content: &BlobSource, name: &str) -> Result<Digest, Failure> {
        let mut reader = content.reader();
        let read = tokio::task::spawn_blocking(move || {
            let mut hasher = Hasher::sha256();
            pieces(&mut reader, |piece| {
                hasher.update(&piece);
                true
            })
            .map(|()| hasher.finish())
        });
        read.await
            .map_err(io::Error::other)
            .and_then(|read| read)
            .map_err(|error| {
                let hint = "have the image saved again; the archive is damaged";
                Failure::new(Kind::Other, format!("a layer of {name} cannot be read: {error}"), hint)
            })
    }
}

/// Reads to the end, or until nobody takes the pieces any more.
fn pieces(reader: &mut impl Read, mut take: impl FnMut(Bytes) -> bool) -> io::Result<()> {
    loop {
        let mut piece = BytesMut::zeroed(PIECE);
        let count = reader.read(&mut piece)?;
        piece.truncate(count);
        if count == 0 || !take(piece.freeze()) {
            return Ok(());
        }
    }
}
