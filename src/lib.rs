//! crg-pipe: a Bitbucket pipe that pulls, retags and publishes images of Bitbucket's container registry.
//!
//! The way of the data, a type for each stage, is
//! environment → [`variables::Variables`] → [`request::Request`] → credentials → plan → transfers → report.

#![forbid(unsafe_code)]

pub mod credential;
pub mod engine;
pub mod image;
pub mod mistake;
pub mod platform;
pub mod secret;
