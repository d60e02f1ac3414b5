//! What holds for every input, whoever wrote it: the fuzz targets in `fuzz/` and the property tests of `cargo test` call the
//! same functions. Each takes any bytes and panics where its property does not hold.

#![allow(clippy::missing_panics_doc, reason = "a panic is the answer")]

mod docker_config;
mod manifest;
mod reference;
mod repository;
mod variables;

pub use crate::archive::properties::{archive, tar};
pub use crate::registry::properties::{address, challenge, referrers, tags};
pub use crate::text::properties::redaction;
pub use docker_config::docker_config;
pub use manifest::manifest;
pub use reference::reference;
pub use repository::repository;
pub use variables::variables;

/// Longest text that any error says, in characters: what it repeats is cut.
pub(crate) const LONGEST_LINE: usize = 4000;

/// That a text can stand in the log: it forges no line, recolours none, and ends.
pub(crate) fn fits_in_the_log(text: &str) {
    assert!(!text.contains(char::is_control), "a control character in {text:?}");
    let length = text.chars().count();
    assert!(length <= LONGEST_LINE, "{length} characters: {text}");
}

#[cfg(test)]
mod tests;
