//! crg-pipe: a Bitbucket pipe that pulls, retags and publishes images of Bitbucket's container registry.
//!
//! The way of the data, a type for each stage, is
//! environment → [`input::variables::Variables`] → [`input::Request`] → [`credential::Settled`] → plan → transfers → [`report`].

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
