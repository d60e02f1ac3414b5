//! OCI image layouts (OCI image specification, "Image Layout"), in a folder or in a tar, as buildx, skopeo, buildah and
//! kaniko write them: which images they hold, and their manifests and blobs by digest.
//!
//! A missing `oci-layout` file is borne, as skopeo and go-containerregistry bear it: `index.json` tells what it is.

use super::docker_archive::familiar;
use super::error::{ArchiveError, ArchiveErrorKind};
use super::folder::Folder;
use super::location::{Location, Transport};
use super::source::{BlobSource, Store};
use super::tar::TarFile;
use crate::names::Digest;
use crate::registry::Manifest;
use crate::registry::manifest::{Content, Descriptor, LARGEST};
use bytes::Bytes;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// So many manifests of indexes in indexes are looked at before anything moves.
const MOST_CHECKED: usize = 1000;
/// The list of images.
pub(super) const INDEX: &str = "index.json";
/// The annotation that names an image in a layout (OCI image specification, "Annotations").
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation by which BuildKit and containerd give the full reference.
pub(super) const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// An opened OCI image layout.
#[derive(Debug)]
pub struct Layout {
    store: Box<dyn Store>,
    images: Vec<LayoutImage>,
}

/// An image that a layout's `index.json` lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutImage {
    /// Its tag or full reference, as `org.opencontainers.image.ref.name` has it.
    pub name: Option<String>,
    /// Its full reference, where BuildKit or containerd wrote one.
    pub reference: Option<String>,
    /// Its manifest or index.
    pub descriptor: Descriptor,
}

impl Layout {
    /// Opens the layout of an `oci:` or `oci-archive:` location. A gzip-compressed archive is read once for it.
    ///
    /// # Errors
    /// [`ArchiveError`]
    pub fn open(location: &Location) -> Result<Self, ArchiveError> {
        let opened = match location.transport {
            Transport::Oci => Folder::open(&location.path).map(|folder| Box::new(folder) as Box<dyn Store>),
            Transport::OciArchive | Transport::DockerArchive => {
                TarFile::open(&location.path, location.transport).map(|tar| Box::new(tar) as Box<dyn Store>)
            }
        };
        let store = opened.map_err(|error| error.at_colon(location))?;
        let images =
            images(store.as_ref())?.ok_or_else(|| store.lacks(location.transport, INDEX, "it has no `index.json`"))?;
        Ok(Self { store, images })
    }

    /// The images in the order of `index.json`; one that has two names is there twice.
    #[must_use]
    pub fn images(&self) -> &[LayoutImage] {
        &self.images
    }

    /// The image of a name: a tag, a full reference, or `@N` for the Nth. Without a name, the only one.
    ///
    /// # Errors
    /// [`ArchiveErrorKind::NoSuchImage`], or [`ArchiveErrorKind::Ambiguous`] where several different ones fit.
    pub fn choose(&self, name: Option<&str>) -> Result<&LayoutImage, ArchiveError> {
        let fitting = self.fitting(name);
        let kind = match fitting[..] {
            [first, ref others @ ..]
                if others
                    .iter()
                    .all(|other| other.descriptor.digest == first.descriptor.digest) =>
            {
                return Ok(first);
            }
            [] if self.images.is_empty() => ArchiveErrorKind::NoImages {
                instead: self.store.holds("manifest.json").then_some(Transport::DockerArchive),
            },
            [] => ArchiveErrorKind::NoSuchImage {
                wanted: name.unwrap_or_default().to_owned(),
                images: self.names(&self.images.iter().collect::<Vec<_>>()),
            },
            _ => ArchiveErrorKind::Ambiguous {
                images: self.names(&fitting),
            },
        };
        Err(kind.of(self.store.path()))
    }

