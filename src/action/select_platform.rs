//! `PLATFORM` where images move without a daemon: one manifest in place of the whole image.

use crate::explain::failure::FailureKind;
use crate::explain::{Page, RunError};
use crate::names::platform::Platform;
use crate::registry::Manifest;
use crate::registry::manifest::{Content, Descriptor, config_platform, entry_for, platforms};
use crate::transfer::{ContentSource, TransferError};

/// The manifest for `wanted` of the image that `manifest` is the root of, `name` in messages; the root itself where no
/// platform is wanted. `is_asked`: whether `PLATFORM` wants it, and not the form of an archive.
pub(super) async fn root(
    name: &str,
    content_source: &ContentSource,
    manifest: Manifest,
    wanted: Option<&Platform>,
    is_asked: bool,
) -> Result<Manifest, RunError> {
    let missing = |wanted: &Platform, available: &[String]| missing(name, wanted, available, is_asked);
    let Some(wanted) = wanted else {
        return Ok(manifest);
    };
    let damaged = |what: String| {
        let hint = "have the image built and pushed again";
        RunError::told(
            FailureKind::Other,
            Page::ImageDamaged,
            format!("the manifest of `{name}` cannot be read: {what}"),
            hint,
        )
    };
    match manifest.content().map_err(damaged)? {
        Content::Index(entries) => {
            let entry = entry(content_source, &entries, wanted).await?;
            entry.map_err(|available| missing(wanted, &available))
        }
        Content::Image { config, .. } => match config_platform(&content_source.document(&config).await?) {
            Some(has) if !has.satisfies(wanted) => Err(missing(wanted, &[has.to_string()])),
            _ => Ok(manifest),
        },
        Content::Other(_) => Err(missing(wanted, &[])),
    }
}

/// Most entries without a platform whose configurations are read.
const MOST_READ: usize = 16;

/// The manifest of an index for a platform: the best entry that names it, else the best that names none and whose own
/// configuration does. The image specification leaves `platform` open, and buildah's and manifest-tool's indexes may have none
/// (skopeo#901, podman#24685). Gives the platforms that there are where this one is not.
pub(super) async fn entry(
    content_source: &ContentSource,
    entries: &[Descriptor],
    wanted: &Platform,
) -> Result<Result<Manifest, Vec<String>>, TransferError> {
    if let Some(entry) = entry_for(entries, wanted) {
        return content_source.manifest(entry).await.map(Ok);
    }
    let mut available = platforms(entries);
    let mut serving = Vec::new();
    let silent = entries
        .iter()
        .filter(|entry| entry.platform.is_none() && !entry.is_index() && !entry.is_blob());
    for entry in silent.take(MOST_READ) {
        let manifest = content_source.manifest(entry).await?;
        // Attestations have no platform, and artifacts no such configuration.
        let Ok(Content::Image { config, .. }) = manifest.content() else {
            continue;
        };
        match config_platform(&content_source.document(&config).await?) {
            Some(has) if has == *wanted => return Ok(Ok(manifest)),
            Some(has) if has.satisfies(wanted) => serving.push((has, manifest)),
            Some(has) => available.push(has.to_string()),
            None => {}
        }
    }
    let best = Platform::choose(wanted, serving, |(has, _)| Some(has));
    Ok(best.map(|(_, manifest)| manifest).ok_or(available))
}

/// The failure of an image that is not there for a platform.
pub(super) fn missing(name: &str, wanted: &Platform, available: &[String], is_asked: bool) -> RunError {
    RunError::NoPlatform {
        name: name.to_owned(),
        wanted: wanted.clone(),
        available: available.to_vec(),
        is_asked,
    }
}
