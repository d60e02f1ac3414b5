//! What holds for every archive, and for the graph of every image in one.

#![allow(clippy::missing_panics_doc, reason = "a panic is the answer")]

pub use super::tar::properties::tar;

use super::tar::{BLOCK, header};
use super::{ArchiveError, BlobSource, DockerArchive, Layout, Location, Transport};
use crate::names::Digest;
use crate::properties::fits_in_the_log;
use crate::registry::manifest::Content;
use crate::transfer::{ContentSource, Graph, TransferError};
use flate2::write::GzEncoder;
use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Longer blobs are read to here only: a short file can state, and a gzip hold, much more.
const LOOKED_AT: u64 = 1 << 20;

/// Whatever the bytes are, an archive says what is wrong with it in a line, or gives images whose parts are what their
/// digests and sizes say and lie within the file; and it does the same compressed and plain.
///
/// The first byte says what the others are: `r` a tar, `t` a tar whose checksums are put right, `d` documents (see
/// [`archive_of`]).
pub fn archive(bytes: &[u8], folder: &Path) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let bytes = match kind {
        b'd' => archive_of(bytes),
        b't' => with_checksums(bytes.to_vec()),
        _ => bytes.to_vec(),
    };
    let path = folder.join("x.tar");
    let mut found = Vec::new();
    for is_compressed in [false, true] {
        let written = if is_compressed { gzip(&bytes) } else { bytes.clone() };
        if std::fs::write(&path, &written).is_err() {
            return;
        }
        found.push(docker_images(&path, bytes.len()));
        found.push(layout_images(&path, bytes.len()));
    }
    let _ = std::fs::remove_file(path);
    // What is no archive is told by its first bytes, which compression hides; and twice compressed is read once.
    let opened = found.iter().any(Option::is_some);
    if opened && !bytes.starts_with(&[0x1f, 0x8b]) {
        assert_eq!(found[..2], found[2..], "compressed it says something else");
    }
}

/// What a `docker-archive:` holds: of each image the digests of its configuration and layers.
fn docker_images(path: &Path, size: usize) -> Option<Vec<String>> {
    let archive = match DockerArchive::open(&location(path, Transport::DockerArchive)) {
        Ok(archive) => archive,
        Err(error) => {
            told(&error);
            return None;
        }
    };
    let names: Vec<Vec<String>> = archive.images().map(<[String]>::to_vec).collect();
    let mut said = vec![format!("{names:?}")];
    let chosen = [
        None,
        Some("@0"),
        Some("@1"),
        Some("@99999999999999999999"),
        Some("api:1"),
    ];
    let chosen = chosen.into_iter().map(|name| name.map(str::to_owned));
    for name in chosen.chain(names.first().and_then(|names| names.first().cloned()).map(Some)) {
        match archive.choose(name.as_deref()) {
            Ok(image) => {
                assert_eq!(Digest::of(&image.config), image.config_digest);
                for layer in &image.layers {
                    said.push(format!("{} {:?}", layer.diff_id, layer.compression));
                    said.push(content(&layer.content, size));
                }
                if let Some(manifest) = image.manifest {
                    assert_eq!(Digest::of(&manifest.bytes), manifest.digest);
                    match manifest.content() {
                        Ok(Content::Image { config, layers }) => {
                            assert_eq!((config.digest, layers.len()), (image.config_digest, image.layers.len()));
                        }
                        other => panic!("{other:?} is no image"),
                    }
                }
            }
            Err(error) => said.extend(told(&error)),
        }
    }
    Some(said)
}

/// What an `oci-archive:` holds: of each image the graph.
fn layout_images(path: &Path, size: usize) -> Option<Vec<String>> {
    let layout = match Layout::open(&location(path, Transport::OciArchive)) {
        Ok(layout) => Arc::new(layout),
        Err(error) => {
            told(&error);
            return None;
        }
    };
    let mut said = Vec::new();
    for name in [None, Some("@0"), Some("latest"), Some("")] {
        match layout.choose(name) {
            Ok(image) => said.push(format!("{image:?}")),
            Err(error) => said.extend(told(&error)),
        }
    }
    for image in layout.images().iter().take(4) {
        let root = match layout.manifest(&image.descriptor) {
            Ok(root) => root,
            Err(error) => {
                said.extend(told(&error));
                continue;
            }
        };
        assert_eq!(
            image.descriptor.digest.of_same_kind(&root.bytes),
            image.descriptor.digest
        );
        match graph(&layout, root.clone()) {
            Ok(graph) => {
                is_in_order(&graph);
                for blob in &graph.blobs {
                    match layout.blob(blob) {
                        Ok(source) => {
                            assert_eq!(source.size(), blob.size);
                            said.push(content(&source, size));
                        }
                        Err(error) => said.extend(told(&error)),
                    }
                }
            }
            Err(error) => {
                fits_in_the_log(&error.to_string());
                said.push(error.to_string());
            }
        }
    }
    Some(said)
}

