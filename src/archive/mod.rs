//! Archives of images: OCI layouts, OCI layouts in a tar, and what `docker save` writes. Nothing in here opens a
//! connection.
//!
//! A blob is a [`Region`] of a file wherever it lies. With all sizes known beforehand, a tar is read and written as a
//! folder is: several blobs at a time, and several parts of one. Only a gzip-compressed tar must be read in order
//! ([`source::Inflated`]). Nothing is ever extracted, and no name or link in an archive is followed out of it.
//!
//! - To read: [`Layout::open`] (`oci:`, `oci-archive:`) gives manifests and blobs by digest; [`DockerArchive::open`] gives
//!   configuration and layers, which [`Gzip`] compresses on their way, and [`manifest_for`] makes their manifest.
//! - To write: [`Writer::create`] with all manifests and sizes, [`Writer::blob`] for each place, [`Writer::seal`] when its
//!   digest was checked, [`Writer::finish`].
//!
//! Blocking code: callers run it beside their event loop. Memory does not grow with the size of an archive.

mod build_manifest;
mod compression;
mod docker_archive;
mod error;
#[cfg(test)]
mod fixture;
mod folder;
mod gzip;
mod layout;
mod layout_index;
mod layout_writer;
mod location;
mod proof;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod region;
mod source;
mod tar;
mod tar_writer;
mod writer;

pub use build_manifest::{StoredLayer, manifest_for};
pub use compression::Compression;
pub(crate) use docker_archive::Layer;
pub use docker_archive::{DockerArchive, DockerImage};
pub(crate) use error::{ArchiveError, ArchiveErrorKind};
pub use gzip::{Compressors, Gzip};
pub use layout::Layout;
pub use location::Location;
pub(crate) use location::Transport;
pub(crate) use proof::Proof;
pub(crate) use region::Region;
pub use source::BlobSource;
pub use writer::{OutputImage, Slot, Writer};