    /// The manifest or index of one of the images, unchanged, checked against digest and size. Where `index.json`, which
    /// nobody publishes, gives it another media type than it has itself, its own counts, as with skopeo.
    ///
    /// # Errors
    /// [`ArchiveError`]; [`ArchiveErrorKind::TooLarge`] beyond 4 MiB.
    pub fn root(&self, image: &LayoutImage) -> Result<Manifest, ArchiveError> {
        root(self.store.as_ref(), &image.descriptor)?.ok_or_else(|| self.lacks(&image.descriptor))
    }

    /// A manifest or index that another one names, unchanged, checked against digest and size. Its media type is the one
    /// that it is named by.
    ///
    /// # Errors
    /// [`ArchiveError`]; [`ArchiveErrorKind::TooLarge`] beyond 4 MiB.
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, ArchiveError> {
        manifest(self.store.as_ref(), descriptor)?.ok_or_else(|| self.lacks(descriptor))
    }

    fn lacks(&self, descriptor: &Descriptor) -> ArchiveError {
        self.store.missing(&blob_name(&descriptor.digest))
    }

    /// Where the bytes of a blob are. Its size is checked; its digest is for the reader to check.
    ///
    /// # Errors
    /// [`ArchiveErrorKind::Missing`], or [`ArchiveErrorKind::Damaged`] where the size is another.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<BlobSource, ArchiveError> {
        let name = blob_name(&descriptor.digest);
        let found = self.store.find(&name)?.ok_or_else(|| self.store.missing(&name))?;
        if found.size() == descriptor.size {
            return Ok(found);
        }
        Err(wrong_size(&name, found.size(), descriptor.size).of(self.store.path()))
    }

    /// That all of an image is there, before anything of it moves. Engines with containerd's store save no more of an index
    /// than they have: one platform, mostly.
    ///
    /// # Errors
    /// What is missing; [`ArchiveErrorKind::Partial`] for an index of which some entries are whole.
    pub fn check_whole(&self, root: &Manifest) -> Result<(), ArchiveError> {
        let Ok(Content::Index(entries)) = root.content() else {
            return self.whole(root, &mut 1);
        };
        let (mut platforms, mut missing) = (Vec::new(), 0);
        let mut budget = MOST_CHECKED;
        for entry in &entries {
            let whole = if entry.is_blob() {
                self.blob(entry).map(drop)
            } else {
                self.manifest(entry)
                    .and_then(|manifest| self.whole(&manifest, &mut budget))
            };
            match whole {
                Ok(()) => platforms.extend(entry.platform.as_ref().map(ToString::to_string)),
                Err(error) if error.is_lacking() => missing += 1,
                Err(error) => return Err(error),
            }
        }
        match missing {
            0 => Ok(()),
            _ => Err(ArchiveErrorKind::Partial { platforms, missing }.of(self.store.path())),
        }
    }

    /// That all below a manifest is there. What is beyond the budget is not looked at here.
    fn whole(&self, manifest: &Manifest, budget: &mut usize) -> Result<(), ArchiveError> {
        let damaged = |why| ArchiveErrorKind::damaged(blob_name(&manifest.digest), why).of(self.store.path());
        match manifest.content().map_err(damaged)? {
            Content::Index(entries) => {
                for entry in entries {
                    if *budget == 0 {
                        return Ok(());
                    }
                    *budget -= 1;
                    if entry.is_blob() {
                        self.blob(&entry)?;
                    } else {
                        self.whole(&self.manifest(&entry)?, budget)?;
                    }
                }
                Ok(())
            }
            Content::Image { config, layers } => self.all(std::iter::once(&config).chain(&layers)),
            Content::Other(blobs) => self.all(&blobs),
        }
    }

    fn all<'a>(&self, blobs: impl IntoIterator<Item = &'a Descriptor>) -> Result<(), ArchiveError> {
        let mut distributed = blobs.into_iter().filter(|blob| !blob.is_foreign());
        distributed.try_for_each(|blob| self.blob(blob).map(drop))
    }

    /// The layout, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// Whether it has a blob of this digest and size: the blobs of other platforms may have been left out.
    ///
    /// # Errors
    /// [`ArchiveError`] where that cannot be told.
    pub fn has(&self, descriptor: &Descriptor) -> Result<bool, ArchiveError> {
        let found = self.store.find(&blob_name(&descriptor.digest))?;
        Ok(found.is_some_and(|found| found.size() == descriptor.size))
    }

    fn fitting(&self, name: Option<&str>) -> Vec<&LayoutImage> {
        let Some(name) = name else {
            return self.images.iter().collect();
        };
        if let Some(position) = position(name) {
            return self.images.get(position).into_iter().collect();
        }
        // The exact name comes before one that merely ends with it.
        let exact: Vec<_> = self.images.iter().filter(|image| image.is_called(name)).collect();
        if exact.is_empty() {
            self.images.iter().filter(|image| image.has_tag(name)).collect()
        } else {
            exact
        }
    }

    fn names(&self, images: &[&LayoutImage]) -> Vec<String> {
        let place = |image: &LayoutImage| self.images.iter().position(|other| std::ptr::eq(other, image));
        let names = images.iter().map(|image| {
            let names = [&image.name, &image.reference];
            (place(image), names.into_iter().flatten().collect())
        });
        told_apart(&names.collect::<Vec<_>>())
    }
}

