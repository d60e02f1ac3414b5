//! What the clone's files name of a registry: such tags stay, and whoever runs a prune is told what could not be made out.

use super::super::Run;
use super::super::discovery::listed_places;
use super::plan::Package;
use crate::clone::{self, ClonePlace, PassedOver, pipelines};
use crate::names::{Namespace, Reference, Repository};

/// Most lines about what was passed over.
const MOST_TOLD: usize = 5;

/// Images, each with the places that name it.
#[derive(Debug, Default)]
pub(super) struct Named(Vec<(Reference, Vec<ClonePlace>)>);

impl Named {
    /// Notes what is named of a package.
    pub(super) fn note(&self, repository: &Repository, package: &mut Package) {
        for (image, places) in self.0.iter().filter(|(image, _)| image.repository == *repository) {
            let place = listed_places(&places[..places.len().min(1)]);
            if let Some(digest) = &image.digest {
                package.named_digests.entry(digest.clone()).or_insert(place.clone());
            }
            if let Some(tag) = &image.tag {
                package.named_tags.entry(tag.clone()).or_insert(place);
            }
        }
    }
}

/// Looks through Dockerfiles, compose files and `bitbucket-pipelines.yml`, beside the loop that hears a signal.
pub(super) async fn look(run: &Run) -> Named {
    let clone = run.step.clone_or_working_folder().to_owned();
    let namespace = Namespace {
        registry: run.session.registry().clone(),
        workspace: run.step.workspace.clone(),
    };
    let looking = tokio::task::spawn_blocking(move || {
        let discovered = clone::named(&clone, &namespace);
        (discovered, pipelines::named(&clone, &namespace))
    });
    let Ok((discovered, of_pipelines)) = looking.await else {
        return Named::default();
    };
    let mut passed_over = discovered.passed_over;
    let images = discovered.images.into_iter();
    let mut named: Vec<(Reference, Vec<ClonePlace>)> = images.map(|found| (found.image, found.places)).collect();
    match of_pipelines {
        Ok(found) => named.extend(found.into_iter().map(|(image, place)| (image, vec![place]))),
        Err(unread) => passed_over.push(unread),
    }
    tell(&passed_over);
    if let Some(cut) = discovered.cut {
        tracing::warn!(
            "the repository has {}; not all of it was looked at: name the tags that it needs in `KEEP_TAGS`",
            cut.in_words()
        );
    }
    if discovered.more_images > 0 {
        tracing::warn!(
            "the files name {} images more than are looked for: name the tags that they need in `KEEP_TAGS`",
            discovered.more_images
        );
    }
    Named(named)
}

fn tell(passed_over: &[PassedOver]) {
    for unclear in passed_over.iter().take(MOST_TOLD) {
        tracing::warn!("what this names is not known, so it keeps no tag: {unclear}");
    }
    if let Some(more @ 1..) = passed_over.len().checked_sub(MOST_TOLD) {
        tracing::warn!("the same of {more} more places; name the tags that they need in `KEEP_TAGS`");
    }
}
