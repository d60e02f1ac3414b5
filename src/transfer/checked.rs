//! Bytes on their way, checked against the digest that they are to have.

use crate::hasher::Hasher;
use crate::image::Digest;
use bytes::Bytes;

/// Lets bytes pass but the last piece, which goes only when the digest of all is known to be right.
pub struct Checked {
    digest: Digest,
    size: u64,
    passed: u64,
    hasher: Hasher,
    held: Option<Bytes>,
}

/// Bytes that are not those of the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// More or fewer than the descriptor says.
    Size {
        /// The descriptor's.
        expected: u64,
        /// How many came, or came at least.
        found: u64,
    },
    /// Others.
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

impl Checked {
    /// For a blob of this digest and size.
    #[must_use]
    pub fn new(digest: &Digest, size: u64) -> Self {
        Self {
            digest: digest.clone(),
            size,
            passed: 0,
            hasher: Hasher::of_kind(digest),
            held: None,
        }
    }

    /// How many bytes have come.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Takes the next bytes and gives what may pass now.
    ///
    /// # Errors
    /// There are more than there should be.
    pub fn push(&mut self, bytes: Bytes) -> Result<Option<Bytes>, Wrong> {
        self.passed += bytes.len() as u64;
        if self.passed > self.size {
            return Err(Wrong::Size {
                expected: self.size,
                found: self.passed,
            });
        }
        self.hasher.update(&bytes);
        if self.passed < self.size {
            return Ok(Some(bytes));
        }
        Ok(self.held.replace(bytes))
    }

    /// Gives the last bytes.
    ///
    /// # Errors
    /// All of them together are wrong.
    pub fn finish(self) -> Result<Option<Bytes>, Wrong> {
        if self.passed != self.size {
            return Err(Wrong::Size {
                expected: self.size,
                found: self.passed,
            });
        }
        let found = self.hasher.finish();
        if found == self.digest {
            Ok(self.held)
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
        let mut checked = Checked::new(digest, size);
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
