//! What a registry has to say beside its answers: `Warning: 299` (OCI distribution specification, "Warnings").

use super::address::server;
use super::quoted_string;
use crate::text::Quoted;
use reqwest::Url;
use reqwest::header::{HeaderMap, WARNING};
use std::cell::RefCell;
use std::collections::HashSet;

/// Most that are told in a run.
const MOST: usize = 10;

/// What was told already.
#[derive(Debug, Default)]
pub(super) struct Notices(RefCell<HashSet<(String, String)>>);

impl Notices {
    /// Tells what comes with an answer, each text once.
    pub(super) fn tell(&self, url: &Url, headers: &HeaderMap) {
        for words in headers.get_all(WARNING).iter().flat_map(|value| read(value.as_bytes())) {
            let server = server(url);
            let mut told = self.0.borrow_mut();
            if told.len() < MOST && told.insert((server.as_str().to_owned(), words.as_str().to_owned())) {
                tracing::warn!("`{server}` says: “{words}”");
            }
        }
    }
}

/// The texts of one header that are of code 299: `299 - "text"`, and what else may stand there (RFC 7234, 5.5).
fn read(value: &[u8]) -> Vec<Quoted> {
    let text = String::from_utf8_lossy(value);
    let mut rest = text.as_ref();
    let mut found = Vec::new();
    // A code, an agent and a text in quotes; a date may follow, which is in quotes too.
    while let Some((before, after)) = rest.split_once('"') {
        let Ok((words, after)) = quoted_string::read(after) else {
            break;
        };
        let mut parts = before.trim_start_matches([',', ' ', '\t']).split_ascii_whitespace();
        if parts.next() == Some("299") && parts.next().is_some() && !words.trim().is_empty() {
            found.push(Quoted::new(&words));
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_warnings_of_a_registry_are_read() {
        for (header, texts) in [
            (
                r#"299 - "Your token expires in 30 s.""#,
                &["Your token expires in 30 s."][..],
            ),
            (
                r#"299 registry.example "a \"b\" c" "Sun, 22 Nov 2026 10:00:00 GMT""#,
                &["a \"b\" c"],
            ),
            (r#"299 - "a", 299 - "b""#, &["a", "b"]),
            (r#"110 - "Response is stale", 299 - "b, c""#, &["b, c"]),
            (r#"110 - "Response is stale""#, &[]),
            (r#"299 "no agent""#, &[]),
            (r#"299 - "not closed"#, &[]),
            (r#"299 - """#, &[]),
            ("299 - text", &[]),
            ("", &[]),
        ] {
            let texts: Vec<Quoted> = texts.iter().map(|text| Quoted::new(text)).collect();
            assert_eq!(read(header.as_bytes()), texts, "{header}");
        }
        assert_eq!(read(b"299 - \"\x1b[2K\xff\"").len(), 1);
    }
}
