//! Which platform of a daemon's image a push publishes. Docker from 27 on is told; before, its containerd image store pushes
//! an index as a whole or not at all.

use crate::engine::{Engine, LocalImage};
use crate::explain::failure::FailureKind;
use crate::explain::{Page, RunError};
use crate::input::Push;
use crate::names::platform::Platform;

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
        (Some(_), _) if local.is_unnamed => Err(RunError::told(
            FailureKind::Other,
            Page::OnePlatform,
            format!(
                "`{source}` is an image for several platforms (its index does not name them), and {engine} cannot push one of \
                 them alone: before Docker 28 it does not tell which is which"
            ),
            "leave `PLATFORM` out to publish all of them; or use a `docker` service of Docker 28 or newer; or have the index \
             made again with its platforms, by `docker buildx build` or `docker buildx imagetools create`; an image of a \
             registry: use `ACTION: copy` with the same `PLATFORM`",
        )),
        (Some(wanted), _) if !local.serves(wanted) => Err(RunError::told(
            FailureKind::NotFound,
            Page::OtherPlatform,
            format!("`{source}` in the Docker daemon is for {has}, not {wanted}"),
            "build it for that platform, or change `PLATFORM`",
        )),
        // An index with attestations alone beside the one image is that image.
        (Some(wanted), _) if !engine.pushes_one_platform() && local.has_others(wanted) => Err(RunError::told(
            FailureKind::Other,
            Page::OnePlatform,
            format!(
                "`{source}` is an image for several platforms ({has}), and {engine} cannot push one of them alone: before \
                 Docker 27 the image store of containerd pushes all or none"
            ),
            format!(
                "leave `PLATFORM` out to publish all of them; or use a `docker` service of Docker 28 or newer; or build for \
                 {wanted} alone: `docker build --platform {wanted} …`, or without the daemon \
                 `docker buildx build --platform {wanted} --output type=oci,dest=image.tar …` with \
                 `SOURCE: oci-archive:image.tar`. An image that was pulled: pull it with the same `PLATFORM`, or use \
                 `ACTION: copy`"
            ),
        )),
        (None, None) if local.is_partial() => Err(RunError::told(
            FailureKind::NotFound,
            Page::DaemonHasPart,
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

/// The platform to name to the daemon, with the variant that was chosen: none for an image that is for one platform.
pub(in crate::action) fn to_name<'a>(engine: &Engine, push: &Push, local: &'a LocalImage) -> Option<&'a Platform> {
    let wanted = push.platform.as_ref().filter(|_| engine.pushes_one_platform());
    let published = local.published(Some(wanted?), engine.platform())?;
    Some(&published.platform)
}
