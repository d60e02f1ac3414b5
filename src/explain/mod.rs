//! What an error means to the user: the fact, the cause that is known, and what to do.

pub(crate) mod bitbucket;
mod error;
pub(crate) mod failure;
mod group;
mod page;
pub(crate) mod refusal;
mod transfer;

pub(crate) use error::{RunError, RunErrors};
pub(crate) use page::Page;
pub(crate) use refusal::Context;
