//! Reads which images a compose file pulls, by the Compose specification: `image` of each service that is not built.

use super::substitution::{Dialect, Unresolved, fill};
use super::yaml::{self, BadYaml};
use super::{Mention, Unclear};
use serde_yaml::Value;

/// Whether a file of this name is a compose file: `compose.yml`, `docker-compose.prod.yaml`, ….
#[must_use]
pub fn is_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("docker-")
        .unwrap_or(&name)
        .strip_prefix("compose.")
        .is_some_and(|rest| {
            ["yml", "yaml"]
                .iter()
                .any(|end| rest == *end || rest.ends_with(&format!(".{end}")))
        })
}

/// The images that a compose file's services are pulled from, in its order. A service with `build` names what it builds by
/// `image`, so that is none. Variables are filled in by their defaults alone: the environment of `docker compose` is not
/// known here.
///
/// # Errors
/// [`BadYaml`] with the line.
pub fn images(text: &str) -> Result<Vec<Mention>, BadYaml> {
    let documents = yaml::documents(text)?;
    let services = documents
        .iter()
        .filter_map(|document| yaml::entry(document, "services")?.as_mapping());
    let written: Vec<&str> = services
        .flat_map(serde_yaml::Mapping::values)
        .filter_map(image)
        .collect();
    let lines = yaml::lines(text, &["image"], &written);
    Ok(written
        .into_iter()
        .zip(lines)
        .map(|(written, line)| match fill(written, Dialect::Compose, &|_| None) {
            Ok(image) => Mention::Image { image, line },
            Err(unresolved) => Mention::Unclear {
                written: written.to_owned(),
                line,
                why: match unresolved {
                    Unresolved::Unset(name) => Unclear::Variable(name),
                    Unresolved::Unread => Unclear::Unread,
                },
            },
        })
        .collect())
}

fn image(service: &Value) -> Option<&str> {
    let is_built = yaml::entry(service, "build").is_some_and(|build| !build.is_null());
    let image = yaml::entry(service, "image")?.as_str()?.trim();
    (!is_built && !image.is_empty()).then_some(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_compose_files() {
        for name in [
            "compose.yml",
            "compose.yaml",
            "docker-compose.yml",
            "Docker-Compose.prod.yaml",
            "compose.override.yml",
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "compose.json",
            "mycompose.yml",
            "docker-compose",
            "compose-spec.yml",
            "docker.yml",
            "compose.xyml",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn images_of_services_are_found() {
        let text = "version: '3.8'
x-base: &base
  image: crg.apkg.io/shop/base:${BASE_TAG:-1.4}
  restart: always
services:
  api:
    build: ./api
    image: crg.apkg.io/shop/api:dev
  db:
    image: \"postgres:16\"   # Docker Hub's
  worker:
    <<: *base
    command: worker
  beat:
    <<: [*base]
    image: ${REGISTRY}/shop/beat
  odd: null
  list: [image]
  unbuilt:
    build: null
    image: !override crg.apkg.io/shop/unbuilt:${A-${B:-2}}$$
  broken: {image: '${A'}
  number: {image: 7}
";
        let image = |image: &str, line| Mention::Image {
            image: image.to_owned(),
            line: Some(line),
        };
        let unclear = |written: &str, line, why| Mention::Unclear {
            written: written.to_owned(),
            line: Some(line),
            why,
        };
        assert_eq!(
            images(text).unwrap(),
            [
                image("postgres:16", 10),
                image("crg.apkg.io/shop/base:1.4", 3),
                unclear("${REGISTRY}/shop/beat", 16, Unclear::Variable("REGISTRY".to_owned())),
                image("crg.apkg.io/shop/unbuilt:2$", 21),
                unclear("${A", 22, Unclear::Unread),
            ]
        );
    }

    #[test]
    fn other_documents_have_no_images() {
        for text in [
            "",
            "services:",
            "services: []",
            "- a",
            "a",
            "image: a",
            "services:\n  a: b\n",
        ] {
            assert_eq!(images(text), Ok(Vec::new()), "{text}");
        }
        for (text, line) in [("services:\n  a:\n image: x\n", 3), ("a: 1\na: 2", 1), ("a: *b", 1)] {
            let bad = images(text).unwrap_err();
            assert_eq!(bad.line, Some(line), "{text}: {bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", image in "[$a{}:?*&!<'\" -]{0,20}") {
            let _ = images(&text);
            let _ = images(&format!("services:\n  a:\n    image: {image}\n"));
        }
    }
}
