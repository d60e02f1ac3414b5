//! Texts fit to be shown: what others said, quoted; secrets, which are never shown; amounts. And what texts are compared
//! with: patterns; and lists put in order.

mod amount;
mod excerpt;
mod glob;
mod odd;
pub(crate) mod order;
mod quoted;
mod redaction;
mod secret;

pub(crate) use amount::{bytes, count, listed_within, time};
pub(crate) use excerpt::excerpt;
pub(crate) use glob::{Glob, GlobToken, fits};
pub(crate) use odd::{is_odd, without_odd};
pub(crate) use quoted::Quoted;
#[cfg(any(test, fuzzing))]
pub(crate) use redaction::properties;
pub(crate) use redaction::{hide, hide_bearer, hide_pair, redact};
pub(crate) use secret::Secret;

/// How the pipe names itself to every server that it asks.
pub(crate) const USER_AGENT: &str = concat!("crg-pipe/", env!("CARGO_PKG_VERSION"));
