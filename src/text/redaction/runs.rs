//! The runs of secrets, and where a text holds one.

use super::views::{self, Atom, is_unseen};
use super::{RUN, forms};
use crate::text::order::sort_by_key;
use std::collections::HashSet;
use std::ops::Range;

/// What stands in place of a secret.
pub(super) const STARS: &str = "***";
/// Shorter secrets are no secrets, and hiding them would make the log unreadable.
const SHORTEST: usize = 4;

/// Every run of some secrets, and the secrets that are shorter than a run.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: HashSet<[u8; RUN]>,
    short: Vec<Vec<u8>>,
}

impl Runs {
    /// Adds a secret in all its forms.
    pub(super) fn add_secret(&mut self, secret: &str, username: Option<&str>) {
        let secret = secret.trim();
        let is_short = seen(secret).bytes().filter_map(fold).count() < RUN;
        let forms = forms::of(secret, username);
        if !is_short {
            self.add_text(secret);
            for form in &forms {
                self.add_text(form);
            }
            return;
        }
        // A few letters of Base64 may stand in any text.
        let forms = forms.iter().filter(|form| form.len() > SHORTEST + 1);
        for form in forms.map(String::as_str).chain([seen(secret).as_str()]) {
            if form.len() >= SHORTEST && !self.short.iter().any(|known| known == form.as_bytes()) {
                self.short.push(form.as_bytes().to_owned());
            }
        }
    }

    /// Adds the runs of a text as it is.
    pub(super) fn add_text(&mut self, text: &str) {
        let folded: Vec<u8> = seen(text).bytes().filter_map(fold).collect();
        self.runs
            .extend(folded.windows(RUN).filter_map(|run| <[u8; RUN]>::try_from(run).ok()));
    }

    /// The parts of a text, read in one way, that are of a secret.
    fn find(&self, atoms: &[Atom], found: &mut Vec<Range<usize>>) {
        let part = |first: &Atom, last: &Atom| first.start..last.end;
        for short in &self.short {
            let is_short = |atoms: &&[Atom]| atoms.iter().map(|atom| atom.byte).eq(short.iter().copied());
            let matches = atoms.windows(short.len()).filter(is_short);
            found.extend(matches.map(|atoms| part(&atoms[0], &atoms[short.len() - 1])));
        }
        if self.runs.is_empty() {
            return;
        }
        let folded: Vec<(u8, &Atom)> = atoms.iter().filter_map(|atom| Some((fold(atom.byte)?, atom))).collect();
        let mut run = [0; RUN];
        for window in folded.windows(RUN) {
            for (byte, (folded, _)) in run.iter_mut().zip(window) {
                *byte = *folded;
            }
            if self.runs.contains(&run) {
                found.push(part(window[0].1, window[RUN - 1].1));
            }
        }
    }
}

/// A text as it is compared, without what is not seen.
fn seen(text: &str) -> String {
    text.chars().filter(|character| !is_unseen(*character)).collect()
}

/// A byte as it is compared: white space does not count, since Base64 is wrapped and terminals break lines; nor does the case
/// of letters, which a host's name loses; nor which of its two alphabets Base64 has.
const fn fold(byte: u8) -> Option<u8> {
    match byte {
        byte if byte == b' ' || byte.is_ascii_control() => None,
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        other => Some(other.to_ascii_lowercase()),
    }
}

/// A text with every part of a secret replaced.
pub(super) fn replaced(text: &str, secrets: &[&Runs]) -> String {
    let mut found: Vec<Range<usize>> = Vec::new();
    views::each(text, |atoms| {
        for runs in secrets {
            runs.find(atoms, &mut found);
        }
    });
    sort_by_key(&mut found, |part| part.start);
    let mut shown = String::new();
    let mut at = 0;
    for part in found {
        // What is left between two parts of one word is a part too.
        let between = text.get(at..part.start).unwrap_or_default();
        let goes_on = at > 0 && between.len() < RUN && !between.contains(char::is_whitespace);
        if part.start >= at && !goes_on {
            shown.push_str(between);
            shown.push_str(STARS);
        }
        at = at.max(part.end);
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}
