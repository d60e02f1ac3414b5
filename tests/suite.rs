//! Every test that needs more than one process: one crate, so that it links once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a test's answer")]

mod archives;
mod copy;
mod credentials;
mod demo;
mod diagnosis;
mod discovery;
mod examples;
mod files;
mod image;
mod login;
mod offline;
mod proof;
mod pull;
mod push;
mod ranges;
mod registries;
mod retag;
mod support;
