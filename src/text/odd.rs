//! Characters that move, hide or recolour what stands around them. Pure.

/// Whether a character is none that is seen as itself: a control character, one of Unicode's format characters (category `Cf`:
/// marks that reorder, join or hide), or a separator of lines.
#[must_use]
pub(crate) fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A text of ours, which may have several lines, with all that is odd escaped.
#[must_use]
pub(crate) fn without_odd(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if is_odd(character) && character != '\n' {
            plain.extend(character.escape_unicode());
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_odd() {
        for odd in "\0\u{7}\n\r\t\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{2028}\u{202e}\u{2060}\u{2066}\u{feff}\u{fff9}\u{e0001}\u{e0041}".chars() {
            assert!(is_odd(odd), "{odd:?}");
        }
        for plain in " aZ09~¡ü“”…✔✖–→中🦀\u{301}\u{e000}".chars() {
            assert!(!is_odd(plain), "{plain:?}");
        }
        assert_eq!(without_odd("a\n\u{200b}b"), "a\n\\u{200b}b");
    }
}
