//! The images of a pull, found in their registries before the first one moves.

use super::{Run, all};
use crate::explain::failure::FailureKind;
use crate::explain::{RunError, RunErrors};
use crate::input::WantedImage;
use crate::names::Reference;
use crate::registry::{Access, Manifest, Remote};
use crate::text::order::sort_by_key;
use futures_util::stream::{self, StreamExt as _};

/// An image that is in its registry.
pub(super) struct FoundInRegistry {
    pub(super) number: usize,
    pub(super) wanted: WantedImage,
    pub(super) remote: Remote,
    pub(super) manifest: Manifest,
}

/// Finds every image in its registry, several at a time; those that are not there yet, in the time that there is.
pub(super) async fn find(run: &Run, wanted: &[WantedImage]) -> Result<Vec<FoundInRegistry>, RunErrors> {
    let mut found: Vec<Option<FoundInRegistry>> = Vec::new();
    let mut to_find: Vec<usize> = (0..wanted.len()).collect();
    loop {
        let reads = to_find.iter().map(|&number| find_one(run, number, &wanted[number]));
        let reads: Vec<Result<_, RunError>> = stream::iter(reads).buffered(run.concurrency).collect().await;
        let failed = to_find.iter().zip(&reads);
        let failed = failed.filter_map(|(&number, read)| Some((&wanted[number].image, read.as_ref().err()?)));
        let failed: Vec<(&Reference, &RunError)> = failed.collect();
        if !run.waits_for(&failed, Access::Pull).await {
            found.extend(all(reads)?);
            break;
        }
        let mut is_missing = reads.iter().map(Result::is_err);
        to_find.retain(|_| is_missing.next() == Some(true));
        drop(is_missing);
        found.extend(reads.into_iter().flatten());
    }
    let mut found: Vec<FoundInRegistry> = found.into_iter().flatten().collect();
    sort_by_key(&mut found, |found| found.number);
    Ok(found)
}

/// `None` for one that is done without: it is not waited for either.
async fn find_one(run: &Run, number: usize, wanted: &WantedImage) -> Result<Option<FoundInRegistry>, RunError> {
    let read = run.session.read(&wanted.image, Access::Pull).await;
    let found = unless_optional(run, wanted, read.map_err(RunError::from))?;
    Ok(found.map(|(remote, manifest)| {
        run.log.served(&remote);
        FoundInRegistry {
            number,
            wanted: wanted.clone(),
            remote,
            manifest,
        }
    }))
}

/// What came of a look at an image; `None` for one that only makes a build faster, and that is not there or nothing that can
/// be used. What is refused or not answered fails the run, as of any other image.
pub(super) fn unless_optional<T>(
    run: &Run,
    wanted: &WantedImage,
    looked: Result<T, RunError>,
) -> Result<Option<T>, RunError> {
    use FailureKind::{Credential, NotFound, Other, Refused, Unreachable, Variables};
    let error = match looked {
        Ok(found) => return Ok(Some(found)),
        Err(error) if !wanted.is_optional => return Err(error.about(&wanted.image)),
        Err(error) => error,
    };
    let failure = error.explain(run.context());
    match failure.kind {
        // An archive that cannot hold it asks for another form of archive.
        NotFound | Other | Variables => {
            tracing::warn!("{failure}; a build only takes longer without it");
            Ok(None)
        }
        Credential | Refused | Unreachable => Err(error.about(&wanted.image)),
    }
}

/// What came of an image's transfer; `None` for one that only makes a build faster, and that failed of what it is. The way and
/// the place that it goes to fail the run.
pub(super) fn unless_lost<T>(
    run: &Run,
    wanted: &WantedImage,
    moved: Result<T, RunError>,
) -> Result<Option<T>, RunError> {
    match moved {
        Err(error) if !error.is_of_content() => Err(error.about(&wanted.image)),
        moved => unless_optional(run, wanted, moved),
    }
}

/// The last line where each image only makes a build faster, and none can be used.
pub(super) fn none_left(run: &Run, place: &str) -> String {
    run.log.end(
        &format!("nothing to pull: no build fails without the images that the files name, and none of them can be used; {place}"),
        None,
    )
}
