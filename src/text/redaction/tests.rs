//! Secrets × how they are written → what is left of them.

#![allow(clippy::format_collect, reason = "short texts")]

use super::runs::{Runs, STARS, replaced};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

const TOKEN: &str = "ATATT3xFfGF0x/+=&secret tok%en-_abcdefghijklmnopqrstuvwxyz0123456789=C0425520";
const USERNAME: &str = "ann@example.org";

fn hidden() -> Runs {
    let mut hidden = Runs::default();
    hidden.add_secret(&format!("{TOKEN}\n"), Some(USERNAME));
    hidden
}

fn percent(text: &str) -> String {
    let one = |c: char| match c {
        'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' => c.to_string(),
        other => format!("%{:02X}", u32::from(other)),
    };
    text.chars().map(one).collect()
}

#[test]
fn every_form_of_a_secret_is_hidden() {
    let pair = format!("{USERNAME}:{TOKEN}");
    let basic = format!("Basic {}", STANDARD.encode(&pair));
    let auth = serde_json::json!({ "username": USERNAME, "password": TOKEN }).to_string();
    let wrap = |text: &str, end: &str| {
        let lines: Vec<_> = text.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
        lines.join(end)
    };
    for leak in [
        TOKEN.to_owned(),
        TOKEN.to_ascii_lowercase(),
        TOKEN.to_ascii_uppercase(),
        TOKEN[..24].to_owned(),
        TOKEN[40..60].to_owned(),
        percent(TOKEN),
        percent(TOKEN).to_ascii_lowercase(),
        percent(&percent(TOKEN)),
        percent(&percent(&percent(TOKEN))),
        percent(TOKEN).replace("%20", "+"),
        TOKEN.replace('=', "\\u003d"),
        TOKEN.replace('=', "\\\\u003d"),
        TOKEN.replace('/', "\\/"),
        TOKEN.replace('=', "\\x3d"),
        TOKEN.replace('=', "\\u{3d}"),
        TOKEN.replace('&', "&amp;"),
        TOKEN.replace('=', "&#x3D;").replace('/', "&#47;"),
        TOKEN.replace('=', "=3D"),
        TOKEN.replace(' ', "=20").replace('=', "=3D"),
        serde_json::Value::from(TOKEN).to_string(),
        STANDARD.encode(TOKEN),
        URL_SAFE.encode(TOKEN),
        STANDARD.encode(format!("{TOKEN}\n")),
        STANDARD.encode(&pair),
        URL_SAFE_NO_PAD.encode(&pair),
        percent(&STANDARD.encode(&pair)),
        STANDARD.encode(&basic),
        STANDARD.encode(format!("Authorization: {basic}\r\n")),
        wrap(&STANDARD.encode(format!("a b c {pair}")), "\n"),
        wrap(&STANDARD.encode(&basic), "\r\n"),
        wrap(&STANDARD.encode(&basic), "\\n"),
        wrap(&STANDARD.encode(&basic), "=\r\n"),
        wrap(TOKEN, "\n"),
        URL_SAFE.encode(&auth),
        URL_SAFE_NO_PAD.encode(format!("  {auth}")),
        STANDARD.encode(percent(TOKEN)),
        TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect(),
        TOKEN.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        TOKEN.bytes().map(|byte| format!("{byte:02X}")).collect(),
        STANDARD.encode(STANDARD.encode(TOKEN)),
        // As UTF-16, and with what is not seen between its letters.
        TOKEN.chars().map(|c| format!("{c}\0")).collect(),
        TOKEN.chars().map(|c| format!("{c}\u{200b}")).collect(),
        TOKEN.chars().map(|c| format!("\u{202e}{c}\u{ad}")).collect(),
        TOKEN.chars().map(|c| format!("{c}\\u0000")).collect(),
        TOKEN.chars().map(|c| format!("{c}&#x200b;")).collect(),
        TOKEN.chars().map(|c| format!("\u{1b}{c}")).collect(),
        TOKEN.chars().map(|c| format!("{c}%00%E2%80%8B")).collect(),
        TOKEN.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
        STANDARD.encode(TOKEN.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
    ] {
        let shown = replaced(&format!("before {leak} after"), &[&hidden()]);
        assert!(
            shown.starts_with("before ") && shown.ends_with(" after"),
            "{leak} → {shown}"
        );
        // Base64 of what stands around a secret may be left of it: its user name, the name of the header.
        assert!(
            shown.contains(STARS) && shown.len() < leak.len() / 2 + 30,
            "{leak} → {shown}"
        );
        for run in TOKEN.as_bytes().windows(RUN) {
            assert!(!shown.contains(std::str::from_utf8(run).unwrap()), "{leak} → {shown}");
        }
    }
}

/// Found by fuzzing: a secret may hold what is not seen, and readers of an escape differ in which of these it is.
#[test]
fn what_is_not_seen_in_a_secret_parts_none_of_its_forms() {
    let secret = "ATATT3xFfGF0abc\u{c}\0\0\0\0\0\0\0c/def+ghi_jkl-mno=j";
    let mut hidden = Runs::default();
    hidden.add_secret(secret, None);
    for leak in [
        secret.to_owned(),
        serde_json::Value::from(secret).to_string(),
        percent(secret),
        percent(&percent(secret)),
    ] {
        let shown = replaced(&format!("before {leak} after"), &[&hidden]);
        assert!(shown.len() < 20, "{leak} → {shown}");
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "nothing to hide",
        "",
        "***",
        "ann@example.org did not sign in (with the API token of `ann@example.org`)",
        "crg.apkg.io/shop/api@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "ATATT3xFfGF is the start of a token",
        "100% of \\server\\share & more = less",
    ] {
        assert_eq!(replaced(text, &[&hidden()]), text);
    }
}

#[test]
fn a_short_secret_is_hidden_as_a_whole() {
    let mut hidden = Runs::default();
    hidden.add_secret("hunter2", Some("ann"));
    for (text, shown) in [
        ("it is hunter2!", "it is ***!"),
        ("it is %68unter2!", "it is ***!"),
        ("it is Hunter 2", "it is Hunter 2"),
        ("aHVudGVyMg==", "***=="),
        ("Basic YW5uOmh1bnRlcjI=", "Basic ***="),
        ("YTpodW50ZXIy", "YTp***"),
        ("hunt", "hunt"),
    ] {
        assert_eq!(replaced(text, &[&hidden]), shown);
    }
    let mut hidden = Runs::default();
    hidden.add_secret("abc", None);
    assert_eq!(replaced("abc", &[&hidden]), "abc", "it would make the log unreadable");
}

/// One test, since what is hidden is so for the whole process.
#[test]
fn a_realm_chooses_nothing_that_is_hidden_in_our_words() {
    for word in ["pull", "ERROR: nothing", "sixteen-letters!"] {
        hide_bearer(&Secret::new(word));
    }
    assert_eq!(
        redact("ERROR: nothing sixteen-letters! pull"),
        "ERROR: nothing sixteen-letters! pull"
    );
    assert_eq!(redact_of_others("ERROR: nothing is pulled"), "ERROR: nothing is pulled");
    assert_eq!(redact_of_others("sixteen-letters!"), "***");
    // The newest are hidden, however many come.
    for number in 0..130 {
        hide_bearer(&Secret::new(format!(
            "{}-{number:0>5}",
            "a-token-of-a-realm".repeat(60)
        )));
    }
    assert_eq!(
        redact_of_others(&format!("so: {}-00129", "a-token-of-a-realm".repeat(60))),
        "so: ***"
    );
    with(|hidden| {
        let size: usize = hidden.unwrap().bearers.iter().map(String::len).sum();
        assert!(size <= MOST_OF_BEARERS, "{size}");
    });
}
