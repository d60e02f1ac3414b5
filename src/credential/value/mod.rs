//! What is wrong with a value before anyone asks what it means: pasted with its quotation marks, broken over lines,
//! URL-encoded, or a variable that nobody filled in. A token is never repeated in what is said of it.

use super::kind::TokenKind;
use crate::mistake::{Mistake, MistakeKind};
use crate::text::is_odd;

/// What a variable is meant to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meant {
    /// A user name or mail address. It may be shown, unless it may be a token in the wrong variable.
    Username,
    /// A token of the user's own: its alphabet is known, so more can be said.
    ApiToken,
    /// The built-in token, whose alphabet is not documented: only what cannot belong to any token counts.
    BuiltInToken,
}

/// Shortest text without `@` that counts as a token in the wrong variable: `npm_bot` is a user name.
const SHORTEST_TOKEN: usize = 20;

/// Everything that is wrong with the form of `value`; empty if nothing is.
#[must_use]
pub(crate) fn mistakes(variable: &str, value: &str, meant: Meant) -> Vec<Mistake> {
    use MistakeKind::{NotFilledIn, TokenDamaged, WrongVariable};
    let mut problems: Vec<(MistakeKind, &str, &str)> = Vec::new();
    if is_quoted(value, meant) {
        problems.push((
            TokenDamaged,
            "it holds quotation marks",
            "write the value without them; the form for variables in Bitbucket needs none",
        ));
    }
    if value.contains(['\n', '\r']) {
        problems.push((TokenDamaged, "it holds a line break", "paste it again as one line"));
    } else if has_white_space(value, meant) {
        problems.push((
            TokenDamaged,
            "it holds white space",
            "paste it again without blanks around or inside",
        ));
    } else if value.chars().any(char::is_control) {
        problems.push((
            TokenDamaged,
            "it holds a control character",
            "paste it again as plain text",
        ));
    } else if value.chars().any(is_odd) {
        problems.push((
            TokenDamaged,
            "it holds an invisible character",
            "paste it again as plain text",
        ));
    } else if meant == Meant::ApiToken && !value.is_ascii() && !is_quoted(value, meant) {
        problems.push((
            TokenDamaged,
            "it holds a character that is not ASCII, as no token does",
            "paste the token as Atlassian showed it",
        ));
    }
    if meant == Meant::ApiToken && value.contains(':') && !value.contains("${") {
        problems.push((
            WrongVariable,
            "it holds a `:`, which no token has",
            "write the token alone; the email address goes into a variable of its own",
        ));
    }
    if meant == Meant::ApiToken && value.to_ascii_lowercase().contains("%3d") {
        problems.push((
            TokenDamaged,
            "it is URL-encoded: `%3D` is in place of the token's `=`",
            "paste the token as Atlassian showed it",
        ));
    }
    if is_unexpanded(value, meant) {
        problems.push((
            NotFilledIn,
            "it is the name of a variable that was not filled in",
            "check the spelling after the `$`, and that the step has that variable",
        ));
    }
    if meant == Meant::Username {
        if looks_like_token(value) {
            problems.push((
                WrongVariable,
                "it holds a token, not a user name",
                "write the Atlassian account email here, and the token into the variable for it",
            ));
        } else if value.contains(':') {
            problems.push((
                WrongVariable,
                "a user name cannot hold `:`",
                "write the user name alone; the token goes into a variable of its own",
            ));
        }
    }
    let shown = meant == Meant::Username && may_be_shown(value);
    problems
        .into_iter()
        .map(|(kind, problem, cure)| {
            if shown {
                Mistake::new(kind, variable, value, problem, cure)
            } else {
                Mistake::unshown(kind, variable, problem, cure)
            }
        })
        .collect()
}

/// A user name that is plainly no secret: a mail address or the name of a variable, with no token pasted to it.
fn may_be_shown(username: &str) -> bool {
    username.contains(['@', '$']) && !username.contains(':') && !username.split(is_separator).any(looks_like_token)
}

fn is_quoted(value: &str, meant: Meant) -> bool {
    // Typographic ones too: pages and mail programs make them of plain ones.
    const MARKS: [char; 12] = ['"', '\'', '`', '“', '”', '„', '‘', '’', '‚', '«', '»', '´'];
    let value = value.trim();
    let (first, last) = (value.starts_with(MARKS), value.ends_with(MARKS));
    if meant == Meant::BuiltInToken {
        first && last
    } else {
        first || last
    }
}

fn has_white_space(value: &str, meant: Meant) -> bool {
    if meant == Meant::BuiltInToken {
        value.trim() != value
    } else {
        value.contains(char::is_whitespace)
    }
}

/// `${NAME}` anywhere, `$NAME` as the whole value; in a user name also as a part of it.
fn is_unexpanded(value: &str, meant: Meant) -> bool {
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let braced = value.split("${").skip(1).any(|rest| {
        rest.split_once('}')
            .is_some_and(|(name, _)| is_name(name.split(":-").next().unwrap_or(name)))
    });
    let bare = value
        .trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`'))
        .strip_prefix('$')
        .is_some_and(|rest| match (meant, rest.split_once('@')) {
            (Meant::Username, Some((name, _))) => is_name(name),
            _ => is_name(rest),
        });
    braced || bare
}

fn looks_like_token(text: &str) -> bool {
    text.len() >= SHORTEST_TOKEN && !text.contains('@') && TokenKind::of(text).is_told_by_prefix()
}

/// What may stand between a user name and a token that were pasted as one; no part of any token.
fn is_separator(character: char) -> bool {
    !(character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '=' | '.'))
}

#[cfg(test)]
mod tests;