/// For each image, of which its place and its names are given, the first name that no other one of them has, or `@N`:
/// what is listed can be chosen.
pub(super) fn told_apart(images: &[(Option<usize>, Vec<&String>)]) -> Vec<String> {
    let mut bearers: HashMap<&String, usize> = HashMap::new();
    for (_, names) in images {
        for name in names.iter().collect::<HashSet<_>>() {
            *bearers.entry(name).or_default() += 1;
        }
    }
    let own = |names: &[&String]| {
        names
            .iter()
            .find(|name| bearers.get(*name) == Some(&1))
            .map(|name| (*name).clone())
    };
    images
        .iter()
        .map(|(place, names)| own(names).unwrap_or_else(|| format!("@{}", place.unwrap_or_default())))
        .collect()
}

impl LayoutImage {
    fn is_called(&self, name: &str) -> bool {
        [&self.name, &self.reference]
            .into_iter()
            .flatten()
            .any(|own| own == name)
    }

    /// Whether it is the image of a full reference.
    pub(super) fn is_named(&self, reference: &str) -> bool {
        let is_full = |own: &&String| own.contains(['/', ':']);
        [&self.name, &self.reference]
            .into_iter()
            .flatten()
            .filter(is_full)
            .any(|own| familiar(own) == reference)
    }

    /// buildah writes the whole reference where others write the tag.
    fn has_tag(&self, tag: &str) -> bool {
        let ends = |own: &String| {
            own.rsplit_once(':')
                .is_some_and(|(_, own)| own == tag && !own.contains('/'))
        };
        [&self.name, &self.reference].into_iter().flatten().any(ends)
    }
}

/// `blobs/sha256/…`
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}", digest.as_str().replacen(':', "/", 1))
}

/// The digest that the name of a blob states: `blobs/sha256/<hex>`.
pub(super) fn blob_digest(name: &str) -> Option<Digest> {
    let (algorithm, hex) = name.strip_prefix("blobs/")?.split_once('/')?;
    Digest::parse(&format!("{algorithm}:{hex}")).ok()
}

/// The number of `@N`.
pub(super) fn position(name: &str) -> Option<usize> {
    name.strip_prefix('@')?.parse().ok()
}

