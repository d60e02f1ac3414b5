//! Writes an archive or layout that is known completely before its first blob: each blob has its place, to be filled in
//! any order and by several at a time. The output appears when it is complete.

use super::error::{ArchiveError, ArchiveErrorKind};
use super::layout_writer::LayoutWriter;
use super::location::{Location, Transport};
use super::region::Region;
use super::tar_writer::{TarWriter, docker_list};
use crate::names::Digest;
use crate::registry::Manifest;
use std::collections::HashMap;

/// An image to write.
#[derive(Debug, Clone)]
pub struct OutputImage {
    /// Its manifest or index. A docker-archive takes an image of one platform.
    pub root: Manifest,
    /// Manifests that an index points to, at any depth.
    pub below: Vec<Manifest>,
    /// For layouts its tags, as `org.opencontainers.image.ref.name` has them; for a docker-archive its full references.
    /// An image may be without.
    pub names: Vec<String>,
    /// The repository that its tags are of, with the host.
    pub repository: Option<String>,
}

/// Where a blob goes.
#[derive(Debug, Clone)]
pub enum Slot {
    /// To be filled with the blob's bytes, checked against its digest and sealed.
    Fill(Region),
    /// Already there, by name and size; whether its bytes have the digest is to be seen, and if not, told by
    /// [`Writer::distrust`].
    Present(Region),
}

/// An archive or layout that is being written. Dropped before [`Self::finish`], an archive leaves no file and a layout
/// no more than whole blobs, which a later run need not fetch again.
#[derive(Debug)]
pub struct Writer(Form);

#[derive(Debug)]
enum Form {
    Layout(LayoutWriter),
    Tar(TarWriter),
}

/// What is written, checked.
#[derive(Debug)]
pub(super) struct ArchiveContents<'a> {
    pub(super) images: &'a [OutputImage],
    /// Manifests by digest, each once, in order.
    pub(super) manifests: Vec<&'a Manifest>,
    /// Sizes of blobs by digest, each once, in order.
    pub(super) blobs: Vec<(Digest, u64)>,
}

impl Writer {
    /// Plans and begins the output: `images` with the digest and size of each of their `blobs` (configurations and
    /// layers; the same may be named several times). The location's name is not looked at: names are in the images.
    ///
    /// # Errors
    /// [`ArchiveError`]: it cannot be written there, or this form cannot hold the images.
    pub fn create(location: &Location, images: &[OutputImage], blobs: &[(Digest, u64)]) -> Result<Self, ArchiveError> {
        let contents = ArchiveContents::new(location, images, blobs)?;
        Ok(Self(match location.transport {
            Transport::Oci => Form::Layout(LayoutWriter::create(&location.path, &contents)?),
            Transport::OciArchive | Transport::DockerArchive => Form::Tar(TarWriter::create(location, &contents)?),
        }))
    }

    /// Whether this form can hold an image, and writes nothing: for one that may be left out.
    ///
    /// # Errors
    /// [`ArchiveError`]: it cannot.
    pub fn check(location: &Location, image: &OutputImage, blobs: &[(Digest, u64)]) -> Result<(), ArchiveError> {
        let contents = ArchiveContents::new(location, std::slice::from_ref(image), blobs)?;
        if location.transport == Transport::DockerArchive {
            docker_list(location, &contents)?;
        }
        Ok(())
    }

    /// The place of a blob. Asked again, the place of one that is being filled is the same.
    ///
    /// # Errors
    /// [`ArchiveError`]: a file of a layout cannot be made, or the blob is not one of the plan's.
    pub fn blob(&self, digest: &Digest) -> Result<Slot, ArchiveError> {
        match &self.0 {
            Form::Layout(layout) => layout.blob(digest),
            Form::Tar(tar) => tar.blob(digest),
        }
    }

    /// Says that a blob that was already there has other bytes than its digest says. It counts as missing from then on:
    /// [`Self::blob`] gives a place to fill.
    pub fn distrust(&self, digest: &Digest) {
        if let Form::Layout(layout) = &self.0 {
            layout.distrust(digest);
        }
    }

    /// Says that a blob's place is filled and that the bytes have its digest.
    ///
    /// # Errors
    /// [`ArchiveError`]: it cannot be put in its place.
    pub fn seal(&self, digest: &Digest) -> Result<(), ArchiveError> {
        match &self.0 {
            Form::Layout(layout) => layout.seal(digest),
            Form::Tar(tar) => {
                tar.seal(digest);
                Ok(())
            }
        }
    }

    /// Completes the output; only now it can be seen.
    ///
    /// # Errors
    /// [`ArchiveError`]: it cannot be written, or a blob was not sealed. An older archive of the name is then as it was.
    pub fn finish(self) -> Result<(), ArchiveError> {
        match self.0 {
            Form::Layout(layout) => layout.finish(),
            Form::Tar(tar) => tar.finish(),
        }
    }
}

impl<'a> ArchiveContents<'a> {
    fn new(location: &Location, images: &'a [OutputImage], blobs: &[(Digest, u64)]) -> Result<Self, ArchiveError> {
        let mut seen: HashMap<&Digest, u64> = HashMap::new();
        let mut contents = Self {
            images,
            manifests: Vec::new(),
            blobs: Vec::new(),
        };
        for manifest in images.iter().flat_map(|image| image.below.iter().chain([&image.root])) {
            if seen.insert(&manifest.digest, manifest.bytes.len() as u64).is_none() {
                contents.manifests.push(manifest);
            }
        }
        for (digest, size) in blobs {
            match seen.insert(digest, *size) {
                None => contents.blobs.push((digest.clone(), *size)),
                Some(same) if same == *size => {}
                Some(other) => {
                    let why = format!("{digest} is stated with {other} and with {size} bytes");
                    let transport = location.transport;
                    return Err(ArchiveErrorKind::CannotHold { transport, why }.of(&location.path));
                }
            }
        }
        Ok(contents)
    }

    /// Of all manifests and blobs.
    pub(super) fn digests(&self) -> impl Iterator<Item = &Digest> {
        let manifests = self.manifests.iter().map(|manifest| &manifest.digest);
        manifests.chain(self.blobs.iter().map(|(digest, _)| digest))
    }
}

#[cfg(test)]
mod tests;
