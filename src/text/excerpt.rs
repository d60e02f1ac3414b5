//! What a user or a file says, as a message repeats it.

use super::{is_odd, redact};

/// A text for a message: on one line, no longer than `longest` characters of it, with what is not seen escaped. Secrets are
/// taken out before it is cut: half of one is one too.
#[must_use]
pub(crate) fn excerpt(text: &str, longest: usize) -> String {
    let text = redact(text);
    let mut characters = text.chars();
    let mut shown = String::new();
    for character in characters.by_ref().take(longest) {
        match character {
            '\'' | '"' => shown.push(character),
            odd if is_odd(odd) && !matches!(odd, '\n' | '\r' | '\t' | '\0') => shown.extend(odd.escape_unicode()),
            other => shown.extend(other.escape_debug()),
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Secret, hide};

    #[test]
    fn a_text_is_one_bounded_line() {
        for (text, shown) in [
            ("a\nb\tc", "a\\nb\\tc"),
            ("it's \"so\"", "it's \"so\""),
            ("a\\b", "a\\\\b"),
            ("\u{1b}[31m\u{200b}\u{e0041}", "\\u{1b}[31m\\u{200b}\\u{e0041}"),
            ("12345678901", "1234567890…"),
            ("üüüüüüüüüüü", "üüüüüüüüüü…"),
        ] {
            assert_eq!(excerpt(text, 10), shown);
        }
    }

    #[test]
    fn no_part_of_a_secret_is_left_by_the_cut() {
        hide(&Secret::new("a-secret-that-an-excerpt-would-cut-in-two"));
        for before in 0..60 {
            let text = format!("{}/a-secret-that-an-excerpt-would-cut-in-two@x", "x".repeat(before));
            let shown = excerpt(&text, 80);
            assert!(
                !shown.contains("a-secret-tha") && !shown.contains("secret-that-an"),
                "{shown}"
            );
        }
    }
}
