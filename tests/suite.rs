//! Every test that needs more than one process: one crate, so that it links once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a test's answer")]

mod archives;
mod check;
mod copy;
mod credentials;
mod demo;
mod diagnosis;
mod discovery;
mod examples;
mod faults;
mod files;
mod hostile;
mod image;
mod insights;
mod login;
mod mirror;
mod offline;
mod panics;
mod proof;
mod pull;
mod push;
mod ranges;
mod refusals;
mod registries;
mod release;
mod retag;
mod stops;
mod support;
