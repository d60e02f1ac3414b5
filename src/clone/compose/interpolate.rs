//! Variables in the values of compose files, as the Compose specification's "Interpolation" has them and compose-go reads them
//! (`template/template.go`): `$$` is a dollar sign, and so is `$` before what begins neither a name nor `{`; a variable without
//! a value counts as empty.

use super::super::Unclear;
use super::super::dockerfile::Filled;

/// Longest text that comes out, in bytes: far longer than any image's name.
const LONGEST: usize = 1 << 16;
/// Deepest nesting of `${…}` in `${…}`.
const DEEPEST: usize = 16;

/// The text with its variables filled in by `value`.
///
/// # Errors
/// Why compose refuses it.
pub(super) fn fill(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<Filled, Unclear> {
    let mut filled = Filled::default();
    Filling { value }.text(text, 0, &mut filled)?;
    Ok(filled)
}

struct Filling<'a> {
    value: &'a dyn Fn(&str) -> Option<String>,
}

impl Filling<'_> {
    fn text(&self, text: &str, depth: usize, filled: &mut Filled) -> Result<(), Unclear> {
        if depth > DEEPEST {
            return Err(Unclear::Unread);
        }
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            filled.text.push_str(before);
            rest = if let Some(after) = after.strip_prefix('$') {
                filled.text.push('$');
                after
            } else if let Some(after) = after.strip_prefix('{') {
                let end = closing(after).ok_or(Unclear::Unread)?;
                self.braced(&after[..end], depth, filled)?;
                &after[end + 1..]
            } else {
                match name(after) {
                    "" => filled.text.push('$'),
                    name => self.plain(name, filled),
                }
                &after[name(after).len()..]
            };
            if filled.text.len() > LONGEST {
                return Err(Unclear::Unread);
            }
        }
        filled.text.push_str(rest);
        Ok(())
    }

    fn plain(&self, name: &str, filled: &mut Filled) {
        match (self.value)(name) {
            Some(value) => filled.text.push_str(&value),
            None => {
                filled.hole.get_or_insert_with(|| name.to_owned());
            }
        }
    }

    fn braced(&self, inside: &str, depth: usize, filled: &mut Filled) -> Result<(), Unclear> {
        let name = name(inside);
        if name.is_empty() {
            return Err(Unclear::Unread);
        }
        let operator = &inside[name.len()..];
        if operator.is_empty() {
            self.plain(name, filled);
            return Ok(());
        }
        let (ignores_empty, operator) = operator
            .strip_prefix(':')
            .map_or((false, operator), |rest| (true, rest));
        let value = (self.value)(name).filter(|value| !(ignores_empty && value.is_empty()));
        match (operator.chars().next(), value) {
            (Some('-' | '?'), Some(value)) => filled.text.push_str(&value),
            (Some('?'), None) => return Err(Unclear::Variable(name.to_owned())),
            (Some('-'), None) | (Some('+'), Some(_)) => self.text(&operator[1..], depth + 1, filled)?,
            (Some('+'), None) => {}
            _ => return Err(Unclear::Unread),
        }
        Ok(())
    }
}

/// The variable's name that a text begins with.
fn name(text: &str) -> &str {
    let is_part = |(at, b): (usize, u8)| b == b'_' || b.is_ascii_alphabetic() || (at > 0 && b.is_ascii_digit());
    let length = text.bytes().enumerate().take_while(|part| is_part(*part)).count();
    &text[..length]
}

/// Where the brace is that closes one already opened.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if text[..at].ends_with('$') => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> String {
        let value = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        match fill(text, &value) {
            Ok(Filled { text, hole: None }) => text,
            Ok(Filled { text, hole: Some(hole) }) => format!("{text} without {hole}"),
            Err(why) => format!("{why:?}"),
        }
    }

    /// The rows of "Interpolation" in the Compose specification.
    #[test]
    fn variables_are_filled_in_as_compose_does() {
        for (text, expected) in [
            ("x", "x"),
            ("$A${A}x", "aax"),
            ("${A:-b}${B:-b}${EMPTY:-b}", "abb"),
            ("${A-b}${B-b}${EMPTY-b}", "ab"),
            ("${A:+x}${B:+x}${EMPTY:+x}", "x"),
            ("${A+x}${B+x}${EMPTY+x}", "xx"),
            ("${A:?must}${EMPTY?must}", "a"),
            ("${B:-${C:-$A}}y", "ay"),
            ("${B:-${C:-${A}}-${A}}}", "a-a}"),
            ("$$A$${A}", "$A${A}"),
            ("$B", " without B"),
            ("x${B}y$C", "xy without B"),
            ("${A:-$B}", "a"),
            ("${B:-$C}", " without C"),
            ("${B:?must be set}", "Variable(\"B\")"),
            ("${EMPTY:?}", "Variable(\"EMPTY\")"),
            ("a$", "a$"),
            ("$1$", "$1$"),
            ("$(x)$-$é${B:-$}", "$(x)$-$é$"),
            ("$$$B", "$ without B"),
            ("${A", "Unread"),
            ("${}", "Unread"),
            ("${1}", "Unread"),
            ("${A#a}", "Unread"),
            ("${A:}", "Unread"),
            ("${{ A }}", "Unread"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
        assert_eq!(
            filled(&format!("{}x{}", "${B:-".repeat(5000), "}".repeat(5000))),
            "Unread"
        );
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let long = |_: &str| Some("x".repeat(10_000));
        assert_eq!(fill(&"$A".repeat(100_000), &long), Err(Unclear::Unread));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[$a-cA{}:?+'\"\\\\é-]{0,40}") {
            let _ = filled(&text);
        }
    }
}
