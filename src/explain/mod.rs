//! What an error means to the user: the fact, the cause that is known, and what to do.

pub mod bitbucket;
pub mod failure;
pub mod refusal;
