//! What an error means to the user: the fact, the cause that is known, and what to do.

pub mod bitbucket;
mod error;
pub mod failure;
pub mod refusal;
mod transfer;

pub use error::{RunError, RunErrors};
pub use refusal::Context;
