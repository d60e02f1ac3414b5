//! `REQUIRE`: what an image must have attached to it, so that the run goes on.

use crate::explain::failure::FailureKind;
use crate::explain::{Page, RunError};
use crate::names::Reference;
use crate::registry::Attachments;
use crate::transfer::Attached;

/// Why an image does not have what is required of it, if it does not. What the registry did not answer is not missing.
pub(super) fn unmet(image: &Reference, required: Attachments, attached: Attached) -> Option<RunError> {
    let missing = required.without(attached.has);
    if missing.is_empty() {
        return None;
    }
    if let Some(error) = attached.unknown {
        return Some(RunError::NotKnown {
            image: image.to_string(),
            missing,
            error,
        });
    }
    let message = format!("`{image}` has {}, which `REQUIRE` asks for", missing.denied());
    Some(RunError::told(
        FailureKind::Refused,
        Page::NotAttached,
        message,
        "attach it where the image is built: `cosign sign` makes a signature, `docker buildx build` with `--sbom=true` and \
         `--provenance=true` the others",
    ))
}

/// What an image has, behind other facts of it; nothing where nothing was found.
pub(super) fn has(attached: Attachments) -> String {
    if attached.is_empty() {
        return String::new();
    }
    format!("; has {}", attached.in_words())
}
