//! Tokens that were pasted where none belongs: into the name of an image, a host, a list of tags. Messages repeat such values.
//! Pure.

use crate::credential::kind::TokenKind;
use crate::text::Secret;

/// What is shorter is no token.
const SHORTEST: usize = 20;

/// The parts of a value that are tokens by their first letters. Names of images have no capitals, and tokens have.
pub(super) fn tokens(value: &str) -> Vec<Secret> {
    let of_token = |c: char| c.is_ascii_alphanumeric() || "-_=+".contains(c);
    let words = value.split(|c| !of_token(c)).flat_map(|word| {
        let after = word.find('=').map(|at| &word[at + 1..]);
        [Some(word), after].into_iter().flatten()
    });
    let is_token = |word: &&str| {
        let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
        word.len() >= SHORTEST
            && has(char::is_ascii_uppercase)
            && has(char::is_ascii_digit)
            && TokenKind::of(word).is_told_by_prefix()
    };
    words.filter(is_token).map(Secret::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_by_their_first_letters() {
        let token = "ATATT3xFfGF0abcdefghijklmnop-qrstuvwxyz_0123456789=C0425520";
        for (value, found) in [
            (token, vec![token]),
            (&format!("crg.apkg.io/shop/{token}:1"), vec![token]),
            (&format!("https://x-token-auth:{token}@crg.apkg.io"), vec![token]),
            (&format!("base:1={token}"), vec![token]),
            (
                "base:1 glpat-AbCdEfGhIjKlMnOp1234,tools",
                vec!["glpat-AbCdEfGhIjKlMnOp1234"],
            ),
            ("crg.apkg.io/shop/npm_registry_mirror_2", vec![]),
            ("ATAT-1", vec![]),
            (
                "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                vec![],
            ),
            ("", vec![]),
        ] {
            let tokens = tokens(value);
            let tokens: Vec<&str> = tokens.iter().map(Secret::expose).collect();
            assert_eq!(tokens, found, "{value}");
        }
    }
}
