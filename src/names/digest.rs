//! Digests that this project can check (OCI image specification, "Descriptors").

use super::BadReference;
use std::fmt;

/// The hash function of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// 64 hexadecimal digits.
    Sha256,
    /// 128 hexadecimal digits.
    Sha512,
}

/// A digest that this project can check: `sha256:…` or `sha512:…`, lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// Checks the grammar.
    ///
    /// # Errors
    /// [`BadReference::Digest`].
    pub fn parse(text: &str) -> Result<Self, BadReference> {
        let length = |algorithm| {
            if algorithm == "sha256" {
                Some(64)
            } else if algorithm == "sha512" {
                Some(128)
            } else {
                None
            }
        };
        let ok = text.split_once(':').is_some_and(|(algorithm, hex)| {
            length(algorithm) == Some(hex.len()) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadReference::Digest {
                digest: text.to_owned(),
            })
        }
    }

    /// The SHA-256 digest of bytes at hand.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_sha256(&<sha2::Sha256 as sha2::Digest>::digest(bytes))
    }

    /// From a finished SHA-256 state.
    #[must_use]
    pub fn from_sha256(hash: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(hash)))
    }

    /// From a finished SHA-512 state.
    #[must_use]
    pub fn from_sha512(hash: &[u8]) -> Self {
        Self(format!("sha512:{}", hex(hash)))
    }

    /// The digest of the same bytes by this digest's own algorithm: equal to `self` if and only if the bytes are right.
    #[must_use]
    pub fn of_same_kind(&self, bytes: &[u8]) -> Self {
        match self.algorithm() {
            Algorithm::Sha256 => Self::of(bytes),
            Algorithm::Sha512 => Self::from_sha512(&<sha2::Sha512 as sha2::Digest>::digest(bytes)),
        }
    }

    /// The hash function that made it.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") {
            Algorithm::Sha512
        } else {
            Algorithm::Sha256
        }
    }

    /// `sha256:…` whole.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `sha256:` and the first twelve digits, for a log line.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..19]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
