//! Lays out a tar before its content is there: an OCI layout, for a docker-archive with Docker's `manifest.json` in it.
//!
//! A docker-archive has the form that `docker save` writes since Docker 25: Docker from 1.10 on and skopeo read
//! `manifest.json`, Docker with containerd's store and every reader of OCI archives read `index.json` and keep the
//! digest. Compressed layers stay as they are; Docker tells them by their first bytes (zstd: since Docker 23). No
//! `repositories` file: only Docker before 1.10 needs it.

use super::error::{ArchiveError, ArchiveErrorKind};
use super::layout::{INDEX, blob_name};
use super::layout_index::{LayoutIndex, MARKER};
use super::location::{Location, Transport};
use super::region::Region;
use super::tar::{BLOCK, header, padded};
use super::writer::{ArchiveContents, OutputImage, Slot};
use crate::files::Part;
use crate::names::Digest;
use crate::registry::manifest::Content;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A tar that is being written beside its place.
#[derive(Debug)]
pub(super) struct TarWriter {
    path: PathBuf,
    part: Part,
    regions: HashMap<Digest, Region>,
    unsealed: Mutex<HashSet<Digest>>,
}

impl TarWriter {
    pub(super) fn create(location: &Location, contents: &ArchiveContents<'_>) -> Result<Self, ArchiveError> {
        let path = &location.path;
        let documents = documents(location, contents)?;
        let writing = |error: &io::Error| ArchiveErrorKind::writing(path, error).of(path);
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
            return Err(writing(&ErrorKind::IsADirectory.into()));
        }
        let part = Part::create(path, 0o644).map_err(|error| writing(&error))?;
        let regions = lay_out(part.file(), &documents, &contents.blobs).map_err(|error| writing(&error))?;
        Ok(Self {
            path: path.clone(),
            part,
            unsealed: Mutex::new(regions.keys().cloned().collect()),
            regions,
        })
    }

    pub(super) fn blob(&self, digest: &Digest) -> Result<Slot, ArchiveError> {
        match self.regions.get(digest) {
            Some(region) => Ok(Slot::Fill(region.clone())),
            None => Err(self.missing(digest)),
        }
    }

    pub(super) fn seal(&self, digest: &Digest) {
        self.unsealed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(digest);
    }

    pub(super) fn finish(mut self) -> Result<(), ArchiveError> {
        let unsealed = self.unsealed.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = unsealed.iter().next().cloned() {
            return Err(self.missing(&digest));
        }
        self.part
            .put_in_place()
            .map_err(|error| ArchiveErrorKind::writing(&self.path, &error).of(&self.path))
    }

    fn missing(&self, digest: &Digest) -> ArchiveError {
        let entry = blob_name(digest);
        ArchiveErrorKind::Missing { entry, cut: false }.of(&self.path)
    }
}

/// All but the blobs: names that end with `/` are folders.
fn documents(location: &Location, contents: &ArchiveContents<'_>) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
    let mut index = LayoutIndex::new();
    for image in contents.images {
        index.add(image, location.transport);
    }
    let mut documents = vec![
        ("oci-layout".to_owned(), MARKER.to_vec()),
        (INDEX.to_owned(), index.bytes()),
    ];
    if location.transport == Transport::DockerArchive {
        let list = Value::Array(docker_list(location, contents)?);
        documents.push(("manifest.json".to_owned(), list.to_string().into_bytes()));
    }
    let folder = |digest| Some(format!("{}/", blob_name(digest).rsplit_once('/')?.0));
    let mut folders = BTreeSet::new();
    folders.extend(contents.digests().filter_map(folder));
    documents.push(("blobs/".to_owned(), Vec::new()));
    documents.extend(folders.into_iter().map(|folder| (folder, Vec::new())));
    for manifest in &contents.manifests {
        documents.push((blob_name(&manifest.digest), manifest.bytes.to_vec()));
    }
    Ok(documents)
}

/// The entries of Docker's `manifest.json`.
pub(super) fn docker_list(location: &Location, contents: &ArchiveContents<'_>) -> Result<Vec<Value>, ArchiveError> {
    let why = |why| {
        let transport = location.transport;
        ArchiveErrorKind::CannotHold { transport, why }.of(&location.path)
    };
    let images = contents.images.iter();
    images.map(|image| docker_entry(image, contents).map_err(why)).collect()
}

/// An image in Docker's `manifest.json`.
fn docker_entry(image: &OutputImage, contents: &ArchiveContents<'_>) -> Result<Value, String> {
    let Content::Image { config, layers } = image.root.content()? else {
        return Err("it is an index of several platforms".to_owned());
    };
    // The last is what Docker 1.10 wrote.
    let is_config = |kind: &str| {
        let known = ["image.config.v1+json", "container.image.v1+json", "octet-stream"];
        known.iter().any(|end| kind.ends_with(end))
    };
    let odd = match layers.iter().find(|layer| !layer.media_type.contains(".tar")) {
        _ if !is_config(&config.media_type) => Some(("configuration", &config)),
        layer => layer.map(|layer| ("layer", layer)),
    };
    if let Some((part, odd)) = odd {
        let kind = &odd.media_type;
        return Err(format!(
            "it has a {part} of the type {kind}, so it is not a container image"
        ));
    }
    let place = |digest: &Digest| {
        let is_there = contents.blobs.iter().any(|(blob, _)| blob == digest);
        is_there
            .then(|| blob_name(digest))
            .ok_or_else(|| format!("its layer {digest} may not be distributed and is left with its publisher"))
    };
    let layers = layers.iter().map(|layer| place(&layer.digest));
    Ok(json!({
        "Config": place(&config.digest)?,
        "RepoTags": image.names,
        "Layers": layers.collect::<Result<Vec<String>, String>>()?,
    }))
}

/// Gives the file its full length and writes all but the blobs.
fn lay_out(
    file: &Arc<File>,
    documents: &[(String, Vec<u8>)],
    blobs: &[(Digest, u64)],
) -> io::Result<HashMap<Digest, Region>> {
    let beyond = || io::Error::from(ErrorKind::FileTooLarge);
    let mut at: u64 = 0;
    let after = |at: u64, size: u64| padded(size).and_then(|size| at.checked_add(size)).ok_or_else(beyond);
    for (name, bytes) in documents {
        let header = header(name, bytes.len() as u64);
        file.write_all_at(&header, at)?;
        at += header.len() as u64;
        file.write_all_at(bytes, at)?;
        at = after(at, bytes.len() as u64)?;
    }
    let mut regions = HashMap::new();
    for (digest, size) in blobs {
        let header = header(&blob_name(digest), *size);
        file.write_all_at(&header, at)?;
        at += header.len() as u64;
        regions.insert(digest.clone(), Region::new(Arc::clone(file), at, *size));
        at = after(at, *size)?;
    }
    // Two blocks of zeros end it, which a hole reads as; so do the ends of blocks.
    file.set_len(after(at, 2 * BLOCK as u64)?)?;
    Ok(regions)
}
