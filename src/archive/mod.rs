//! Archives of images: OCI layouts, OCI layouts in a tar, and what `docker save` writes. Read and written as regions of
//! files, never extracted, and without a connection to anything.
//!
//! Blocking code: callers run it beside their event loop. Memory does not grow with the size of an archive.

mod assemble;
mod docker_archive;
mod error;
#[cfg(test)]
mod fixture;
mod folder;
mod gzip;
mod hasher;
mod layout;
mod layout_index;
mod layout_writer;
mod location;
mod region;
mod source;
mod tar_file;
mod tar_header;
mod tar_index;
mod tar_writer;
mod writer;

pub use assemble::{StoredLayer, manifest_for};
pub use docker_archive::{Compression, DockerArchive, DockerImage, Layer};
pub use error::{ArchiveError, Problem};
pub use gzip::{Gzip, WrongDiffId};
pub use layout::{Layout, LayoutImage};
pub use location::{BadLocation, Location, Transport};
pub use region::{Region, RegionReader};
pub use source::{BlobSource, Inflated};
pub use writer::{OutputImage, Slot, Writer};
