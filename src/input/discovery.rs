//! `pull` and `check` without `IMAGES`: what the clone's own files name.

use super::Check;
use crate::clone::Discovered;
use crate::files::shown;
use crate::mistake::{Mistake, MistakeKind};
use crate::names::Host;
use std::path::Path;

/// Most files, and most things passed over, that a mistake names.
const MOST_NAMED: usize = 5;

impl Check<'_> {
    /// The mistake of a `pull` without images; of `IMAGES` itself more may be told already.
    pub(super) fn no_images(&mut self, discovered: &Discovered) -> Mistake {
        let registry = &self.namespace.registry;
        let workspace = self.namespace.workspace.as_deref().unwrap_or("workspace");
        let clone = self.step.clone_or_working_folder();
        let mut problem = format!("`pull` needs images, and {}", nothing(discovered, clone, registry));
        if !discovered.passed_over.is_empty() {
            let told: Vec<String> = discovered.passed_over.iter().map(ToString::to_string).collect();
            problem = format!("{problem}; skipped: {}", first_of(&told, "; "));
        }
        let cure = format!(
            "write `IMAGES: 'base:1 tools:2'` or a list, or name images with their host where they are used, as in \
             `FROM {registry}/{workspace}/base:1`"
        );
        self.mistake(Mistake::unshown(MistakeKind::NoImages, "IMAGES", problem, cure))
    }
}

/// What was found in place of an image.
pub(crate) fn nothing(discovered: &Discovered, clone: &Path, registry: &Host) -> String {
    let clone = shown(clone);
    if discovered.looked_at.is_empty() {
        return format!("there is no Dockerfile and no compose file in `{clone}` to find them in");
    }
    let files: Vec<String> = discovered
        .looked_at
        .iter()
        .map(|file| format!("`{}`", shown(file)))
        .collect();
    format!(
        "none of `{registry}` was found in {} (looked at in `{clone}`)",
        first_of(&files, ", ")
    )
}

/// The first few of them.
fn first_of(items: &[String], between: &str) -> String {
    let named = items[..items.len().min(MOST_NAMED)].join(between);
    match items.len().saturating_sub(MOST_NAMED) {
        0 => named,
        more => format!("{named}{between}and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn it_says_where_it_looked() {
        let clone = Path::new("/clone");
        let mut discovered = Discovered::default();
        let registry = Host::bitbucket();
        assert_eq!(
            nothing(&discovered, clone, &registry),
            "there is no Dockerfile and no compose file in `/clone` to find them in"
        );
        discovered.looked_at = (1..=7)
            .map(|number| PathBuf::from(format!("{number}/Dockerfile")))
            .collect();
        assert_eq!(
            nothing(&discovered, clone, &registry),
            "none of `crg.apkg.io` was found in `1/Dockerfile`, `2/Dockerfile`, `3/Dockerfile`, `4/Dockerfile`, \
             `5/Dockerfile`, and 2 more (looked at in `/clone`)"
        );
    }
}
