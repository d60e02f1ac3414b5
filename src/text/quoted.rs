//! What others say: texts of registries, token servers and daemons, made fit to stand in a line of ours.

use super::is_odd;
use super::redaction::redact_of_others;
use std::fmt;

/// Longest text that is repeated, in characters.
const LONGEST: usize = 400;

/// Another program's own text: bounded, on one line, without control characters, so that it can forge no line of ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quoted {
    text: Box<str>,
    is_web_page: bool,
}

impl Quoted {
    /// Takes a text as it came. Its lines are joined by `; `.
    #[must_use]
    pub fn new(text: &str) -> Self {
        // Before it is cut: half of a credential that was sent back is a secret that no later redaction knows.
        let text = redact_of_others(text);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut characters = lines
            .enumerate()
            .flat_map(|(number, line)| (if number == 0 { "" } else { "; " }).chars().chain(line.chars()));
        let mut words = String::new();
        for character in characters.by_ref().take(LONGEST) {
            match character {
                '\t' => words.push(' '),
                odd if is_odd(odd) => words.extend(odd.escape_unicode()),
                plain => words.push(plain),
            }
        }
        if characters.next().is_some() {
            words.push('…');
        }
        Self {
            text: words.into(),
            is_web_page: false,
        }
    }

    /// What stands for a web page, which has no words for a log.
    #[must_use]
    pub fn web_page() -> Self {
        Self {
            text: "a web page instead of an answer".into(),
            is_web_page: true,
        }
    }

    /// Whether it stands for a web page.
    #[must_use]
    pub fn is_web_page(&self) -> bool {
        self.is_web_page
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_forge_no_line() {
        for (said, shown) in [
            (
                "no\n✔ pulled\u{1b}[32m\u{202e}x\u{7}",
                "no; ✔ pulled\\u{1b}[32m\\u{202e}x\\u{7}",
            ),
            (" a\r\nb\r\n", "a; b"),
            ("a\n\n  b\tc", "a; b c"),
            ("a\rb", "a\\u{d}b"),
            ("\n \n", ""),
            ("ü“x”", "ü“x”"),
            ("p\u{ad}u\u{200b}l\u{e0041}l", "p\\u{ad}u\\u{200b}l\\u{e0041}l"),
        ] {
            assert_eq!(Quoted::new(said).as_str(), shown, "{said:?}");
        }
    }

    proptest! {
        #[test]
        fn words_are_one_bounded_line(text in "\\PC{0,40}(\n|\r|\t|\u{1b}|\u{2028}|\\PC){0,900}") {
            let words = Quoted::new(&text);
            prop_assert!(words.as_str().lines().count() <= 1);
            prop_assert!(!words.as_str().contains(is_odd));
            prop_assert!(words.as_str().chars().count() <= LONGEST * 10 + 1);
            // What is one line already stays as it is.
            prop_assert!(words.as_str().chars().count() >= LONGEST || Quoted::new(words.as_str()) == words);
        }
    }
}
