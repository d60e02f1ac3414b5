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

/// `None` for one that is not there and need not be: it is not waited for either.
async fn find_one(run: &Run, number: usize, wanted: &WantedImage) -> Result<Option<FoundInRegistry>, RunError> {
    match run.session.read(&wanted.image, Access::Pull).await {
        Ok((remote, manifest)) => {
            run.log.served(&remote);
            Ok(Some(FoundInRegistry {
                number,
                wanted: wanted.clone(),
                remote,
                manifest,
            }))
        }
        Err(error) => {
            let error = RunError::from(error);
            let missing = Some(error.explain(run.context())).filter(|failure| failure.kind == FailureKind::NotFound);
            match missing.filter(|_| wanted.is_optional) {
                Some(failure) => {
                    tracing::warn!("{failure}; a build only takes longer without it");
                    Ok(None)
                }
                None => Err(error.about(&wanted.image)),
            }
        }
    }
}
