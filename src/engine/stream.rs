//! What the daemon says while it pulls and pushes: JSON objects, one a line, split anywhere by the chunks they come in.
//! The verdict is in these lines, never in the status: a refused push is a 200 whose last line is an error.
//!
//! Pure: bytes in, lines, sums and verdicts out.

use crate::names::Digest;
use serde::Deserialize;
use std::collections::HashMap;

/// Longest line taken, in bytes; the longest that Docker writes are some hundred.
pub(super) const LONGEST_LINE: usize = 1 << 20;
/// Layers counted; images have at most 127 in Docker's own stores.
const MOST_LAYERS: usize = 1024;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

/// A line longer than [`LONGEST_LINE`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// Adds a chunk and returns the lines that it ends, without their line ends and without empty ones.
    pub(super) fn add(&mut self, chunk: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut ended = Vec::new();
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|b| *b == b'\n') {
            self.extend(&rest[..at])?;
            ended.extend(self.finish());
            rest = &rest[at + 1..];
        }
        self.extend(rest)?;
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
struct Message {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    status: Option<String>,
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

/// How far a pull or push has come, from the daemon's lines so far.
#[derive(Debug, Default)]
pub struct Progress {
    layers: HashMap<String, Layer>,
    mid_transfer: bool,
    retried: bool,
    pushed: Option<Digest>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Layer {
    moved: u64,
    total: u64,
    is_there: bool,
}

/// What a line was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The transfer goes on.
    On,
    /// The daemon gave up, and why, in its words.
    Failed(String),
    /// No JSON object.
    Garbled,
}

impl Progress {
    /// Bytes moved so far, over all layers. It never falls, also where the daemon begins a layer anew.
    #[must_use]
    pub fn moved(&self) -> u64 {
        sum(self.layers.values().map(|layer| layer.moved))
    }

    /// Bytes to move of the layers that the daemon has begun: an estimate that grows as layers begin. For a push the
    /// daemon counts uncompressed bytes.
    #[must_use]
    pub fn expected(&self) -> u64 {
        sum(self.layers.values().map(|layer| layer.total.max(layer.moved)))
    }

    /// Each layer that the daemon has begun or that need not move: its name, how many of its bytes have moved, and how many
    /// there are; `None` in their place where it is there already.
    pub fn layers(&self) -> impl Iterator<Item = (&str, Option<(u64, u64)>)> {
        self.layers.iter().map(|(name, layer)| {
            let bytes = (!layer.is_there).then_some((layer.moved, layer.total));
            (name.as_str(), bytes)
        })
    }

    /// The digest under which the daemon pushed the manifest, once it said so.
    #[must_use]
    pub fn pushed(&self) -> Option<&Digest> {
        self.pushed.as_ref()
    }

    /// Whether silence now means a stalled network: the last line was of a layer amid its bytes. A daemon that unpacks,
    /// compresses, hashes, or waits for a registry to store what it got says nothing for minutes on a big layer.
    #[must_use]
    pub(super) fn is_mid_transfer(&self) -> bool {
        self.mid_transfer
    }

    /// Whether the daemon has had to try a layer again (`Retrying in 5 seconds`); it says why only when it gives up.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        self.retried
    }

    /// Takes one line in.
    pub(super) fn take(&mut self, line: &[u8]) -> Verdict {
        let Ok(message) = serde_json::from_slice::<Message>(line) else {
            return Verdict::Garbled;
        };
        let detailed = message
            .error_detail
            .and_then(|detail| detail.message)
            .filter(|text| !text.is_empty());
        if let Some(words) = detailed.or(message.error) {
            return Verdict::Failed(words);
        }
        // Newer daemons send other `aux` objects too, such as a note that one manifest of an index was pushed.
        if let Some(digest) = message.aux.as_ref().and_then(|aux| aux.get("Digest")?.as_str())
            && let Ok(digest) = Digest::parse(digest)
        {
            self.pushed = Some(digest);
        }
        if message.id.is_none()
            && let Some(digest) = message.status.as_deref().and_then(digest_of_summary)
        {
            self.pushed = Some(digest);
        }
        self.mid_transfer = false;
        if let (Some(id), Some(status)) = (message.id, message.status) {
            self.layer(id, &status, message.progress_detail.unwrap_or_default());
        }
        Verdict::On
    }

