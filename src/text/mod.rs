//! Texts fit to be shown: what others said, quoted; secrets, which are never shown; amounts.

mod amount;
mod quoted;
mod redaction;
mod secret;

pub use amount::{bytes, count};
pub use quoted::Quoted;
pub use redaction::{hide, hide_bearer, hide_pair, redact};
pub use secret::Secret;
