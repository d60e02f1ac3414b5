//! The digest of bytes that come piece by piece.

use crate::names::{Algorithm, Digest};
use sha2::{Digest as _, Sha256, Sha512};
use std::io::{self, Read};

/// How much is read at a time, in bytes.
const READ: usize = 256 * 1024;

#[derive(Clone)]
pub(crate) struct Hasher(Sha);

#[derive(Clone)]
enum Sha {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Of no bytes yet.
    #[must_use]
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => Sha::Sha256(Sha256::new()),
            Algorithm::Sha512 => Sha::Sha512(Sha512::new()),
        })
    }

    /// For content of this digest.
    #[must_use]
    pub(crate) fn of_kind(digest: &Digest) -> Self {
        Self::new(digest.algorithm())
    }

    /// For content whose digest is not known yet.
    #[must_use]
    pub(crate) fn sha256() -> Self {
        Self::new(Algorithm::Sha256)
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Sha::Sha256(state) => state.update(bytes),
            Sha::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of all bytes so far.
    #[must_use]
    pub(crate) fn finish(self) -> Digest {
        match self.0 {
            Sha::Sha256(state) => Digest::from_sha256(&state.finalize()),
            Sha::Sha512(state) => Digest::from_sha512(&state.finalize()),
        }
    }
}

/// The digest of all that a reader gives.
///
/// # Errors
/// The reader's.
pub(crate) fn digest_of(mut reader: impl Read, algorithm: Algorithm) -> io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; READ];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
