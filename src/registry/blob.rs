//! Blobs: read from any byte on, mounted from another repository, uploaded in sessions that go on where they broke off.
//!
//! OCI distribution specification: "Pulling blobs", "Pushing blobs", "Mounting a blob from another repository".

use super::Remote;
use super::error::{Error, ErrorKind};
use super::exchange::{Answer, Ask, LARGEST_ANSWER, Target};
use super::pace::Pace;
use super::party::Role;
use super::payload::Payload;
use super::reading::encoding;
use super::trust::Purpose;
use crate::names::{Digest, Repository};
use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, LOCATION, RANGE};
use reqwest::{Method, Response, Url};

/// What became of a mount.
#[derive(Debug)]
pub(crate) enum Mount {
    /// The target has the blob now, or had it before.
    Done,
    /// It was not made; the blob can be uploaded into this session.
    Session(Upload),
}

#[derive(Debug)]
pub(crate) struct Upload {
    location: Url,
    /// So many bytes the registry says it has; what is sent next goes on from there.
    pub stored: u64,
    /// Where the last request to it was redirected to, with all that its address needs.
    redirected: Option<Url>,
}

impl Upload {
    fn of(location: Url, stored: u64) -> Self {
        Self {
            location,
            stored,
            redirected: None,
        }
    }

    /// The same session where an error says that its bytes are to go.
    #[must_use]
    pub(crate) fn redirected(&self, error: &Error) -> Option<Self> {
        let ErrorKind::Moved { to, .. } = &error.kind else {
            return None;
        };
        Some(Self {
            location: self.location.clone(),
            stored: self.stored,
            redirected: Some(to.clone()),
        })
    }
}

/// What became of an upload that broke off.
#[derive(Debug)]
pub(crate) enum Resumed {
    /// The session is open and has bytes: the rest can follow.
    Session(Upload),
    /// The repository has the blob: only the answer was lost.
    Done,
    /// Nothing of it is left; it begins anew.
    Gone,
}

/// A blob on its way from a registry.
#[derive(Debug)]
pub(crate) struct BlobRead {
    response: Response,
    /// The byte that the answer begins with: 0 where the registry does not honour ranges, whatever was asked for.
    pub start: u64,
    /// How large the registry says that the whole blob is, where it does.
    pub size: Option<u64>,
    /// So many bytes come before the one that was asked for.
    surplus: u64,
    /// What was looked at already.
    first: Option<Bytes>,
    pace: Pace,
    remote: Remote,
    during: String,
}

impl BlobRead {
    /// What is wrong where the bytes are not the blob's and were said to be encoded. Some storages say so of what is a
    /// compressed layer anyway, and whose bytes are right.
    #[must_use]
    pub(crate) fn encoded(&self) -> Option<Error> {
        let encoding = encoding(self.response.headers())?;
        let party = self.remote.registry.party(self.response.url(), Role::Blob);
        Some(
            self.remote
                .error(self.during.clone(), ErrorKind::Encoded { encoding }.at(party)),
        )
    }

    /// Whether an answer that ends too early for a blob of `size` may be a part of it: also one that does not tell the whole
    /// size (`bytes 0-9/*`, RFC 9110, 14.4).
    #[must_use]
    pub(crate) fn may_be_part_of(&self, size: u64) -> bool {
        self.size
            .map_or(self.response.status().as_u16() == 206, |whole| whole == size)
    }

    /// The next bytes, from the one on that was asked for; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, nothing came for `TIMEOUT`, or next to nothing for longer.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let registry = &self.remote.registry;
            let chunk = match self.first.take() {
                Some(first) => Ok(Some(first)),
                None => registry.0.network.chunk(&mut self.response, &mut self.pace).await,
            };
            let chunk = chunk.map_err(|kind| {
                let party = registry.party(self.response.url(), Role::Blob);
                self.remote.error(self.during.clone(), kind.at(party))
            })?;
            let Some(mut bytes) = chunk else { return Ok(None) };
            let over = self.surplus.min(bytes.len() as u64);
            self.surplus -= over;
            // `over` is at most the length of bytes in memory.
            drop(bytes.split_to(usize::try_from(over).unwrap_or(bytes.len())));
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }
}