/// What `index.json` lists; `None` if there is no such file.
pub(super) fn images(store: &dyn Store) -> Result<Option<Vec<LayoutImage>>, ArchiveError> {
    let damaged = |name: &str, why: String| ArchiveErrorKind::damaged(name, why).of(store.path());
    let Some(bytes) = store.document(INDEX, LARGEST)? else {
        return Ok(None);
    };
    if let Some(marker) = store.document("oci-layout", LARGEST)?
        && let Ok(marker) = serde_json::from_slice::<Marker>(&marker)
        && !marker.version.starts_with("1.")
    {
        return Err(damaged("oci-layout", format!("its version is {}", marker.version)));
    }
    let annotations: AnnotatedIndex =
        serde_json::from_slice(&bytes).map_err(|error| damaged(INDEX, error.to_string()))?;
    let Some(annotations) = annotations.manifests else {
        return Ok(Some(Vec::new()));
    };
    let index = Manifest::new(bytes, None).map_err(|why| damaged(INDEX, why.to_string()))?;
    let Content::Index(descriptors) = index.content().map_err(|why| damaged(INDEX, why))? else {
        return Err(damaged(INDEX, "it is not an index".to_owned()));
    };
    let images = descriptors.into_iter().zip(annotations);
    let images = images.map(|(descriptor, Annotated { annotations })| {
        let mut annotations = annotations.unwrap_or_default();
        LayoutImage {
            name: annotations.remove(REF_NAME).filter(|name| !name.is_empty()),
            reference: annotations.remove(CONTAINERD_NAME).filter(|name| !name.is_empty()),
            descriptor,
        }
    });
    Ok(Some(images.collect()))
}

/// The manifest of an image that `index.json` lists, checked; `None` if it is not there.
pub(super) fn root(store: &dyn Store, descriptor: &Descriptor) -> Result<Option<Manifest>, ArchiveError> {
    let Some(bytes) = checked(store, descriptor)? else {
        return Ok(None);
    };
    Manifest::new(bytes.clone(), Some(&descriptor.media_type))
        .or_else(|_| Manifest::new(bytes, None))
        .map(Some)
        .map_err(|why| ArchiveErrorKind::damaged(blob_name(&descriptor.digest), why.to_string()).of(store.path()))
}

/// A manifest that another one names, checked; `None` if it is not there.
fn manifest(store: &dyn Store, descriptor: &Descriptor) -> Result<Option<Manifest>, ArchiveError> {
    let Some(bytes) = checked(store, descriptor)? else {
        return Ok(None);
    };
    let manifest = Manifest::new(bytes, Some(&descriptor.media_type))
        .map_err(|why| ArchiveErrorKind::damaged(blob_name(&descriptor.digest), why.to_string()).of(store.path()))?;
    // What is named by SHA-512 is found under that name only.
    let digest = descriptor.digest.clone();
    Ok(Some(Manifest { digest, ..manifest }))
}

fn checked(store: &dyn Store, descriptor: &Descriptor) -> Result<Option<Bytes>, ArchiveError> {
    let name = blob_name(&descriptor.digest);
    let Some(bytes) = store.document(&name, LARGEST)? else {
        return Ok(None);
    };
    if bytes.len() as u64 != descriptor.size {
        return Err(wrong_size(&name, bytes.len() as u64, descriptor.size).of(store.path()));
    }
    check_digest(store.path(), &descriptor.digest, &bytes)?;
    Ok(Some(bytes))
}

/// That bytes have a digest.
pub(super) fn check_digest(path: &Path, digest: &Digest, bytes: &[u8]) -> Result<(), ArchiveError> {
    if digest.of_same_kind(bytes) == *digest {
        return Ok(());
    }
    Err(ArchiveErrorKind::WrongDigest { digest: digest.clone() }.of(path))
}

fn wrong_size(name: &str, found: u64, stated: u64) -> ArchiveErrorKind {
    ArchiveErrorKind::damaged(name, format!("it has {found} bytes where {stated} are stated"))
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Marker {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct AnnotatedIndex {
    /// `null` where there are none: umoci's and Docker 25's empty list.
    manifests: Option<Vec<Annotated>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Annotated {
    annotations: Option<HashMap<String, String>>,
}

#[cfg(test)]
mod tests;
