//! Images of the registry that `bitbucket-pipelines.yml` names, wherever they are in it: in `image`, in a line of a script,
//! in a variable. A text that names one by chance does no harm: what is named is left alone.

use super::FILE;
use crate::clone::files::Unread;
use crate::clone::{ClonePlace, PassedOver, walk};
use crate::names::{Namespace, Reference};
use std::path::{Path, PathBuf};

/// Most images that are found.
const MOST: usize = 5_000;

/// The images of `namespace.registry` that the file names with their host, each with its line; none if there is no file.
/// One with a variable in it, other than the workspace, is not found: which it is follows from the step.
///
/// # Errors
/// Why the file cannot be read.
pub(crate) fn named(clone: &Path, namespace: &Namespace) -> Result<Vec<(Reference, ClonePlace)>, PassedOver> {
    let place = |line| ClonePlace {
        file: PathBuf::from(FILE),
        line,
    };
    match walk::read(&clone.join(FILE)) {
        Ok(text) => {
            let found = in_text(&text, namespace).into_iter().take(MOST);
            Ok(found.map(|(image, line)| (image, place(Some(line)))).collect())
        }
        Err(Unread::Absent) => Ok(Vec::new()),
        Err(why) => Err(PassedOver {
            place: place(None),
            problem: why.to_string(),
        }),
    }
}

/// The images that any line of a text names with their host, each with its line, from 1.
pub(crate) fn in_text(text: &str, namespace: &Namespace) -> Vec<(Reference, usize)> {
    let host = format!("{}/", namespace.registry);
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-/:@${}".contains(c);
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices(&host) {
            // Not the end of another host's name.
            if line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')) {
                continue;
            }
            let rest = &line[at..];
            let rest = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
            let workspace = namespace.workspace.as_deref().unwrap_or_default();
            let name = ["${BITBUCKET_WORKSPACE}", "$BITBUCKET_WORKSPACE"]
                .iter()
                .fold(rest.to_owned(), |name, variable| name.replace(variable, workspace));
            // What ends a sentence or a flow of YAML is no part of it.
            let name = name.trim_end_matches(['.', ':', '}', '-']);
            if let Ok(image) = Reference::parse(name, namespace) {
                found.push((image.or_latest(), number + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Host;

    #[test]
    fn an_image_is_found_wherever_it_is_named() {
        let namespace = Namespace {
            registry: Host::bitbucket(),
            workspace: Some("shop".to_owned()),
        };
        for (line, images) in [
            ("image: crg.apkg.io/shop/build:1", vec!["build:1"]),
            ("image: {name: crg.apkg.io/shop/build:1}", vec!["build:1"]),
            ("  - docker run -v .:/a \"crg.apkg.io/shop/tools:2\" x", vec!["tools:2"]),
            (
                "  - echo crg.apkg.io/shop/a:1 crg.apkg.io/shop/b",
                vec!["a:1", "b:latest"],
            ),
            (
                "  - docker pull docker://crg.apkg.io/$BITBUCKET_WORKSPACE/a:1.",
                vec!["a:1"],
            ),
            ("  - A=crg.apkg.io/${BITBUCKET_WORKSPACE}/a:1;", vec!["a:1"]),
            ("# was crg.apkg.io/shop/old:7", vec!["old:7"]),
            ("  - docker push crg.apkg.io/shop/api:$BITBUCKET_COMMIT", vec![]),
            ("  - docker login crg.apkg.io", vec![]),
            ("image: mycrg.apkg.io/shop/build:1", vec![]),
            ("image: x.crg.apkg.io/shop/build:1", vec![]),
            ("image: crg.apkg.io/shop/UPPER:1", vec![]),
            ("image: shop/build:1", vec![]),
        ] {
            let found = in_text(line, &namespace);
            let found: Vec<String> = found.iter().map(|(image, _)| image.to_string()).collect();
            let images: Vec<String> = images.iter().map(|image| format!("crg.apkg.io/shop/{image}")).collect();
            assert_eq!(found, images, "{line}");
        }
        assert_eq!(in_text("a\ncrg.apkg.io/shop/b:1\n", &namespace)[0].1, 2);
    }
}
