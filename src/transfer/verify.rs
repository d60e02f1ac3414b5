//! Bytes on their way, checked against the digest that they are to have.

use crate::names::Digest;
use crate::names::Hasher;
use bytes::Bytes;
use std::collections::VecDeque;

/// How far apart are the places from which bytes can be sent again, in bytes.
const STEP: u64 = if cfg!(test) { 64 * 1024 } else { 512 * 1024 };
/// So many such places are kept: what a connection holds when it breaks is less. Where a proxy on the way held more,
/// all is read again.
const MARKS: usize = 32;

/// Lets bytes pass but the last piece, which goes only when the digest of all is known to be right.
pub(crate) struct DigestVerifier {
    digest: Digest,
    size: u64,
    passed: u64,
    hasher: Hasher,
    held: Option<Bytes>,
    /// Places behind us, and the hash up to each.
    marks: VecDeque<(u64, Hasher)>,
}

/// Bytes that are not those of the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// More or fewer than the descriptor says.
    Size {
        /// In bytes, as the descriptor says.
        expected: u64,
        /// How many came, or came at least.
        found: u64,
    },
    /// So many as the descriptor says, and others.
    Digest {
        /// The digest of what came.
        found: Digest,
    },
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size { expected, found } => write!(f, "it has {found} bytes where its descriptor says {expected}"),
            Self::Digest { found } => write!(f, "its bytes have the digest {found}"),
        }
    }
}

impl DigestVerifier {
    /// For a blob of this digest and size.
    #[must_use]
    pub(crate) fn new(digest: &Digest, size: u64) -> Self {
        Self {
            digest: digest.clone(),
            size,
            passed: 0,
            hasher: Hasher::of_kind(digest),
            held: None,
            marks: VecDeque::new(),
        }
    }

    /// Goes back to where bytes can come from again so that the one at `at` is among them; gives that place, which is
    /// less than two steps before `at`, or the start.
    pub(crate) fn back_to(&mut self, at: u64) -> u64 {
        if at >= self.passed && self.held.is_none() {
            return self.passed;
        }
        while self.marks.back().is_some_and(|(place, _)| *place > at) {
            self.marks.pop_back();
        }
        let (place, hasher) = match self.marks.back() {
            Some((place, hasher)) => (*place, hasher.clone()),
            None => (0, Hasher::of_kind(&self.digest)),
        };
        (self.passed, self.hasher, self.held) = (place, hasher, None);
        place
    }

    /// How many bytes have come.
    #[must_use]
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// Takes the next bytes and gives what may pass now.
    ///
    /// # Errors
    /// There are more than there should be.
    pub(crate) fn push(&mut self, bytes: Bytes) -> Result<Option<Bytes>, Wrong> {
        self.passed += bytes.len() as u64;
        if self.passed > self.size {
            return Err(Wrong::Size {
                expected: self.size,
                found: self.passed,
            });
        }
        self.hasher.update(&bytes);
        if self.passed < self.size {
            if self.passed >= self.marks.back().map_or(0, |(place, _)| *place) + STEP {
                if self.marks.len() == MARKS {
                    self.marks.pop_front();
                }
                self.marks.push_back((self.passed, self.hasher.clone()));
            }
            return Ok(Some(bytes));
        }
        Ok(self.held.replace(bytes))
    }

    /// Gives the last bytes.
    ///
    /// # Errors
    /// All of them together are wrong.
    pub(crate) fn finish(&mut self) -> Result<Option<Bytes>, Wrong> {
        if self.passed != self.size {
            return Err(Wrong::Size {
                expected: self.size,
                found: self.passed,
            });
        }
        let found = self.hasher.clone().finish();
        if found == self.digest {
            Ok(self.held.take())
        } else {
            Err(Wrong::Digest { found })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    fn through(digest: &Digest, size: u64, pieces: &[&'static str]) -> Result<String, Wrong> {
        let mut checked = DigestVerifier::new(digest, size);
        let mut passed = String::new();
        for piece in pieces {
            if let Some(bytes) = checked.push(Bytes::from_static(piece.as_bytes()))? {
                passed.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        }
        let all: usize = pieces.iter().map(|piece| piece.len()).sum();
        assert!(
            pieces.is_empty() || all as u64 != size || passed.len() < all,
            "the last piece waits"
        );
        if let Some(bytes) = checked.finish()? {
            passed.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        Ok(passed)
    }

    #[test]
    fn what_was_lost_on_its_way_passes_again() {
        let all: Vec<u8> = (0..40 * STEP / 64)
            .flat_map(|number| [number.to_le_bytes(); 8])
            .flatten()
            .collect();
        let size = all.len() as u64;
        let all = Bytes::from(all);
        let part = |from: u64, to: u64| all.slice(usize::try_from(from).unwrap()..usize::try_from(to).unwrap());
        let piece = STEP / 5;
        for (broken, at) in [
            (3 * STEP, 2 * STEP + 7),
            (3 * STEP, 0),
            (3 * STEP, 3 * STEP),
            (30 * STEP, 29 * STEP),
            (30 * STEP, STEP),
            (size, size - 1),
            (size, size),
        ] {
            let mut checked = DigestVerifier::new(&Digest::of(&all), size);
            let mut fed = 0;
            let feed = |checked: &mut DigestVerifier, fed: &mut u64, to: u64| {
                while *fed < to {
                    let end = (*fed + piece).min(to);
                    checked.push(part(*fed, end)).unwrap();
                    *fed = end;
                }
            };
            feed(&mut checked, &mut fed, broken);
            fed = checked.back_to(at);
            assert!(fed <= at, "{broken} {at}: {fed}");
            assert!(at - fed < 2 * STEP || broken - at > 28 * STEP, "{broken} {at}: {fed}");
            assert_eq!(fed, checked.passed());
            feed(&mut checked, &mut fed, size);
            assert!(checked.finish().unwrap().is_some(), "{broken} {at}");
        }
    }

    #[test]
    fn only_the_right_bytes_pass_whole() {
        let right = Digest::of(b"abcdef");
        let sha512 = Digest::from_sha512(&sha2::Sha512::digest(b"abcdef"));
        assert_eq!(through(&right, 6, &["ab", "cd", "ef"]), Ok("abcdef".to_owned()));
        assert_eq!(through(&sha512, 6, &["abcdef"]), Ok("abcdef".to_owned()));
        assert_eq!(through(&Digest::of(b""), 0, &[]), Ok(String::new()));
        assert_eq!(
            through(&right, 6, &["ab", "cd"]),
            Err(Wrong::Size { expected: 6, found: 4 })
        );
        assert_eq!(
            through(&right, 6, &["abcd", "efg"]),
            Err(Wrong::Size { expected: 6, found: 7 })
        );
        assert_eq!(
            through(&right, 6, &["abcd", "eX"]),
            Err(Wrong::Digest {
                found: Digest::of(b"abcdeX")
            })
        );
    }
}
