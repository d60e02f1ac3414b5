//! Says which images the clone's files name, and where: nobody wrote them into the pipe's variables.

use crate::clone::{ClonePlace, Discovered, FoundImage};

/// Most places of one image that are named.
const MOST_PLACES: usize = 6;
/// Most lines about what was passed over.
pub(super) const MOST_PASSED_OVER: usize = 20;

pub(super) fn announce(discovered: &Discovered) {
    for FoundImage {
        image,
        platform,
        places,
        ..
    } in &discovered.images
    {
        if let Some(platform) = platform {
            tracing::info!("found `{image}` in {}, for `{platform}`", listed_places(places));
        } else {
            tracing::info!("found `{image}` in {}", listed_places(places));
        }
    }
    for passed_over in discovered.passed_over.iter().take(MOST_PASSED_OVER) {
        tracing::warn!("skipped {passed_over}");
    }
    if let Some(more @ 1..) = discovered.passed_over.len().checked_sub(MOST_PASSED_OVER) {
        tracing::warn!("skipped {more} more");
    }
    if let Some(cut) = discovered.cut {
        tracing::warn!(
            "the repository has {}; not all of it was looked at: write `IMAGES` if one is missing",
            cut.in_words()
        );
    }
    if discovered.more_images > 0 {
        tracing::warn!(
            "the files name {} images more than the {} that are looked for; write `IMAGES`",
            discovered.more_images,
            discovered.images.len()
        );
    }
}

pub(super) fn listed_places(places: &[ClonePlace]) -> String {
    let mut names: Vec<String> = places.iter().take(MOST_PLACES).map(ToString::to_string).collect();
    if places.len() > MOST_PLACES {
        names.push(format!("{} more places", places.len() - MOST_PLACES));
    }
    names.join(", ")
}
