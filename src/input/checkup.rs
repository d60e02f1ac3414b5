//! `ACTION: check`: what is looked at. Whatever it finds is told in its table, so that nothing there is a mistake but a name
//! that is none.

use super::Check;
use super::variables::items;
use crate::clone::Discovered;
use crate::names::{Reference, Repository, Tag};
use crate::registry::Attachments;

/// `ACTION: check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkup {
    /// The images to look for, each once; perhaps none.
    pub images: Vec<Reference>,
    /// Where the images were found, if `IMAGES` did not name them.
    pub discovered: Option<Discovered>,
    /// Where somebody wants to write, each once, and the tag to set.
    pub targets: Vec<(Repository, Option<Tag>)>,
    /// What each image must have.
    pub required: Attachments,
}

impl Check<'_> {
    pub(super) fn checkup(&mut self, discovered: Option<Discovered>) -> Checkup {
        // A mistake in them ends the run.
        let named = self.images().ok().flatten();
        let images = match (named, &discovered) {
            (Some(images), _) => images.into_iter().collect(),
            (None, Some(discovered)) => discovered.references().cloned().collect(),
            (None, None) => Vec::new(),
        };
        let written = self.variables.scalars.target.as_ref();
        let mut mistakes = Vec::new();
        let texts = written.map(|written| items("TARGET", Some(written), "an item", &mut mistakes));
        for mistake in mistakes {
            self.mistake(mistake);
        }
        let mut targets = Vec::new();
        for text in texts.unwrap_or_default() {
            let Ok(target) = self.one_target(&text) else {
                continue;
            };
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Checkup {
            images,
            discovered,
            targets,
            required: self.required(),
        }
    }
}