impl Remote {
    /// Whether a repository is known to have a blob. A registry that refuses the question says no: it can be uploaded.
    ///
    /// # Errors
    /// No answer.
    pub(crate) async fn has_blob(&self, digest: &Digest) -> Result<bool, Error> {
        let ask = Ask {
            method: Method::HEAD,
            for_write: true,
            ..Ask::get(
                self.blob_path(digest),
                &self.scopes,
                0,
                format!("looking for {}", self.named_blob(digest)),
            )
        };
        match self.exchange(ask).await {
            // A filter answers this with its page, too; and a blob that calls itself one may come again.
            Ok(answer) => Ok(!is_html(&answer.headers)),
            Err(error) if error.is_refused() || error.is_unproven() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins to read a blob at `start`, up to but without `end`. A registry may send less (RFC 9110, 14.2), or all.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn read_blob(&self, digest: &Digest, (start, end): (u64, Option<u64>)) -> Result<BlobRead, Error> {
        let during = format!("reading {}", self.named_blob(digest));
        let range = (start > 0 || end.is_some()).then_some((start, end));
        let ask = |range| Ask {
            range,
            takes: &[200, 206],
            ..Ask::get(self.blob_path(digest), &self.scopes, 0, during.clone())
        };
        let response = match self.open(ask(range)).await {
            // Either it gives no parts, or the blob is shorter than was said: the whole tells.
            Err(error) if range.is_some() && error.kind.status() == Some(416) => self.open(ask(None)).await?,
            opened => opened?,
        };
        let mut response = response;
        let mut pace = self.registry.0.network.pace();
        // A filter answers any question with its page, and 200.
        let first = if is_html(response.headers()) {
            let party = self.registry.party(response.url(), Role::Blob);
            let fail = |kind: ErrorKind| self.registry.error(during.clone(), kind.at(party.clone()), 1);
            let network = &self.registry.0.network;
            let first = network.chunk(&mut response, &mut pace).await.map_err(fail)?;
            if first.as_deref().is_some_and(is_page) {
                return Err(fail(ErrorKind::WebPage));
            }
            first
        } else {
            None
        };
        let (begins, size) = match response.status().as_u16() {
            206 => range_of(response.headers()),
            _ => (Some(0), response.content_length()),
        };
        match begins {
            Some(begins) if begins == start || begins == 0 => Ok(BlobRead {
                response,
                start: begins,
                size,
                surplus: start - begins,
                remote: self.clone(),
                during,
                first,
                pace,
            }),
            _ => {
                let party = self.registry.party(response.url(), Role::Blob);
                let other = ErrorKind::Protocol("it sent another range than asked for".to_owned());
                Err(self.error(during, other.at(party)))
            }
        }
    }

    /// Asks for a blob to be mounted from another repository of the same registry. Its token names both.
    ///
    /// # Errors
    /// The refusal, which is no reason to give up: the blob can still be uploaded.
    pub(crate) async fn mount(&self, digest: &Digest, from: &Repository) -> Result<Mount, Error> {
        // From itself: what is there counts as mounted.
        let during = if *from == self.repository {
            format!("beginning an upload to `{}`", self.repository.path())
        } else {
            format!("mounting {}", self.named_blob(digest))
        };
        let path = format!(
            "{}/blobs/uploads/?mount={digest}&from={}",
            self.repository.path(),
            from.path()
        );
        match self.post(path, &[201, 202], during.clone()).await {
            Ok(answer) if answer.status == 201 => Ok(Mount::Done),
            Ok(answer) => self.session(&answer, during).map(Mount::Session),
            Err(error) if error.is_unproven() && self.has_blob(digest).await? => Ok(Mount::Done),
            Err(error) => Err(error),
        }
    }

    /// Opens an upload session.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn begin_upload(&self) -> Result<Upload, Error> {
        let during = format!("beginning an upload to `{}`", self.repository.path());
        let answer = self
            .post(
                format!("{}/blobs/uploads/", self.repository.path()),
                &[202],
                during.clone(),
            )
            .await?;
        self.session(&answer, during)
    }

    /// Gives up an upload session.
    ///
    /// # Errors
    /// The refusal; not every registry knows this request, and all drop sessions that nothing comes to.
    pub(crate) async fn cancel_upload(&self, upload: Upload) -> Result<(), Error> {
        let during = format!("giving up an upload to `{}`", self.repository.path());
        let ask = Ask {
            method: Method::DELETE,
            takes: &[204, 200, 202],
            target: Target::Address(upload.location, Purpose::Upload),
            ..Ask::get(String::new(), &self.scopes, LARGEST_ANSWER, during)
        };
        self.exchange(ask).await?;
        Ok(())
    }

    /// Uploads a blob of a known size and digest in one request, or what is missing of it in its session.
    ///
    /// # Errors
    /// The refusal, or what stopped the body. [`Remote::resume`] tells what is left of the session.
    pub(crate) async fn put_blob(&self, digest: &Digest, upload: &Upload, body: Payload) -> Result<(), Error> {
        let rest = body.size.filter(|size| upload.stored > 0 && *size > 0);
        let ask = Ask {
            range: rest.map(|size| (upload.stored, Some(upload.stored + size))),
            ..self.closing(digest, upload)
        };
        match self.send_once(&ask, body).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_unproven() && self.has_blob(digest).await? => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Names the digest of what an upload session has, which ends it.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn close_upload(&self, digest: &Digest, upload: &Upload) -> Result<(), Error> {
        let ask = Ask {
            body: Some(Bytes::new()),
            ..self.closing(digest, upload)
        };
        match self.exchange(ask).await {
            Ok(_) => Ok(()),
            // A session that was closed by a try whose answer was lost is gone.
            Err(error) if (error.is_refused() || error.is_unproven()) && self.has_blob(digest).await? => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks what is left of an upload that broke off. `digest`: the blob's, if it is known.
    ///
    /// # Errors
    /// No answer.
    pub(crate) async fn resume(&self, digest: Option<&Digest>, upload: Upload) -> Result<Resumed, Error> {
        let during = format!("asking how far an upload to `{}` came", self.repository.path());
        let ask = Ask {
            for_write: true,
            target: Target::Address(upload.location.clone(), Purpose::Upload),
            takes: &[204, 200, 202],
            ..Ask::get(String::new(), &self.scopes, LARGEST_ANSWER, during.clone())
        };
        match self.exchange(ask).await {
            Ok(answer) => {
                let stored = answer.headers.get(RANGE).and_then(|value| stored(value.to_str().ok()?));
                let location = self
                    .session(&answer, during)
                    .map_or(upload.location, |session| session.location);
                Ok(stored.map_or(Resumed::Gone, |stored| Resumed::Session(Upload::of(location, stored))))
            }
            // Registries drop a session that broke off (docker-registry 2.8, whose `_state` must name the newest byte), or
            // know no such question; or the upload is done.
            Err(error) if error.is_refused() || error.is_unproven() => match digest {
                Some(digest) if self.has_blob(digest).await? => Ok(Resumed::Done),
                _ => Ok(Resumed::Gone),
            },
            Err(error) => Err(error),
        }
    }

    /// Appends a body of unknown size and digest to an upload session, which goes on afterwards.
    ///
    /// # Errors
    /// The refusal, or what stopped the body.
    pub(crate) async fn append(&self, upload: &Upload, body: Payload) -> Result<Upload, Error> {
        let during = format!("uploading to `{}`", self.repository.path());
        let ask = Ask {
            method: Method::PATCH,
            // Amazon's says 201, others 204; what was stored is proven when the upload is closed.
            takes: &[202, 201, 204, 200],
            target: Target::Address(
                upload.redirected.as_ref().unwrap_or(&upload.location).clone(),
                Purpose::Upload,
            ),
            content_type: Some("application/octet-stream".to_owned()),
            ..Ask::get(String::new(), &self.scopes, LARGEST_ANSWER, during.clone())
        };
        let response = self.send_once(&ask, body).await?;
        let answer = Answer {
            status: response.status().as_u16(),
            url: response.url().clone(),
            headers: response.headers().clone(),
            body: Bytes::new(),
        };
        self.session(&answer, during)
    }

    async fn post(&self, path: String, takes: &'static [u16], during: String) -> Result<Answer, Error> {
        let ask = Ask {
            method: Method::POST,
            takes,
            body: Some(Bytes::new()),
            ..Ask::get(path, &self.scopes, LARGEST_ANSWER, during)
        };
        self.exchange(ask).await
    }

    /// The session's address, its query kept as it is: registries keep their state there.
    fn session(&self, answer: &Answer, during: String) -> Result<Upload, Error> {
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.map(str::trim).filter(|location| !location.is_empty());
        match location.and_then(|location| answer.url.join(location).ok()) {
            Some(location) => Ok(Upload::of(location, 0)),
            None => Err(self.error(
                during,
                ErrorKind::Protocol("an upload session without a `Location`".to_owned()),
            )),
        }
    }

    /// The request that ends an upload.
    fn closing(&self, digest: &Digest, upload: &Upload) -> Ask<'_> {
        let location = upload.redirected.clone().unwrap_or_else(|| {
            let mut location = upload.location.clone();
            location.query_pairs_mut().append_pair("digest", digest.as_str());
            location
        });
        Ask {
            method: Method::PUT,
            takes: &[201],
            target: Target::Address(location, Purpose::Upload),
            content_type: Some("application/octet-stream".to_owned()),
            stores: true,
            ..Ask::get(
                String::new(),
                &self.scopes,
                LARGEST_ANSWER,
                format!("writing {}", self.named_blob(digest)),
            )
        }
    }

    fn blob_path(&self, digest: &Digest) -> String {
        format!("{}/blobs/{digest}", self.repository.path())
    }

    fn named_blob(&self, digest: &Digest) -> String {
        format!("the blob `{}` of `{}`", digest.short(), self.repository.path())
    }
}

/// How many bytes a session's `Range: 0-N` says are stored. `0-0` would be one; docker-registry says it of an empty
/// session, and olareg `0--1`: both count as none.
fn stored(range: &str) -> Option<u64> {
    let range = range.trim();
    let last = range.strip_prefix("bytes=").unwrap_or(range).strip_prefix("0-")?;
    let last: u64 = last.parse().ok()?;
    (last > 0).then(|| last.saturating_add(1))
}

/// Whether an answer calls itself a web page. A layer may be one: its bytes tell.
pub(super) fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// Whether bytes begin as a web page does.
pub(super) fn is_page(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<")
}

/// First byte and whole size of `Content-Range: bytes 5-9/10`, as far as they are there.
fn range_of(headers: &HeaderMap) -> (Option<u64>, Option<u64>) {
    let text = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let range = text.and_then(|text| {
        let (unit, range) = text.trim().split_once([' ', '='])?;
        unit.eq_ignore_ascii_case("bytes").then_some(range)
    });
    let Some(range) = range else { return (None, None) };
    let first = range.split('-').next().and_then(|first| first.trim().parse().ok());
    let size = range.split_once('/').and_then(|(_, size)| size.trim().parse().ok());
    (first, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_however_it_is_written() {
        for (range, read) in [
            ("bytes 5-9/10", (Some(5), Some(10))),
            ("Bytes 5-9/10", (Some(5), Some(10))),
            (" bytes  5 - 9 / 10 ", (Some(5), Some(10))),
            ("bytes=5-9/10", (Some(5), Some(10))),
            ("bytes 0-9/*", (Some(0), None)),
            ("bytes 0-9", (Some(0), None)),
            ("bytes */10", (None, Some(10))),
            ("bytes -9/10", (None, Some(10))),
            ("items 0-9/10", (None, None)),
            ("0-9/10", (None, None)),
            ("bytes", (None, None)),
            ("", (None, None)),
            ("bytes 18446744073709551616-/1", (None, Some(1))),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, range.parse().unwrap());
            assert_eq!(range_of(&headers), read, "{range}");
        }
        assert_eq!(range_of(&HeaderMap::new()), (None, None));
    }

    #[test]
    fn an_empty_session_has_no_byte() {
        for (range, bytes) in [
            ("0-0", None),
            ("0--1", None),
            ("0-", None),
            ("", None),
            ("5-9", None),
            ("0-18446744073709551615", Some(u64::MAX)),
            ("0-18446744073709551616", None),
            ("0-1", Some(2)),
            (" 0-1048575", Some(1_048_576)),
            ("bytes=0-9", Some(10)),
        ] {
            assert_eq!(stored(range), bytes, "{range}");
        }
    }
}