    fn layer(&mut self, id: String, status: &str, detail: Detail) {
        self.retried |= status.starts_with("Retrying in ");
        let moving = matches!(status, "Downloading" | "Pushing");
        let ended = matches!(status, "Download complete" | "Pull complete" | "Pushed");
        let is_there =
            matches!(status, "Already exists" | "Layer already exists") || status.starts_with("Mounted from ");
        if !(moving || ended || is_there) || (self.layers.len() >= MOST_LAYERS && !self.layers.contains_key(&id)) {
            return;
        }
        let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        let layer = self.layers.entry(id).or_default();
        layer.is_there = is_there;
        if ended {
            layer.moved = layer.moved.max(layer.total);
            return;
        }
        layer.total = layer.total.max(count(detail.total));
        layer.moved = layer.moved.max(count(detail.current));
        self.mid_transfer = count(detail.current) < count(detail.total);
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

/// The daemon's numbers are not trusted to fit.
fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:38e4339c777e978243d32feb3ac27ff539ae54980b801775ac7864b911beef2c";

    fn after(lines: &[&str]) -> Progress {
        let mut progress = Progress::default();
        for line in lines {
            assert_eq!(progress.take(line.as_bytes()), Verdict::On, "{line}");
        }
        progress
    }

    /// Lines as Docker 20.10.24 wrote them.
    #[test]
    fn bytes_of_a_pull_add_up() {
        let mut lines = vec![
            r#"{"status":"Pulling from shop/base","id":"1"}"#,
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"6deeeb907ed8"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":300,"total":1000},"progress":"[=>  ]","id":"6deeeb907ed8"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":50,"total":70},"id":"aaaaaaaaaaaa"}"#,
        ];
        let progress = after(&lines);
        assert_eq!((progress.moved(), progress.expected()), (350, 1070));
        assert!(progress.is_mid_transfer());
        lines.push(r#"{"status":"Verifying Checksum","progressDetail":{},"id":"aaaaaaaaaaaa"}"#);
        lines.push(r#"{"status":"Download complete","progressDetail":{},"id":"6deeeb907ed8"}"#);
        lines.push(r#"{"status":"Extracting","progressDetail":{"current":32768,"total":1000},"id":"6deeeb907ed8"}"#);
        let progress = after(&lines);
        assert_eq!((progress.moved(), progress.expected()), (1050, 1070));
        assert!(!progress.is_mid_transfer());
    }

    #[test]
    fn a_push_ends_with_its_digest() {
        let aux = format!(r#"{{"progressDetail":{{}},"aux":{{"Tag":"1","Digest":"{DIGEST}","Size":528}}}}"#);
        let progress = after(&[
            r#"{"status":"The push refers to repository [127.0.0.1:5000/shop/base]"}"#,
            r#"{"status":"Preparing","progressDetail":{},"id":"56a878ea7ba1"}"#,
            r#"{"status":"Layer already exists","progressDetail":{},"id":"bbbbbbbbbbbb"}"#,
            r#"{"status":"Pushing","progressDetail":{"current":30002176,"total":30000000},"id":"56a878ea7ba1"}"#,
            r#"{"status":"Pushed","progressDetail":{},"id":"56a878ea7ba1"}"#,
            &aux,
            r#"{"aux":{"manifestPushedInsteadOfIndex":true}}"#,
        ]);
        assert_eq!((progress.moved(), progress.expected()), (30_002_176, 30_002_176));
        assert_eq!(progress.pushed().map(Digest::as_str), Some(DIGEST));
    }

    /// What engines without `aux` write last: Docker 26 to 29 with containerd's image store, podman 4 and 5.
    #[test]
    fn a_push_without_aux_ends_with_the_digest_of_its_last_status() {
        for (line, found) in [
            (format!(r#"{{"status":"1: digest: {DIGEST} size: 861"}}"#), true),
            (format!(r#"{{"status":"a.digest: digest: {DIGEST} size: 0\n"}}"#), true),
            (format!(r#"{{"status":"1: digest: {DIGEST}"}}"#), false),
            (format!(r#"{{"status":"1: digest: {DIGEST} size: many"}}"#), false),
            (r#"{"status":"1: digest: sha256:38e4 size: 861"}"#.to_owned(), false),
            (
                format!(r#"{{"status":"1: digest: {DIGEST} size: 861","id":"56a878ea7ba1"}}"#),
                false,
            ),
        ] {
            let progress = after(&[&line]);
            assert_eq!(progress.pushed().map(Digest::as_str), found.then_some(DIGEST), "{line}");
        }
    }

    #[test]
    fn patience_follows_the_last_line() {
        for (line, mid_transfer) in [
            (
                r#"{"status":"Pushing","progressDetail":{"current":5,"total":10},"id":"a"}"#,
                true,
            ),
            // All bytes are read: the registry may take its time to store them.
            (
                r#"{"status":"Pushing","progressDetail":{"current":10,"total":10},"id":"a"}"#,
                false,
            ),
            (r#"{"status":"Pushing","progressDetail":{"current":5},"id":"a"}"#, false),
            (
                r#"{"status":"Extracting","progressDetail":{"current":5,"total":10},"id":"a"}"#,
                false,
            ),
            (
                r#"{"status":"Retrying in 5 seconds","progressDetail":{},"id":"a"}"#,
                false,
            ),
            (
                r#"{"status":"Downloading","progressDetail":{"current":-1,"total":-1},"id":"a"}"#,
                false,
            ),
        ] {
            assert_eq!(after(&[line]).is_mid_transfer(), mid_transfer, "{line}");
        }
    }

    #[test]
    fn the_verdict_is_in_the_line() {
        for (line, verdict) in [
            (
                r#"{"errorDetail":{"message":"denied: no"},"error":"denied: no"}"#,
                Verdict::Failed("denied: no".to_owned()),
            ),
            (
                r#"{"error":"unauthorized"}"#,
                Verdict::Failed("unauthorized".to_owned()),
            ),
            (
                r#"{"errorDetail":{"code":1,"message":"full"}}"#,
                Verdict::Failed("full".to_owned()),
            ),
            (
                r#"{"errorDetail":{"message":""},"error":"short"}"#,
                Verdict::Failed("short".to_owned()),
            ),
            (
                r#"{"status":"x","errorDetail":null,"progressDetail":null}"#,
                Verdict::On,
            ),
            ("<html>", Verdict::Garbled),
            ("[]x", Verdict::Garbled),
        ] {
            assert_eq!(Progress::default().take(line.as_bytes()), verdict, "{line}");
        }
    }

    #[test]
    fn neither_lines_nor_layers_grow_without_bound() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(&vec![b'x'; LONGEST_LINE]), Ok(vec![]));
        assert_eq!(lines.add(b"x"), Err(TooLong));
        let mut progress = Progress::default();
        for id in 0..2 * MOST_LAYERS {
            let line = format!(r#"{{"status":"Downloading","progressDetail":{{"current":1,"total":2}},"id":"{id}"}}"#);
            assert_eq!(progress.take(line.as_bytes()), Verdict::On);
        }
        assert_eq!(progress.moved(), MOST_LAYERS as u64);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(text in "[a{}\"\r\n]{0,200}", cuts in proptest::collection::vec(0usize..200, 0..20)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for pair in cuts.windows(2) {
                found.extend(lines.add(&bytes[pair[0]..pair[1]]).unwrap());
            }
            found.extend(lines.finish());
            let whole: Vec<Vec<u8>> = text
                .split('\n')
                .map(|line| line.strip_suffix('\r').unwrap_or(line).as_bytes().to_vec())
                .filter(|line| !line.is_empty())
                .collect();
            prop_assert_eq!(found, whole);
        }

        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Progress::default().take(&line);
        }
    }
}
