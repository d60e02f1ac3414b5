//! Which platform of a daemon's image a push publishes. Docker from 27 on is told; before, its containerd image store pushes
//! an index as a whole, and what is wanted of it is then the tag's by a write of the pipe.

use crate::action::{Run, select_platform};
use crate::engine::{Engine, LocalImage};
use crate::explain::RunError;
use crate::explain::failure::FailureKind;
use crate::input::Push;
use crate::names::platform::Platform;
use crate::names::{Digest, Reference};
use crate::registry::manifest::Content;
use crate::registry::{Access, Manifest, Remote};
use crate::transfer::ContentSource;

/// Whether the daemon's image can be published as it is asked for; says what it publishes where that is less than the image.
///
/// # Errors
/// The daemon does not have the platform, or several and not all.
pub(in crate::action) fn check(engine: &Engine, push: &Push, local: &LocalImage) -> Result<(), RunError> {
    let wanted = push.platform.as_ref();
    let has = local.platforms();
    let has = has.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let source = &push.source;
    match (wanted, local.published(wanted, engine.platform())) {
        (Some(wanted), _) if !local.serves(wanted) => Err(RunError::told(
            FailureKind::NotFound,
            format!("`{source}` in the Docker daemon is for {has}, not {wanted}"),
            "build it for that platform, or change `PLATFORM`",
        )),
        (None, None) if local.is_partial() => Err(RunError::told(
            FailureKind::NotFound,
            format!("`{source}` is an image for more platforms than the Docker daemon has of it ({has})"),
            "write one of those in `PLATFORM`; or use `ACTION: copy`, which needs no daemon and takes all platforms",
        )),
        (None, Some(published)) => {
            tracing::warn!(
                "`{source}` is an image for several platforms, of which the Docker daemon has {has}: it publishes {} alone; \
                 `ACTION: copy` takes all platforms",
                published.platform
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The platform to name to the daemon: none for an image that is for one platform.
pub(in crate::action) fn named<'a>(engine: &Engine, push: &'a Push, local: &LocalImage) -> Option<&'a Platform> {
    let may_have_several = !local.manifests.is_empty() || (local.is_of_containerd() && !engine.tells_manifests());
    push.platform
        .as_ref()
        .filter(|_| may_have_several && engine.pushes_one_platform())
}

/// The platform that is wanted of an image that the daemon may push with others.
pub(in crate::action) fn left_to_choose<'a>(
    engine: &Engine,
    push: &'a Push,
    local: &LocalImage,
) -> Option<&'a Platform> {
    push.platform
        .as_ref()
        .filter(|_| local.is_of_containerd() && !engine.pushes_one_platform())
}

/// The manifest for a platform of the image, if the target has the image.
pub(in crate::action) async fn there(
    run: &Run,
    push: &Push,
    local: &LocalImage,
    wanted: &Platform,
) -> Option<Manifest> {
    let image = Reference {
        repository: push.target.clone(),
        tag: None,
        digest: Some(Digest::parse(&local.id).ok()?),
    };
    // What it is refused for, the look at the tags is refused for too.
    let (target, manifest) = run.session.read(&image, Access::PullPush).await.ok()?;
    entry(&target, &manifest, wanted).await.ok()?
}

/// The manifest of an index for a platform; `None` for what is no index.
///
/// # Errors
/// It has none.
pub(in crate::action) async fn entry(
    target: &Remote,
    manifest: &Manifest,
    wanted: &Platform,
) -> Result<Option<Manifest>, RunError> {
    let Ok(Content::Index(entries)) = manifest.content() else {
        return Ok(None);
    };
    let content_source = ContentSource::Registry(target.clone());
    let found = select_platform::entry(&content_source, &entries, wanted).await?;
    found.map(Some).map_err(|available| {
        let place = format!("{}@{}", target.repository(), manifest.digest);
        select_platform::missing(&place, wanted, &available, true)
    })
}
