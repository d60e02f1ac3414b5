//! The patterns in `${NAME#…}`, `${NAME%…}` and `${NAME/…/…}`: `*` is any text, `?` any character, and there are no brackets
//! (`convertShellPatternToRegex` in BuildKit's `frontend/dockerfile/shell/lex.go`).

/// Most steps that one pattern may cost; that of a real one is some thousands.
const MOST_STEPS: usize = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatternToken {
    Is(char),
    One,
    Many,
}

/// The value without what fits `word` at its beginning (`#`) or end (`%`): the least, or the most where `word` begins with the
/// operator again. `None` where Docker refuses the pattern.
pub(super) fn trim(value: &str, word: &str, operator: char) -> Option<String> {
    let (longest, word) = word.strip_prefix(operator).map_or((false, word), |rest| (true, rest));
    let mut tokens = tokens(word)?;
    let mut value: Vec<char> = value.chars().collect();
    if operator == '%' {
        tokens.reverse();
        value.reverse();
    }
    if (value.len() + 1).saturating_mul(tokens.len() + 1) > MOST_STEPS {
        return None;
    }
    let ends = ends(&tokens, &value);
    let end = if longest { ends.last() } else { ends.first() };
    let mut kept = value.split_off(end.copied().unwrap_or_default());
    if operator == '%' {
        kept.reverse();
    }
    Some(kept.into_iter().collect())
}

/// The value with the first, or with all that fits replaced; each as long as can be.
pub(super) fn replace(value: &str, wanted: &str, replacement: &str, all: bool) -> Option<String> {
    let tokens = tokens(wanted)?;
    let value: Vec<char> = value.chars().collect();
    if (value.len() + 1).pow(2).saturating_mul(tokens.len() + 1) > MOST_STEPS {
        return None;
    }
    let mut text = String::new();
    let mut at = 0;
    // Where the last one ended: nothing fits right behind it again without a character.
    let mut ended = None;
    while at <= value.len() {
        let end = ends(&tokens, &value[at..]).last().map(|length| at + length);
        match end {
            Some(end) if !(end == at && ended == Some(at)) => {
                text.push_str(replacement);
                ended = Some(end);
                if !all {
                    text.extend(&value[end..]);
                    return Some(text);
                }
                if end == at {
                    text.extend(value.get(at));
                    at += 1;
                } else {
                    at = end;
                }
            }
            _ => {
                text.extend(value.get(at));
                at += 1;
            }
        }
    }
    Some(text)
}

fn tokens(pattern: &str) -> Option<Vec<PatternToken>> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        tokens.push(match character {
            '*' if tokens.last() == Some(&PatternToken::Many) => continue,
            '*' => PatternToken::Many,
            '?' => PatternToken::One,
            // These had to be escaped to stand here, and are themselves.
            '\\' if matches!(rest.peek(), Some('}' | '/')) => continue,
            '\\' => PatternToken::Is(rest.next().filter(|next| matches!(next, '*' | '?' | '\\'))?),
            other => PatternToken::Is(other),
        });
    }
    Some(tokens)
}

/// Where a beginning of `value` ends that fits, shortest first. All readings at once, so that many `*` cost no more.
fn ends(tokens: &[PatternToken], value: &[char]) -> Vec<usize> {
    let mut fits = vec![false; value.len() + 1];
    fits[0] = true;
    for token in tokens {
        let mut next = vec![false; value.len() + 1];
        let mut open = false;
        for at in 0..=value.len() {
            next[at] = match token {
                PatternToken::Many => {
                    open |= fits[at];
                    open
                }
                PatternToken::One => at > 0 && fits[at - 1],
                PatternToken::Is(wanted) => at > 0 && fits[at - 1] && value[at - 1] == *wanted,
            };
        }
        fits = next;
    }
    (0..=value.len()).filter(|at| fits[*at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_the_least_or_the_most() {
        for (value, word, operator, expected) in [
            ("aabb", "a*", '#', Some("abb")),
            ("aabb", "#a*", '#', Some("")),
            ("aabb", "*b", '%', Some("aab")),
            ("aabb", "%*b", '%', Some("")),
            ("a.b.c", "*.", '#', Some("b.c")),
            ("a.b.c", "#*.", '#', Some("c")),
            ("a.b.c", ".*", '%', Some("a.b")),
            ("a.b.c", "%.*", '%', Some("a")),
            ("a*b", "a\\*", '#', Some("b")),
            ("a}b", "a\\}", '#', Some("b")),
            ("ab", "", '#', Some("ab")),
            ("ab", "\\x", '#', None),
            ("ab", "\\", '#', None),
            ("[ab]", "[ab]", '#', Some("")),
            ("é1", "é", '#', Some("1")),
        ] {
            assert_eq!(
                trim(value, word, operator).as_deref(),
                expected,
                "{value} {operator} {word}"
            );
        }
    }

    /// As Go's `regexp` replaces: nothing fits at the place where the one before it ended.
    #[test]
    fn replaced_is_what_is_longest() {
        for (value, wanted, all, expected) in [
            ("abcabc", "b*", false, "aX"),
            ("abcabc", "b?", true, "aXaX"),
            ("abc", "", true, "XaXbXcX"),
            ("abc", "", false, "Xabc"),
            ("abc", "*", true, "X"),
            ("", "*", true, "X"),
            ("abc", "x", true, "abc"),
        ] {
            assert_eq!(
                replace(value, wanted, "X", all).as_deref(),
                Some(expected),
                "{value} {wanted}"
            );
        }
        assert_eq!(replace("a", "\\x", "X", true), None);
    }
}
