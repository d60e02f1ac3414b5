//! Bodies of answers, read within bounds: of a size, of time, and of what a run may hold.

use super::body::read_up_to;
use super::budget::held;
use super::error::ErrorKind;
use super::network::{Network, within};
use super::pace::Pace;
use super::reach::Reach;
use crate::text::Quoted;
use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use std::time::Instant;

/// Largest body of a refusal that is read, in bytes.
const LARGEST_REFUSAL: usize = 64 * 1024;
/// A buffer may be so much larger than what is in it.
const SLACK: usize = 16 * 1024;

impl Network {
    /// Reads a document of at most `limit` bytes.
    ///
    /// # Errors
    /// It is longer, breaks off, stands still or drips; or the run holds too much already.
    pub(super) async fn read(&self, mut response: Response, limit: usize) -> Result<Bytes, ErrorKind> {
        let announced = response.content_length();
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(ErrorKind::TooLarge { limit });
        }
        let mut charge = self.budget().charge();
        // At most the limit, which is a number of bytes in memory.
        let announced = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        charge.grow(announced)?;
        let mut body = BytesMut::with_capacity(announced);
        let (mut come, mut charged) = (0, announced);
        let mut pace = self.pace();
        let next = async || {
            let chunk = self.chunk(&mut response, &mut pace).await?;
            come += chunk.as_ref().map_or(0, Bytes::len);
            if come > charged {
                // A buffer that grows is larger than what is in it: twice so at most.
                charge.grow(2 * come - charged)?;
                charged = 2 * come;
            }
            Ok(chunk)
        };
        if !read_up_to(limit, &mut body, next).await? {
            return Err(ErrorKind::TooLarge { limit });
        }
        let body = if body.capacity() > body.len() + SLACK {
            Bytes::copy_from_slice(&body)
        } else {
            body.freeze()
        };
        held(body, charge)
    }

    /// How slowly a body may come.
    pub(super) fn pace(&self) -> Pace {
        Pace::new(self.timeout())
    }

    /// The next bytes of a body; `None` at its end.
    ///
    /// # Errors
    /// It breaks off, stands still or drips.
    pub(super) async fn chunk(&self, response: &mut Response, pace: &mut Pace) -> Result<Option<Bytes>, ErrorKind> {
        let begun = Instant::now();
        let chunk = match within(pace.patience(), response.chunk(), None).await {
            Err(ErrorKind::Unreachable(Reach::Timeout)) => return Err(ErrorKind::Unreachable(pace.over())),
            chunk => chunk?,
        };
        pace.count(begun.elapsed(), chunk.as_ref().map_or(0, Bytes::len));
        Ok(chunk)
    }

    /// Reads the body of a refusal as far as it is looked at, and for no longer than `TIMEOUT`: a broken one is a refusal
    /// all the same.
    pub(super) async fn read_refusal(&self, mut response: Response) -> Bytes {
        if let Some(encoding) = encoding(response.headers()) {
            return Bytes::from(format!("(its words came encoded as {encoding})"));
        }
        let mut body = BytesMut::new();
        let reading = read_up_to(LARGEST_REFUSAL, &mut body, async || response.chunk().await);
        let _ = tokio::time::timeout(self.timeout(), reading).await;
        body.freeze()
    }
}

/// The encoding of a body that was asked for as it is; `None` where it came so.
pub(super) fn encoding(headers: &HeaderMap) -> Option<Quoted> {
    let named = headers.get_all(CONTENT_ENCODING).iter();
    let named: Vec<_> = named.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let named = named.join(", ");
    let is_plain = |one: &str| one.is_empty() || one.eq_ignore_ascii_case("identity");
    let plain = named.split(',').all(|one| is_plain(one.trim()));
    (!plain).then(|| Quoted::new(&named))
}

/// Takes a document for what it says that it is: encoded, unless it is JSON all the same.
///
/// # Errors
/// It came encoded.
pub(super) fn plain(headers: &HeaderMap, body: &[u8]) -> Result<(), ErrorKind> {
    match encoding(headers) {
        Some(encoding) if !body.trim_ascii_start().starts_with(b"{") => Err(ErrorKind::Encoded { encoding }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_document_comes_as_it_is_or_is_told_as_encoded() {
        let gzip = b"\x1f\x8b\x08";
        for (headers, body, encoding) in [
            (&[][..], &gzip[..], None),
            (&["identity"], gzip, None),
            (&["Identity", ""], gzip, None),
            (&["gzip"], gzip, Some("gzip")),
            (&["identity, br"], gzip, Some("identity, br")),
            (&["gzip", "zstd"], gzip, Some("gzip, zstd")),
            // What is JSON is not encoded, whatever is said of it.
            (&["gzip"], b" {}", None),
        ] {
            let mut map = HeaderMap::new();
            for header in headers {
                map.append(CONTENT_ENCODING, HeaderValue::from_static(header));
            }
            let encoded = encoding.map(|named| ErrorKind::Encoded {
                encoding: Quoted::new(named),
            });
            assert_eq!(plain(&map, body).err(), encoded, "{headers:?}");
        }
    }
}