/// Each manifest once, and after all that it points to; each blob once, small ones first.
fn is_in_order(graph: &Graph) {
    let mut written = HashSet::new();
    for manifest in graph.children.iter().chain([&graph.root]) {
        if let Ok(Content::Index(entries)) = manifest.content() {
            assert!(entries.iter().all(|entry| written.contains(&entry.digest)));
        }
        assert!(written.insert(manifest.digest.clone()), "{} twice", manifest.digest);
    }
    assert!(graph.blobs.is_sorted_by_key(|blob| blob.size));
    let blobs: HashSet<&Digest> = graph
        .blobs
        .iter()
        .chain(&graph.foreign)
        .map(|blob| &blob.digest)
        .collect();
    assert_eq!(blobs.len(), graph.blobs.len() + graph.foreign.len());
}

fn graph(layout: &Arc<Layout>, root: crate::registry::Manifest) -> Result<Graph, TransferError> {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("{error}"),
    });
    runtime.block_on(Graph::of(&ContentSource::Layout(Arc::clone(layout)), root, 4))
}

/// A digest of what a blob holds, or that it cannot be read. It never holds more than it states.
fn content(source: &BlobSource, file: usize) -> String {
    if let BlobSource::Region(region) = source {
        assert!(
            region.size() <= file as u64,
            "{} bytes in a file of {file}",
            region.size()
        );
    }
    let mut bytes = Vec::new();
    match source.reader().take(LOOKED_AT).read_to_end(&mut bytes) {
        Ok(read) => assert_eq!(read as u64, source.size().min(LOOKED_AT)),
        Err(_) => return "unreadable".to_owned(),
    }
    Digest::of(&bytes).to_string()
}

fn told(error: &ArchiveError) -> Vec<String> {
    let said = format!("{error}; {}", error.hint().unwrap_or_default());
    fits_in_the_log(&said);
    vec![said]
}

fn location(path: &Path, transport: Transport) -> Location {
    Location {
        transport,
        path: path.to_owned(),
        written: path.to_owned(),
        name: None,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(compressed) => compressed,
        Err(error) => panic!("{error}"),
    }
}

/// A tar whose headers have the checksums that they should have.
pub(super) fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while let Some(block) = bytes.get_mut(at..at + BLOCK) {
        if block.iter().any(|b| *b != 0) {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let digits = String::from_utf8_lossy(&block[124..135]);
        let size = usize::from_str_radix(digits.trim_matches(['\0', ' ']), 8).unwrap_or(0);
        at = at
            .saturating_add(BLOCK)
            .saturating_add(size.min(1 << 40).next_multiple_of(BLOCK));
        if at > bytes.len() {
            break;
        }
    }
    bytes
}

/// A tar of documents with a line `--` between them, of which each may name those before it. The first line of each is its
/// name, or empty for a blob that is named by its digest, or `name -> target` for a link. In its text `$1` is the digest of
/// the first document, `#1` its size and `%1` its name as a blob.
pub(crate) fn archive_of(documents: &[u8]) -> Vec<u8> {
    let mut known: Vec<(String, String, String)> = Vec::new();
    let mut tar = Vec::new();
    let mut rest = Some(documents);
    while let Some(document) = rest.filter(|_| known.len() < 9) {
        let (document, after) = cut(document, b"\n--\n");
        rest = after;
        let (name, body) = cut(document, b"\n");
        let name = String::from_utf8_lossy(name);
        if let Some((name, target)) = name.split_once(" -> ") {
            tar.extend(header(name, 0));
            let block = tar.len() - BLOCK;
            tar[block + 156] = b'2';
            let target = &target.as_bytes()[..target.len().min(100)];
            tar[block + 157..block + 157 + target.len()].copy_from_slice(target);
            continue;
        }
        let mut body = body.unwrap_or_default().to_vec();
        if let Ok(text) = std::str::from_utf8(&body) {
            let mut text = text.to_owned();
            for (number, (digest, size, blob)) in (1..).zip(&known) {
                text = text.replace(&format!("${number}"), digest);
                text = text.replace(&format!("#{number}"), size);
                text = text.replace(&format!("%{number}"), blob);
            }
            body = text.into_bytes();
        }
        let digest = Digest::of(&body);
        let blob = super::layout::blob_name(&digest);
        tar.extend(header(if name.is_empty() { &blob } else { &name }, body.len() as u64));
        known.push((digest.as_str().to_owned(), body.len().to_string(), blob));
        tar.extend(body);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    with_checksums(tar)
}

fn cut<'a>(bytes: &'a [u8], at: &[u8]) -> (&'a [u8], Option<&'a [u8]>) {
    match bytes.windows(at.len()).position(|window| window == at) {
        Some(start) => (&bytes[..start], Some(&bytes[start + at.len()..])),
        None => (bytes, None),
    }
}
