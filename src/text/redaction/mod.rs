//! What must never be shown, and one function that takes it out of any text: log, errors, report and progress pass it.
//!
//! Not the secret as a whole is looked for but each run of [`RUN`] characters of it, in whatever form it travels: a part of a
//! secret is one too, and who cut it or wrote it in another way need not be known.

mod forms;
mod runs;
mod views;

use super::Secret;
use runs::Runs;
use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

/// So many characters of a secret are a part of it that must not be shown.
pub(crate) const RUN: usize = 12;
/// Shorter tokens of a realm are not hidden: it makes them itself.
const SHORTEST_BEARER: usize = 16;
/// So many bytes of a realm's tokens are hidden at a time; the oldest of more are forgotten.
const MOST_OF_BEARERS: usize = if cfg!(test) { 16 * 1024 } else { 128 * 1024 };

#[derive(Default)]
struct Hidden {
    /// From everything: what the user keeps secret.
    own: Runs,
    /// From what others say, oldest first. They choose these tokens, so words of ours are not looked at: who sends `pull` for a
    /// token would blot it out there.
    bearers: VecDeque<String>,
    of_bearers: Runs,
}

static HIDDEN: RwLock<Option<Hidden>> = RwLock::new(None);

/// Hides a secret in everything printed from now on, in every form in which it travels.
pub(crate) fn hide(secret: &Secret) {
    change(|hidden| hidden.own.add_secret(secret.expose(), None));
}

/// Hides a token, alone and with its user name as Basic authentication encodes them.
pub(crate) fn hide_pair(username: &str, token: &Secret) {
    change(|hidden| hidden.own.add_secret(token.expose(), Some(username)));
}

/// Hides a token of a realm where others repeat it.
pub(crate) fn hide_bearer(token: &Secret) {
    let token = token.expose();
    if token.len() < SHORTEST_BEARER {
        return;
    }
    change(|hidden| {
        if hidden.bearers.iter().any(|known| known == token) {
            return;
        }
        hidden.bearers.push_back(token.to_owned());
        hidden.of_bearers.add_text(token);
        let size = |bearers: &VecDeque<String>| bearers.iter().map(String::len).sum::<usize>();
        if size(&hidden.bearers) > MOST_OF_BEARERS {
            while size(&hidden.bearers) > MOST_OF_BEARERS / 2 && hidden.bearers.len() > 1 {
                hidden.bearers.pop_front();
            }
            hidden.of_bearers = Runs::default();
            for token in &hidden.bearers {
                hidden.of_bearers.add_text(token);
            }
        }
    });
}

/// The text with all hidden ones replaced.
#[must_use]
pub(crate) fn redact(text: &str) -> String {
    with(|hidden| match hidden {
        Some(hidden) => runs::replaced(text, &[&hidden.own]),
        None => text.to_owned(),
    })
}

/// The same of a text that somebody else says, which may hold a token of a realm too.
pub(super) fn redact_of_others(text: &str) -> String {
    with(|hidden| match hidden {
        Some(hidden) => runs::replaced(text, &[&hidden.own, &hidden.of_bearers]),
        None => text.to_owned(),
    })
}

fn change(change: impl FnOnce(&mut Hidden)) {
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    change(hidden.get_or_insert_default());
}

fn with<T>(look: impl FnOnce(Option<&Hidden>) -> T) -> T {
    look(HIDDEN.read().unwrap_or_else(PoisonError::into_inner).as_ref())
}

#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(test)]
mod tests;
