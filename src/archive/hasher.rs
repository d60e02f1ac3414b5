//! The digest of bytes that come piece by piece.

use crate::image::{Algorithm, Digest};
use sha2::{Digest as _, Sha256, Sha512};
use std::io::{self, Read};

/// How much is read at a time, in bytes.
const READ: usize = 256 * 1024;

/// A running digest.
pub(super) enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Digest {
        match self {
            Self::Sha256(hash) => Digest::from_sha256(&hash.finalize()),
            Self::Sha512(hash) => Digest::from_sha512(&hash.finalize()),
        }
    }
}

/// The digest of all that a reader gives.
pub(super) fn digest_of(mut reader: impl Read, algorithm: Algorithm) -> io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; READ];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
