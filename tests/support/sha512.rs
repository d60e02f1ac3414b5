//! Digests by SHA-512, which some registries and archives name content by.

use super::image::digest;
use sha2::Digest as _;
use std::fmt::Write as _;

/// The digest of bytes, as `sha512:…`.
pub fn digest_512(bytes: &[u8]) -> String {
    sha2::Sha512::digest(bytes)
        .iter()
        .fold("sha512:".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

/// The digest of bytes by the function that made another one.
pub fn digest_like(other: &str, bytes: &[u8]) -> String {
    if other.starts_with("sha512:") {
        digest_512(bytes)
    } else {
        digest(bytes)
    }
}
