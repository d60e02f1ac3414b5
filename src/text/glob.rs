//! Patterns of names and paths, as shells and Docker write them. Matching costs no more than pattern times text, however
//! many `*` there are.

/// A pattern, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Vec<GlobToken<char>>);

/// A sign of a pattern, of characters or of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GlobToken<C> {
    Is(C),
    /// `?`: one, but no `/`.
    One,
    /// `*`: any, but no `/`.
    Star,
    /// `**` at the end: any.
    All,
    /// `**/`: nothing, or whole folders.
    Folders,
    /// `[a-z]`: one of these; `[^a-z]`: one of all others.
    Class {
        others: bool,
        ranges: Vec<(C, C)>,
    },
}

impl Glob {
    /// `*` for any characters and `?` for one; all others mean themselves. For names, which hold no `/`.
    pub(crate) fn of_names(pattern: &str) -> Self {
        let token = |character| match character {
            '*' => GlobToken::All,
            '?' => GlobToken::One,
            other => GlobToken::Is(other),
        };
        Self(pattern.chars().map(token).collect())
    }

    /// As a `.dockerignore` has them: `*` and `?` stay within a part of the path, `**` does not, `[…]` is one of several,
    /// and `\` takes a sign its meaning.
    pub(crate) fn of_paths(pattern: &str) -> Self {
        Self(of_paths(pattern))
    }

    /// Whether the whole text fits.
    pub(crate) fn fits(&self, text: &str) -> bool {
        fits(&self.0, &text.chars().collect::<Vec<_>>())
    }
}

/// The signs of [`Glob::of_paths`].
fn of_paths(pattern: &str) -> Vec<GlobToken<char>> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        tokens.push(match character {
            '*' if rest.next_if_eq(&'*').is_some() => {
                let slash = rest.next_if_eq(&'/').is_some();
                if slash || rest.peek().is_some() {
                    GlobToken::Folders
                } else {
                    GlobToken::All
                }
            }
            '*' => GlobToken::Star,
            '?' => GlobToken::One,
            '\\' => GlobToken::Is(rest.next().unwrap_or('\\')),
            '[' => class(&mut rest),
            other => GlobToken::Is(other),
        });
    }
    tokens
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> GlobToken<char> {
    let others = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let literal = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| match rest.next() {
        Some('\\') => rest.next(),
        other => other,
    };
    while rest.peek().is_some_and(|next| *next != ']') {
        let Some(low) = literal(rest) else { break };
        let high = if rest.next_if_eq(&'-').is_some() {
            literal(rest).unwrap_or(low)
        } else {
            low
        };
        ranges.push((low, high));
    }
    rest.next();
    GlobToken::Class { others, ranges }
}

/// Whether the whole text fits. Steps through all readings of the pattern at once, so that many `*` cost no more.
pub(crate) fn fits<C: Copy + PartialOrd + From<u8>>(pattern: &[GlobToken<C>], text: &[C]) -> bool {
    let slash = C::from(b'/');
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for token in pattern {
        let mut next = vec![false; text.len() + 1];
        let mut open = false;
        for at in 0..=text.len() {
            let before = at.checked_sub(1).map(|before| (ends[before], text[before]));
            let to_take = before.and_then(|(fits, one)| fits.then_some(one));
            let is_behind_slash = before.is_some_and(|(_, one)| one == slash);
            next[at] = match token {
                GlobToken::Star => {
                    open = ends[at] || (open && !is_behind_slash);
                    open
                }
                GlobToken::All => {
                    open |= ends[at];
                    open
                }
                GlobToken::Folders => {
                    let fits = ends[at] || (open && is_behind_slash);
                    open |= ends[at];
                    fits
                }
                GlobToken::Is(wanted) => to_take == Some(*wanted),
                GlobToken::One => to_take.is_some_and(|one| one != slash),
                GlobToken::Class { others, ranges } => to_take.is_some_and(|one| {
                    let is_one = ranges.iter().any(|(low, high)| (*low..=*high).contains(&one));
                    // All others are all others: Go's regular expressions, which Docker makes of it, take a `/` too.
                    *others != is_one && (*others || one != slash)
                }),
            };
        }
        ends = next;
    }
    ends[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_names_fit_as_a_shell_would_say() {
        for (pattern, name, fitting) in [
            ("20*", "20", true),
            ("20*", "20.1-alpine", true),
            ("20*", "18", false),
            ("*", "x", true),
            ("**", "x", true),
            ("a**b", "axb", true),
            ("*-alpine", "20-alpine", true),
            ("*-alpine", "20-alpine3", false),
            ("2?.*", "20.1", true),
            ("2?.*", "2.1", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(Glob::of_names(pattern).fits(name), fitting, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_cost_little() {
        for glob in [Glob::of_paths(&"*a".repeat(300)), Glob::of_names(&"*a".repeat(300))] {
            assert!(!glob.fits(&"a".repeat(200)));
        }
    }
}
