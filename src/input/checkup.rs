//! `ACTION: check`: what is looked at. Whatever it finds is told in its table, so that nothing there is a mistake but a name
//! that is none.

use super::{Check, Checkup, Step};
use crate::names::Namespace;

impl Check<'_> {
    pub(super) fn checkup(&mut self, namespace: &Namespace, step: &Step) -> Checkup {
        let mut images = self.images(namespace);
        let discovered = self
            .variables
            .images
            .is_empty()
            .then(|| crate::clone::images(step.clone_or_working_folder(), namespace));
        images.extend(
            discovered
                .iter()
                .flat_map(|discovered| &discovered.images)
                .map(|(image, _)| image.clone()),
        );
        let written = self.variables.scalars.target.clone().unwrap_or_default();
        let mut targets = Vec::new();
        for text in written.split(|c: char| c.is_whitespace() || c == ',') {
            if text.is_empty() {
                continue;
            }
            let Some(target) = self.one_target(text, namespace) else {
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
        }
    }
}
