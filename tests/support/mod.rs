//! What the tests run against: real servers, real clients, an emulator of what is Bitbucket's own, and a runner of
//! the real binary. Nothing here is a mock inside the process: every byte goes through a socket.

#![allow(
    dead_code,
    unused_imports,
    reason = "each topic of the suite uses its own part of the support"
)]
#![allow(
    unreachable_pub,
    reason = "the sandbox includes some of these files as modules of its own"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken test set-up ends the test"
)]
#![allow(
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "no library: tests call it"
)]

pub mod called;
pub mod distribution;
pub mod emulator;
pub mod engine;
pub mod forward;
pub mod gate;
mod http;
pub mod image;
pub mod name_server;
pub mod outcome;
pub mod pipe;
pub mod pipelines;
pub mod pki;
pub mod recorder;
pub mod scripted_daemon;
pub mod sha512;
pub mod shop;
pub mod skopeo;
pub mod supervised;
pub mod token_server;
pub mod tools;
