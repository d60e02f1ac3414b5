//! What holds for every secret, however it is written.

#![allow(
    clippy::missing_panics_doc,
    unreachable_pub,
    reason = "a panic is the answer, to a fuzz target"
)]
#![allow(clippy::format_collect, reason = "short texts")]

use super::RUN;
use super::runs::{Runs, replaced};
use super::views::is_unseen;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::collections::HashSet;

/// No run of a secret is left in a text that holds it. The first line is the secret, the second its user name, the third how
/// it was written, a letter each; what follows stands around it.
pub fn redaction(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(4, '\n');
    let (Some(secret), Some(username), Some(ways)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let around = lines.next().unwrap_or_default();
    let folded = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    if folded(secret).chars().count() < RUN || secret.len() > 300 || username.len() > 100 || around.len() > 2000 {
        return;
    }
    let mut hidden = Runs::default();
    hidden.add_secret(secret, Some(username));
    // What is not seen at its ends is no part of it.
    let secret = secret.trim_matches(|c: char| c.is_whitespace() || is_unseen(c));
    let mut written = secret.to_owned();
    // What looks like an escape itself may be undone with those around it, if those are of several kinds.
    let most = if secret.contains(['%', '\\', '&']) { 1 } else { 3 };
    let mut is_encoded = false;
    // Of what was encoded, before escapes.
    let mut letters = 0;
    for way in ways.chars().take(most) {
        let plain = written == secret;
        written = match way {
            'p' => each(&written, |byte| format!("%{byte:02X}"), |c| !c.is_ascii_alphanumeric()),
            'l' => each(&written, |byte| format!("%{byte:02x}"), |c| !c.is_ascii_alphanumeric()),
            'a' => each(&written, |byte| format!("%{byte:02X}"), |_| true),
            'j' => written
                .chars()
                .map(|c| format!("\\u{:04x}", u32::from(c).min(0xffff)))
                .collect(),
            'J' => serde_json::Value::from(written.as_str()).to_string(),
            'h' => characters(&written, |c| format!("&#x{:X};", u32::from(c))),
            'd' => characters(&written, |c| format!("&#{};", u32::from(c))),
            'q' => each(
                &written,
                |byte| format!("={byte:02X}"),
                |c| !c.is_ascii_alphanumeric() && c != '+',
            ),
            'b' if plain => STANDARD.encode(&written),
            'u' if plain => URL_SAFE_NO_PAD.encode(&written),
            'B' if plain => STANDARD.encode(format!("Basic {}", STANDARD.encode(format!("{username}:{written}")))),
            'r' if plain => URL_SAFE_NO_PAD.encode(
                serde_json::json!({ "username": username, "password": written, "serveraddress": "crg.apkg.io" })
                    .to_string(),
            ),
            'w' => written
                .as_bytes()
                .chunks(76)
                .map(String::from_utf8_lossy)
                .collect::<Vec<_>>()
                .join("\r\n"),
            'x' if plain => written.bytes().map(|byte| format!("{byte:02x}")).collect(),
            'L' => written.to_ascii_lowercase(),
            _ => continue,
        };
        if matches!(way, 'b' | 'u' | 'B' | 'r' | 'x') {
            letters = written.chars().count();
        }
        is_encoded |= matches!(way, 'b' | 'u' | 'B' | 'r' | 'x');
    }
    let middle = around
        .char_indices()
        .nth(around.chars().count() / 2)
        .map_or(0, |(at, _)| at);
    let (before, after) = around.split_at(middle);
    let shown = replaced(&format!("{before} {written} {after}"), &[&hidden]);
    // What stood around it may be like it.
    let known: HashSet<String> = runs(&folded(before)).chain(runs(&folded(after))).collect();
    // Blanks count for nothing, as where a secret is wrapped.
    let (secret, written) = (folded(secret), folded(&written));
    for run in runs(&folded(&shown)).filter(|run| !known.contains(run)) {
        assert!(
            !secret.contains(&run),
            "{run:?} of {secret:?} written as {ways:?} in {shown:?}"
        );
        assert!(
            is_encoded || !written.contains(&run),
            "{run:?} of {written:?} in {shown:?}"
        );
    }
    let parts = shown.split("***").map(|part| part.chars().count()).sum::<usize>();
    // What stands beside the secret in what was encoded stays, each letter of it as one escape or several.
    let beside = (2 * RUN + 100) * written.chars().count().div_ceil(letters.max(1)).max(1);
    assert!(
        !is_encoded || parts < before.chars().count() + after.chars().count() + 2 + beside,
        "{written:?} in {shown:?}"
    );
}

fn runs(text: &str) -> impl Iterator<Item = String> + use<> {
    let characters: Vec<char> = text.chars().collect();
    let count = characters.len().saturating_sub(RUN - 1);
    (0..count).map(move |at| characters[at..at + RUN].iter().collect())
}

fn each(text: &str, escape: impl Fn(u8) -> String, escaped: impl Fn(char) -> bool) -> String {
    let one = |c: char| {
        if escaped(c) {
            c.to_string().bytes().map(&escape).collect()
        } else {
            c.to_string()
        }
    };
    text.chars().map(one).collect()
}

fn characters(text: &str, escape: impl Fn(char) -> String) -> String {
    let one = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_string()
        } else {
            escape(c)
        }
    };
    text.chars().map(one).collect()
}
