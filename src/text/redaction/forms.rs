//! The forms in which a secret travels that no view of a text undoes: Base64, in whatever stands around it, once and again; and
//! hexadecimal digits.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The forms of a secret beside itself; of its pair with a user name only what is encoded: the name itself is no secret.
pub(super) fn of(secret: &str, username: Option<&str>) -> BTreeSet<String> {
    let pair = username.map(|username| format!("{username}:{secret}"));
    let mut forms = BTreeSet::new();
    forms.insert(hexadecimal(secret));
    for text in [Some(secret.to_owned()), pair].into_iter().flatten() {
        // `Authorization: Basic …`, encoded as a whole.
        for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            forms.extend(within_base64(encoded.as_bytes()));
            forms.insert(encoded.trim_end_matches('=').to_owned());
        }
        // As it is put into a URL, a form, a JSON text.
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        forms.extend(within_base64(&wide));
        for given in [url_encoded(&text, false), url_encoded(&text, true), json(&text), text] {
            forms.extend(within_base64(given.as_bytes()));
        }
    }
    forms
}

/// What Base64 makes of bytes wherever they stand in a longer text: three texts, without the letters at either end that depend
/// on what stands there.
fn within_base64(bytes: &[u8]) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let padded = [&vec![0; before][..], bytes].concat();
        let encoded = STANDARD.encode(&padded);
        // A letter is six bits.
        let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        encoded.get(first..last).unwrap_or_default().to_owned()
    })
}

fn url_encoded(text: &str, plus: bool) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            b' ' if plus => encoded.push('+'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

/// As Go writes it, which escapes what HTML would read.
fn json(text: &str) -> String {
    let text = serde_json::Value::from(text).to_string();
    let escapes = [("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")];
    let text = escapes
        .iter()
        .fold(text, |text, (character, escape)| text.replace(character, escape));
    text.trim_matches('"').to_owned()
}

fn hexadecimal(text: &str) -> String {
    text.bytes().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
