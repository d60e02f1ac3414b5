//! Files of a clone: Dockerfiles, compose files, `.dockerignore`, `bitbucket-pipelines.yml`.

use super::fits_in_the_log;
use crate::clone::ignore::Ignore;
use crate::clone::{ClonePlace, Mention, dockerfile, pipelines};
use crate::names::{Host, Namespace, Reference};
use std::path::Path;

/// Whatever is in such a file: the images found are in it, the lines named are lines of it, and what is told of it fits in
/// the log. The first byte chooses the kind of file; `folder` becomes the clone, and holds nothing else.
pub fn repository(bytes: &[u8], folder: &Path) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let registry = Host::bitbucket();
    let name = match kind {
        b'c' => "compose.yml",
        b'p' => return look_over(text, &registry),
        b'i' => return ignores(text),
        _ => {
            let mentions = dockerfile::images(text, &dockerfile::Build::default());
            assert!(
                mentions.len() <= text.len() / 4,
                "{} images in {text:?}",
                mentions.len()
            );
            for mention in &mentions {
                is_in(mention, text);
            }
            "Dockerfile"
        }
    };
    let file = folder.join(name);
    if std::fs::write(&file, text).is_err() {
        return;
    }
    let namespace = Namespace {
        registry,
        workspace: Some("shop".to_owned()),
    };
    let found = crate::clone::images(folder, &namespace, None);
    let _ = std::fs::remove_file(file);
    assert_eq!(found.looked_at, [Path::new(name)]);
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() + 1;
    for (at, found_image) in found.images.iter().enumerate() {
        let reference = &found_image.image;
        assert_eq!(*reference.repository.host(), namespace.registry);
        assert!(reference.tag.is_some() || reference.digest.is_some());
        assert_eq!(
            Reference::parse(&reference.to_string(), &namespace).as_ref(),
            Ok(reference)
        );
        assert!(
            !found.images[..at]
                .iter()
                .any(|other| other.image == *reference && other.platform == found_image.platform),
            "{reference} twice"
        );
        assert!(!found_image.places.is_empty());
        let is_line = |place: &ClonePlace| place.line.is_some_and(|line| (1..=lines).contains(&line));
        assert!(
            found_image.places.iter().all(is_line),
            "{found_image:?} of {lines} lines"
        );
    }
    for passed_over in &found.passed_over {
        fits_in_the_log(&passed_over.to_string());
    }
}

fn is_in(mention: &Mention, text: &str) {
    let (shown, line) = match mention {
        Mention::Image { image, line, .. } => (image, line),
        Mention::Unclear { written, line, why } => {
            fits_in_the_log(&why.to_string());
            (written, line)
        }
    };
    assert!(!shown.is_empty());
    // A file's last line may have no end.
    let lines = text.split('\n').count();
    assert!(
        line.is_none_or(|line| (1..=lines).contains(&line)),
        "line {line:?} of {lines}"
    );
}

fn look_over(text: &str, registry: &Host) {
    match pipelines::findings(Path::new(pipelines::FILE), text, registry) {
        Ok(findings) => {
            for finding in findings {
                fits_in_the_log(&format!("{}: {}; {}", finding.place, finding.message(), finding.hint()));
                assert!(
                    finding
                        .place
                        .line
                        .is_none_or(|line| (1..=text.lines().count()).contains(&line))
                );
            }
        }
        Err(bad) => assert!(
            bad.line
                .is_none_or(|line| line <= text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() + 1)
        ),
    }
}

/// The first line is a path, the others are rules. Rules that are said twice say no more; a last rule for all decides.
fn ignores(text: &str) {
    let (path, rules) = text.split_once('\n').unwrap_or((text, ""));
    let covers = |rules: &str| Ignore::parse(rules).covers(path);
    assert_eq!(
        covers(rules),
        covers(&format!("{rules}\n{rules}")),
        "{path:?} by {rules:?}"
    );
    let once = path.trim_matches('/');
    if !once.is_empty() && once.split('/').all(|part| !matches!(part, "" | "." | "..")) {
        assert!(covers(&format!("{rules}\n**")), "{path:?} by {rules:?} and all");
    }
}
