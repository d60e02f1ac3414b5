//! What the daemon says while it pulls and pushes: JSON objects, one a line, split anywhere by the chunks they come in.
//! The verdict is in these lines, never in the status: a refused push is a 200 whose last line is an error.
//!
//! Pure: bytes in, lines and messages out.

use crate::names::Digest;
use serde::Deserialize;

/// Longest line taken, in bytes; the longest that Docker writes are some hundred.
pub(super) const LONGEST_LINE: usize = 1 << 20;
/// Bytes and lines taken of a whole transfer. containerd's image store writes some ten lines of 150 bytes a second for each
/// layer, whatever happens: of 127 layers this is what it writes in ten hours.
const MOST_BYTES: u64 = if cfg!(test) { 4 << 20 } else { 8 << 30 };
const MOST_LINES: u64 = if cfg!(test) { 30_000 } else { 50_000_000 };

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    bytes: u64,
    ended: u64,
}

/// A line longer than [`LONGEST_LINE`], or more of them than [`MOST_BYTES`] and [`MOST_LINES`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// Adds a chunk and returns the lines that it ends, without their line ends and without empty ones.
    pub(super) fn add(&mut self, chunk: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        let mut ended = Vec::new();
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|b| *b == b'\n') {
            self.extend(&rest[..at])?;
            ended.extend(self.finish());
            rest = &rest[at + 1..];
        }
        self.extend(rest)?;
        self.ended = self.ended.saturating_add(ended.len() as u64);
        if self.bytes > MOST_BYTES || self.ended > MOST_LINES {
            return Err(TooLong);
        }
        Ok(ended)
    }

    /// The last line, if the stream ended without a line end.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let mut line = std::mem::take(&mut self.begun);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        (!line.is_empty()).then_some(line)
    }

    fn extend(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if self.begun.len() + part.len() > LONGEST_LINE {
            return Err(TooLong);
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }
}

/// One line of the daemon (Engine API, "Create an image" and "Push an image": `CreateImageInfo`, `PushImageInfo`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    progress_detail: Option<Detail>,
    #[serde(default)]
    error_detail: Option<ErrorDetail>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    aux: Option<serde_json::Value>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct Detail {
    #[serde(default)]
    current: Option<i64>,
    #[serde(default)]
    total: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    message: Option<String>,
}

impl Message {
    /// `None` for what is no JSON object of this form.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Why the daemon gave up, in its words.
    pub(super) fn failure(&self) -> Option<&str> {
        let detailed = self.error_detail.as_ref().and_then(|detail| detail.message.as_deref());
        detailed.filter(|text| !text.is_empty()).or(self.error.as_deref())
    }

    /// Bytes that have moved, and all of them; what the daemon does not state is 0.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        let detail = self.progress_detail.unwrap_or_default();
        (count(detail.current), count(detail.total))
    }

    /// The digest of the manifest that was pushed.
    pub(super) fn pushed(&self) -> Option<Digest> {
        let named = |aux: &serde_json::Value| Digest::parse(aux.get("Digest")?.as_str()?).ok();
        let summary = self.status.as_deref().filter(|_| self.id.is_none());
        summary
            .and_then(digest_of_summary)
            .or(self.aux.as_ref().and_then(named))
    }

    /// Whether one manifest of an index is pushed in place of the index, of which the daemon has a part (Docker 28).
    pub(super) fn is_instead_of_index(&self) -> bool {
        let said = |aux: &serde_json::Value| aux.get("manifestPushedInsteadOfIndex")?.as_bool();
        self.aux.as_ref().and_then(said).unwrap_or(false)
    }
}

/// The digest in `1.4.2: digest: sha256:… size: 1234`, the last status of a push. Docker with containerd's image store and
/// podman before 6 send no `aux` with it (moby#48331).
fn digest_of_summary(status: &str) -> Option<Digest> {
    let (_, named) = status.split_once(": digest: ")?;
    let (digest, size) = named.split_once(" size: ")?;
    size.trim_end().parse::<u64>().ok()?;
    Digest::parse(digest).ok()
}

#[cfg(test)]
mod tests;
