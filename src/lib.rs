//! crg-pipe: a Bitbucket pipe that pulls, retags, publishes and copies images of Bitbucket's container registry.
//!
//! [`pipe::run`] has the stages in order, a type for each: environment → [`input::variables::Variables`] →
//! [`input::Request`], with what [`credential::choose`] says → [`session::Session`] → [`action::Run`] → [`action::Done`], and
//! what failed is typed until [`explain`] makes failures of it → [`report`]. What each room holds, and where to change what, is
//! told in `docs/architecture.md`; imports go down only, by the order there.

#![forbid(unsafe_code)]

mod action;
mod archive;
mod clone;
mod credential;
mod docker_config;
mod engine;
mod explain;
mod files;
mod input;
mod mistake;
mod names;
pub mod pipe;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod registry;
mod report;
mod session;
mod text;
mod transfer;

pub use report::{console, help, panic};

/// What `tests/` and `examples/` take from the rooms, beside the pipe itself.
#[doc(hidden)]
pub mod parts {
    pub use crate::archive::{
        BlobSource, Compression, Compressors, DockerArchive, DockerImage, Gzip, Layout, Location, OutputImage, Slot,
        StoredLayer, Writer, manifest_for,
    };
    pub use crate::engine::{Address, Engine, Error as EngineError, RegistryAuth, Settings as EngineSettings};
    pub use crate::input::{ActionName, NAMES};
    pub use crate::names::{Digest, Host, Repository};
    pub use crate::registry::Manifest;
    pub use crate::registry::live;
    pub use crate::registry::manifest::{Content, Descriptor};
}
