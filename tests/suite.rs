//! Every test that needs more than one process: one crate, so that it links once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a test's answer")]

mod credentials;
mod demo;
mod examples;
mod image;
mod proof;
mod pull;
mod retag;
mod support;
