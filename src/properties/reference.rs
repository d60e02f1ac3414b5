//! Names as users write them: references, hosts, tags, digests, platforms, locations.

use super::fits_in_the_log;
use crate::archive::Location;
use crate::names::platform::Platform;
use crate::names::{BadReference, Digest, Host, Namespace, Reference, Tag, split};
use std::fmt;

/// What is taken is printed and read again as the same; what is refused is refused in a line.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for (registry, workspace) in [
        (Host::BITBUCKET, Some("shop")),
        (Host::BITBUCKET, None),
        ("localhost:5000", Some("shop")),
        ("docker.io", None),
    ] {
        let Ok(registry) = Host::parse(registry) else {
            panic!("{registry} is a host");
        };
        let namespace = Namespace {
            registry,
            workspace: workspace.map(str::to_owned),
        };
        let parse = |text: &str| Reference::parse(text, &namespace);
        if let Some(reference) = comes_back(text, parse) {
            let (path, tag) = (reference.repository.path(), reference.tag.as_ref());
            assert!((1..=255).contains(&path.len()) && !path.split('/').any(|part| matches!(part, "" | "." | "..")));
            assert!(tag.is_none_or(|tag| (1..=128).contains(&tag.as_str().len())));
            // A short name stays in the registry.
            let (name, ..) = split(text).unwrap_or_default();
            assert!(
                name.contains(['.', ':'])
                    || name.starts_with("localhost/")
                    || *reference.repository.host() == namespace.registry
            );
        }
    }
    comes_back(text, Host::parse);
    comes_back(text, Tag::parse);
    comes_back(text, Digest::parse);
    match Platform::parse(text) {
        Ok(platform) => assert_eq!(Platform::parse(&platform.to_string()), Ok(platform)),
        Err(bad) => fits_in_the_log(&format!("{bad}; {}", bad.hint())),
    }
    match Location::parse(text) {
        Ok(Some(location)) => fits_in_the_log(&location.to_string()),
        Ok(None) => {}
        Err(bad) => fits_in_the_log(&format!("{bad}; {}", bad.hint())),
    }
}

fn comes_back<T: fmt::Display + fmt::Debug + PartialEq>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, BadReference>,
) -> Option<T> {
    match parse(text) {
        Ok(parsed) => {
            let printed = parsed.to_string();
            assert!(printed.bytes().all(|b| b.is_ascii_graphic()), "{printed:?}");
            assert_eq!(
                parse(&printed).as_ref(),
                Ok(&parsed),
                "{text:?} is printed as {printed:?}"
            );
            Some(parsed)
        }
        Err(bad) => {
            fits_in_the_log(&format!("{bad}; {}", bad.hint()));
            None
        }
    }
}
