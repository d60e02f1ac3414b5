//! Says which images the clone's files name, and where: nobody wrote them into the pipe's variables.

use crate::clone::{Discovered, Place};

/// Most places of one image that are named.
const MOST_PLACES: usize = 6;
/// Most lines about what was passed over.
pub(super) const MOST_PASSED_OVER: usize = 20;

pub(super) fn announce(discovered: &Discovered) {
    for (image, places) in &discovered.images {
        tracing::info!("found `{image}` in {}", named(places));
    }
    for passed_over in discovered.passed_over.iter().take(MOST_PASSED_OVER) {
        tracing::warn!("passed over {passed_over}");
    }
    if let Some(more @ 1..) = discovered.passed_over.len().checked_sub(MOST_PASSED_OVER) {
        tracing::warn!("passed over {more} more");
    }
    if discovered.is_cut {
        tracing::warn!("the repository has more files than are looked at; write `IMAGES` if one is missing");
    }
}

pub(super) fn named(places: &[Place]) -> String {
    let mut names: Vec<String> = places.iter().take(MOST_PLACES).map(ToString::to_string).collect();
    if places.len() > MOST_PLACES {
        names.push(format!("{} more places", places.len() - MOST_PLACES));
    }
    names.join(", ")
}
