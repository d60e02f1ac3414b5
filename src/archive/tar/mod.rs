//! Tars, read where they lie: what they hold and where, in the dialects that writers of images use. Nothing is extracted.
//!
//! Own code: an archive is indexed in one pass of seeks and laid out before its content is there, which no tar library
//! does. Where readers of tar differ in what an archive holds, it is refused: what is published must be what `docker load`,
//! skopeo and everybody else would see in the same file.

mod file;
mod header;
mod index;
#[cfg(any(test, fuzzing))]
pub(super) mod properties;
mod records;
mod scan;
mod sparse;

pub(super) use file::TarFile;
pub(super) use header::{BLOCK, header, padded};
pub(super) use scan::CUT;
pub(crate) use sparse::Sparse;
