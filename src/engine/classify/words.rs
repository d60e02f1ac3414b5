//! The daemon's words, made ready to be looked through: what an image or a registry is called decides nothing.

use crate::names::Digest;

/// Words in lower case, without the name of the image and without URLs.
pub(super) struct Words {
    text: String,
    /// The digests that they name, those of URLs too.
    digests: Vec<String>,
}

impl Words {
    /// Of what the daemon said when it was asked for the image `name`.
    pub(super) fn new(words: &str, name: &str) -> Self {
        let lower = words.to_ascii_lowercase();
        let text = without_urls(&without_name(&lower, &name.to_ascii_lowercase()));
        Self {
            digests: digests(&lower),
            text,
        }
    }

    /// Whether any of the texts is among them.
    pub(super) fn has(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.text.contains(text))
    }

    /// Whether Go's "EOF" is what they end with: the connection was closed.
    pub(super) fn ends_with_eof(&self) -> bool {
        let text = self.text.trim_end();
        text == "eof" || text.ends_with(": eof")
    }

    /// What follows Docker's own preface to a refusal.
    pub(super) fn after_preface(&self) -> &str {
        self.text.split("'docker login': ").last().unwrap_or(&self.text)
    }

    /// Whether the last digest that they name is another one.
    pub(super) fn names_another(&self, digest: &Digest) -> bool {
        self.digests.last().is_some_and(|last| last != digest.as_str())
    }

    /// The status of HTTP that they state: "unexpected status from PUT request to …: 403 Forbidden" (containerd), "error
    /// parsing HTTP 413 response body" (Docker), `StatusCode: 403` (podman).
    pub(super) fn status(&self) -> Option<u16> {
        let words: Vec<&str> = self.text.split_ascii_whitespace().collect();
        words.windows(2).find_map(|pair| {
            let (before, number) = (pair[0], pair[1].trim_matches([',', '"', ':', '.', ')']));
            let is_named = matches!(before, "http" | "registry" | "status" | "status:" | "statuscode:");
            let is_after_place = before.ends_with(':') && self.has(&["status", &format!("{number} (")]);
            let status: u16 = number.parse().ok()?;
            ((400..600).contains(&status) && (is_named || is_after_place)).then_some(status)
        })
    }
}

/// `lower` without the repository of the image `name`, as a whole and as the path of a URL. A name of one part stays: the
/// daemon asks no registry by it, and it may be any word.
fn without_name(lower: &str, name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    let repository = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    };
    match repository.split_once('/') {
        Some((_, path)) if path.contains('/') => lower.replace(repository, "").replace(path, ""),
        Some(_) => lower.replace(repository, ""),
        None => lower.to_owned(),
    }
}

/// The same text without what its URLs name, but with the colons behind them.
fn without_urls(text: &str) -> String {
    let words = text.split_ascii_whitespace().map(|word| match word.find("://") {
        Some(_) if word.ends_with(':') => "url:",
        Some(_) => "url",
        None => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn digests(lower: &str) -> Vec<String> {
    let hex = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    lower
        .match_indices("sha256:")
        .filter_map(|(at, start)| {
            let rest = &lower[at + start.len()..];
            (hex(rest) == 64).then(|| lower[at..at + start.len() + 64].to_owned())
        })
        .collect()
}
