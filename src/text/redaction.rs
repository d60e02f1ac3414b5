//! What must never be shown, and one function that takes it out of any text: log, errors, report and progress pass it.

use super::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::{PoisonError, RwLock};

/// Texts that must never be printed, longest first.
static HIDDEN: RwLock<Vec<String>> = RwLock::new(Vec::new());
/// What stands in their place.
const STARS: &str = "***";
/// What a URL escapes (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Shorter secrets are no secrets, and hiding them would make the log unreadable.
const SHORTEST: usize = 4;

/// Hides a secret in everything printed from now on, in every form in which it travels.
pub fn hide(secret: &Secret) {
    hide_texts(forms(secret.expose()));
}

/// Hides a token, and token and user name as Basic authentication encodes them.
pub fn hide_pair(username: &str, token: &Secret) {
    hide(token);
    hide_texts(forms(&format!("{username}:{}", token.expose())));
}

/// Hides a token of a realm: it travels in one form only, and a run may have one for each repository.
pub fn hide_bearer(token: &Secret) {
    hide_texts([token.expose().to_owned()]);
}

/// The text with every hidden one replaced.
#[must_use]
pub fn redact(text: &str) -> String {
    let hidden = HIDDEN.read().unwrap_or_else(PoisonError::into_inner);
    hidden.iter().fold(text.to_owned(), |text, secret| {
        if text.contains(secret.as_str()) {
            text.replace(secret.as_str(), STARS)
        } else {
            text
        }
    })
}

fn hide_texts(texts: impl IntoIterator<Item = String>) {
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    for text in texts {
        if text.len() >= SHORTEST && !hidden.contains(&text) {
            hidden.push(text);
        }
    }
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
}

/// The forms in which a secret may appear: as it is and trimmed, each plain, escaped, in Base64 and URL-encoded.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for text in [secret, secret.trim()] {
        let encoded = utf8_percent_encode(text, RESERVED).to_string();
        forms.extend([
            text.to_owned(),
            text.escape_debug().to_string(),
            encoded.replace("%20", "+"),
        ]);
        forms.extend([&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(text)));
        forms.push(with_lower_case_escapes(&encoded));
        forms.push(encoded);
    }
    forms
}

fn with_lower_case_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        let (digits, rest) = part.split_at(part.len().min(2));
        text.push('%');
        text.push_str(&digits.to_ascii_lowercase());
        text.push_str(rest);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_secret_is_hidden() {
        let token = "ATATT3x/+=&secret tok%en\n";
        hide_pair("ann@example.org", &Secret::new(token));
        let pair = format!("ann@example.org:{token}");
        for leak in [
            token.to_owned(),
            token.trim().to_owned(),
            "ATATT3x%2F%2B%3D%26secret%20tok%25en".to_owned(),
            "ATATT3x%2f%2b%3d%26secret%20tok%25en".to_owned(),
            STANDARD.encode(token),
            STANDARD.encode(&pair),
            URL_SAFE_NO_PAD.encode(&pair),
        ] {
            let shown = redact(&format!("before {leak} after"));
            assert!(
                !shown.contains(&leak) && shown.contains(STARS) && shown.starts_with("before "),
                "{leak} → {shown}"
            );
        }
        assert_eq!(redact("nothing to hide"), "nothing to hide");
    }
}
