//! `PLATFORM` where images move without a daemon: one manifest in place of the whole image.

use super::Run;
use crate::explain::failure::{Failure, Kind};
use crate::names::platform::Platform;
use crate::registry::Manifest;
use crate::registry::manifest::{Content, config_platform, entry_for, platforms};
use crate::transfer::Origin;

/// The manifest for `wanted` of the image that `manifest` is the root of, `name` in messages; the root itself where no
/// platform is wanted.
pub(super) async fn root(
    run: &Run,
    name: &str,
    origin: &Origin,
    manifest: Manifest,
    wanted: Option<&Platform>,
) -> Result<Manifest, Failure> {
    let Some(wanted) = wanted else {
        return Ok(manifest);
    };
    let damaged = |what: String| {
        let hint = "have the image built and pushed again";
        Failure::new(
            Kind::Other,
            format!("the manifest of `{name}` cannot be read: {what}"),
            hint,
        )
    };
    match manifest.content().map_err(damaged)? {
        Content::Index(entries) => {
            let entry = entry_for(&entries, wanted).ok_or_else(|| missing(name, wanted, &platforms(&entries)))?;
            origin.manifest(entry, &run.session).await
        }
        Content::Image { config, .. } => match config_platform(&origin.document(&config, &run.session).await?) {
            Some(has) if !has.satisfies(wanted) => Err(missing(name, wanted, &[has.to_string()])),
            _ => Ok(manifest),
        },
        Content::Other(_) => Err(missing(name, wanted, &[])),
    }
}

/// The failure of an image that is not there for a platform.
pub(super) fn missing(name: &str, wanted: &Platform, available: &[String]) -> Failure {
    let hint = if available.is_empty() {
        "it names no platform; leave `PLATFORM` out".to_owned()
    } else {
        format!(
            "it is there for {}; write one of these in `PLATFORM`, or have the image built for {wanted} too",
            available.join(", ")
        )
    };
    Failure::new(Kind::NotFound, format!("`{name}` is not there for {wanted}"), hint)
}
