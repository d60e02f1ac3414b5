//! crg-pipe: a Bitbucket pipe that pulls, retags, publishes and copies images of Bitbucket's container registry.
//!
//! [`pipe::run`] has the stages in order, a type for each: environment → [`input::variables::Variables`] →
//! [`input::Request`], with what [`credential::choose`] says → [`session::Session`] → [`action::Run`] → [`action::Done`] →
//! [`report`]. What each room holds, and where to change what, is told in `docs/architecture.md`; imports go down only, by
//! the order there.

#![forbid(unsafe_code)]

pub mod action;
pub mod archive;
pub mod clone;
pub mod credential;
pub mod docker_config;
pub mod engine;
pub mod explain;
pub mod files;
pub mod input;
pub mod mistake;
pub mod names;
pub mod pipe;
#[cfg(any(test, fuzzing))]
pub mod properties;
pub mod registry;
pub mod report;
pub mod session;
pub mod text;
pub mod transfer;
