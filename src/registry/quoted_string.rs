//! Quoted strings in HTTP headers (RFC 9110, 5.6.4): of challenges, links and warnings alike.

/// The text up to the closing quotation mark, with its escapes undone, and what follows the mark. `text` begins behind the
/// opening one.
///
/// # Errors
/// There is no closing mark; the text so far.
pub(super) fn read(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            plain => value.push(plain),
        }
    }
    Err(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_the_end_is_found() {
        for (text, value, rest) in [
            (r#"a", b"#, "a", ", b"),
            (r#"" x"#, "", " x"),
            (r#"a \"b\" \\c"d"#, r#"a "b" \c"#, "d"),
        ] {
            assert_eq!(read(text), Ok((value.to_owned(), rest)), "{text}");
        }
        assert_eq!(read("no end"), Err("no end".to_owned()));
        assert_eq!(read("\\"), Err(String::new()));
    }
}
