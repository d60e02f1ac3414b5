//! Fills variables into texts of Dockerfiles and compose files. What has no value is said, not made empty: an image name
//! with a hole in it is never right.

/// Whose rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Docker's "Environment replacement", with quotation marks and the file's escape character.
    Dockerfile(char),
    /// Compose's "Interpolation": `$$` is a dollar sign.
    Compose,
}

/// Why a text has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// The variable has neither value nor default.
    Unset(String),
    /// An operator that is not known here, an open brace, or a text that grows without end.
    Unread,
}

/// Longest text that comes out, in bytes: far longer than any image's name.
const LONGEST: usize = 4096;
/// Deepest nesting of defaults in defaults.
const DEEPEST: usize = 16;

/// The text with its variables filled in by `value`.
pub(super) fn fill(text: &str, dialect: Dialect, value: &dyn Fn(&str) -> Option<String>) -> Result<String, Unresolved> {
    Filling { dialect, value }.text(text, 0)
}

struct Filling<'a> {
    dialect: Dialect,
    value: &'a dyn Fn(&str) -> Option<String>,
}

impl Filling<'_> {
    fn text(&self, text: &str, depth: usize) -> Result<String, Unresolved> {
        if depth > DEEPEST {
            return Err(Unresolved::Unread);
        }
        let mut filled = String::new();
        let mut quote = None;
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            match (self.dialect, character) {
                (Dialect::Dockerfile(escape), c) if c == escape && quote != Some('\'') => {
                    if let Some(next) = rest.chars().next() {
                        filled.push(next);
                        rest = &rest[next.len_utf8()..];
                    }
                }
                (Dialect::Dockerfile(_), '"' | '\'') if quote.is_none_or(|open| open == character) => {
                    quote = if quote.is_none() { Some(character) } else { None };
                }
                (Dialect::Compose, '$') if rest.starts_with('$') => {
                    filled.push('$');
                    rest = &rest[1..];
                }
                (_, '$') if quote != Some('\'') => rest = self.variable(rest, depth, &mut filled)?,
                (_, other) => filled.push(other),
            }
            if filled.len() > LONGEST {
                return Err(Unresolved::Unread);
            }
        }
        Ok(filled)
    }

    /// Reads one variable after its `$`; what follows it.
    fn variable<'t>(&self, rest: &'t str, depth: usize, filled: &mut String) -> Result<&'t str, Unresolved> {
        let Some(braced) = rest.strip_prefix('{') else {
            let name = name(rest);
            if name.is_empty() {
                filled.push('$');
            } else {
                filled.push_str(&(self.value)(name).ok_or_else(|| Unresolved::Unset(name.to_owned()))?);
            }
            return Ok(&rest[name.len()..]);
        };
        let end = closing(braced).ok_or(Unresolved::Unread)?;
        let (inside, after) = (&braced[..end], &braced[end + 1..]);
        let name = name(inside);
        let operator = &inside[name.len()..];
        if name.is_empty() {
            return Err(Unresolved::Unread);
        }
        let (ignores_empty, operator) = operator
            .strip_prefix(':')
            .map_or((false, operator), |rest| (true, rest));
        let value = (self.value)(name).filter(|value| !(ignores_empty && value.is_empty()));
        let unset = || Unresolved::Unset(name.to_owned());
        let text = match (operator.chars().next(), value) {
            (None, Some(value)) if !ignores_empty => value,
            (None, None) if !ignores_empty => return Err(unset()),
            (Some('-' | '?'), Some(value)) => value,
            (Some('?'), None) => return Err(unset()),
            (Some('-'), None) | (Some('+'), Some(_)) => self.text(&operator[1..], depth + 1)?,
            (Some('+'), None) => String::new(),
            _ => return Err(Unresolved::Unread),
        };
        filled.push_str(&text);
        Ok(after)
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
            b'{' => open += 1,
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

    const DOCKERFILE: Dialect = Dialect::Dockerfile('\\');

    fn value(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_filled_in() {
        for (text, dialect, expected) in [
            ("x", DOCKERFILE, "x"),
            ("$A", DOCKERFILE, "a"),
            ("x${A}y$A", DOCKERFILE, "xaya"),
            ("${A:-b}${B:-b}", DOCKERFILE, "ab"),
            ("${EMPTY:-b}${EMPTY-b}", DOCKERFILE, "b"),
            ("${A:+x}${B:+x}", DOCKERFILE, "x"),
            ("${B:-${C:-$A}}", DOCKERFILE, "a"),
            ("${A:?must be set}", DOCKERFILE, "a"),
            ("\"x$A\"'$A'\\$A", DOCKERFILE, "xa$A$A"),
            ("`$A", Dialect::Dockerfile('`'), "$A"),
            ("$$A${B-b}", Dialect::Compose, "$Ab"),
            ("a$", DOCKERFILE, "a$"),
            ("$1", DOCKERFILE, "$1"),
        ] {
            assert_eq!(fill(text, dialect, &value).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_has_no_value_is_named() {
        let unset = |name: &str| Unresolved::Unset(name.to_owned());
        for (text, expected) in [
            ("$B", unset("B")),
            ("x${B}", unset("B")),
            ("${B:?must be set}", unset("B")),
            ("${A:-x", Unresolved::Unread),
            ("${A#a}", Unresolved::Unread),
            ("${A:}", Unresolved::Unread),
            ("${}", Unresolved::Unread),
            ("${{ A }}", Unresolved::Unread),
            ("${B:-$C}", unset("C")),
        ] {
            assert_eq!(fill(text, DOCKERFILE, &value), Err(expected), "{text}");
        }
        assert_eq!(fill(&"$A".repeat(5000), DOCKERFILE, &value), Err(Unresolved::Unread));
        let nested = format!("{}x{}", "${B:-".repeat(5000), "}".repeat(5000));
        assert_eq!(fill(&nested, DOCKERFILE, &value), Err(Unresolved::Unread));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[$a-c{}:?+'\"\\\\é-]{0,40}") {
            let _ = fill(&text, DOCKERFILE, &value);
            let _ = fill(&text, Dialect::Compose, &value);
        }
    }
}
