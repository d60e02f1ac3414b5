//! `pull` without `IMAGES`: what the clone's own files name.

use super::{Check, Step};
use crate::image::Namespace;
use crate::mistake::Mistake;
use crate::output_file::shown;
use crate::repository::{self, Discovered};
use std::path::Path;

/// Most files, and most things passed over, that a mistake names.
const MOST_NAMED: usize = 5;

impl Check<'_> {
    /// The images that Dockerfiles and compose files name. A mistake of `IMAGES` if there is none.
    pub(super) fn discovered(&mut self, namespace: &Namespace, step: &Step) -> Discovered {
        let clone = step.clone_folder.as_ref().unwrap_or(&step.working_folder);
        let discovered = repository::images(clone, namespace);
        if discovered.images.is_empty() {
            let registry = &namespace.registry;
            let workspace = namespace.workspace.as_deref().unwrap_or("workspace");
            self.mistake(Mistake::unshown(
                "IMAGES",
                nothing(&discovered, clone, registry.as_str()),
                format!(
                    "write `IMAGES: 'base:1 tools:2'` or a list, or name images with their host where they are used, as in \
                     `FROM {registry}/{workspace}/base:1`"
                ),
            ));
        }
        discovered
    }
}

/// What `pull` found in place of an image.
fn nothing(discovered: &Discovered, clone: &Path, registry: &str) -> String {
    let clone = shown(clone);
    if discovered.looked_at.is_empty() {
        return format!(
            "`pull` needs images, and there is no Dockerfile and no compose file in `{clone}` to find them in"
        );
    }
    let files: Vec<String> = discovered
        .looked_at
        .iter()
        .map(|file| format!("`{}`", shown(file)))
        .collect();
    let mut text = format!(
        "`pull` needs images, and none of `{registry}` was found in {} (looked at in `{clone}`)",
        named(&files, ", ")
    );
    if !discovered.passed_over.is_empty() {
        let told: Vec<String> = discovered.passed_over.iter().map(ToString::to_string).collect();
        text = format!("{text}; passed over: {}", named(&told, "; "));
    }
    text
}

/// The first few of them.
fn named(items: &[String], between: &str) -> String {
    let named = items[..items.len().min(MOST_NAMED)].join(between);
    match items.len().saturating_sub(MOST_NAMED) {
        0 => named,
        more => format!("{named}{between}and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::{PassedOver, Place};
    use std::path::PathBuf;

    #[test]
    fn it_says_where_it_looked() {
        let clone = Path::new("/clone");
        let mut discovered = Discovered::default();
        assert_eq!(
            nothing(&discovered, clone, "crg.apkg.io"),
            "`pull` needs images, and there is no Dockerfile and no compose file in `/clone` to find them in"
        );
        discovered.looked_at = (1..=7)
            .map(|number| PathBuf::from(format!("{number}/Dockerfile")))
            .collect();
        discovered.passed_over = vec![PassedOver {
            place: Place {
                file: PathBuf::from("1/Dockerfile"),
                line: Some(2),
            },
            problem: "`$BASE`: why".to_owned(),
        }];
        assert_eq!(
            nothing(&discovered, clone, "crg.apkg.io"),
            "`pull` needs images, and none of `crg.apkg.io` was found in `1/Dockerfile`, `2/Dockerfile`, `3/Dockerfile`, \
             `4/Dockerfile`, `5/Dockerfile`, and 2 more (looked at in `/clone`); passed over: 1/Dockerfile:2: `$BASE`: why"
        );
    }
}
