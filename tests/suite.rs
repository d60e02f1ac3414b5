//! Every test that needs more than one process: one crate, so that it links once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a test's answer")]

mod archives;
mod credentials;
mod proof;
mod retag;
mod support;
