//! crg-pipe: a Bitbucket pipe that pulls, retags and publishes images of Bitbucket's container registry.
//!
//! The way of the data, a type for each stage, is
//! environment → [`variables::Variables`] → [`request::Request`] → [`credential::Settled`] → [`plan`] → transfers → [`report`].

#![forbid(unsafe_code)]

pub mod access;
pub mod action;
pub mod archive;
pub mod bitbucket;
pub mod console;
pub mod credential;
pub mod docker_config;
pub mod engine;
pub mod failure;
pub mod fault;
pub mod hasher;
pub mod image;
pub mod mistake;
pub mod output_file;
pub mod pipe;
pub mod plan;
pub mod platform;
#[cfg(any(test, fuzzing))]
pub mod properties;
pub mod refusal;
pub mod registry;
pub mod report;
pub mod repository;
pub mod request;
pub mod secret;
pub mod transfer;
pub mod variables;
pub mod words;
