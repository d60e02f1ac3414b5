//! Why no credential opened a repository, typed: the facts only.

use crate::names::{AtLeastOne, Host, Repository, Selector, Tag};
use crate::registry::{self, ErrorKind};

/// Why a repository was not opened, or not what was looked for in it found.
#[derive(Debug)]
pub(crate) enum SessionError {
    /// The registry's refusal, or no answer of it.
    Registry(registry::Error),
    /// A repository that is open has no such tag or digest.
    Missing {
        /// As the registry says it.
        error: registry::Error,
        /// What was looked for.
        wanted: Selector,
        /// Tags that are there, as far as they are known.
        tags: Vec<Tag>,
    },
    /// There is no such tag, as there is no such repository: so the list of its tags says.
    NoRepository(registry::Error),
    /// Every credential was turned away, in this order: what each was told.
    TurnedAway(AtLeastOne<registry::Error>),
    /// There is none to try for this repository or registry.
    NoCredential(String),
    /// This registry asks nobody to sign in, so that a wrong credential would look right.
    NotAsked(Host),
    /// `REGISTRY` answered, and not as a registry does.
    NoRegistry { error: registry::Error, registry: Host },
}

impl SessionError {
    /// The answer of a registry that an image of this repository, or the repository, is not there, if it is that: what may
    /// come yet. Of several credentials the last one's answer counts, which reaches furthest: a refusal to it is a refusal.
    #[must_use]
    pub(crate) fn absence(&self, of: Option<&Repository>) -> Option<&registry::Error> {
        let error = match self {
            Self::Missing { error, .. } | Self::NoRepository(error) => error,
            Self::TurnedAway(refusals) => Some(refusals.last()).filter(|last| last.is_unknown_name())?,
            Self::Registry(_) | Self::NoCredential(_) | Self::NotAsked(_) | Self::NoRegistry { .. } => return None,
        };
        // Who answers whatever is asked with the same page does not look for images.
        let is_page = matches!(&error.kind, ErrorKind::Refused { words, .. } if words.is_web_page());
        let is_of_it = of.is_none() || error.asker.repository.as_ref() == of;
        (is_of_it && !is_page).then_some(error)
    }
}

impl From<registry::Error> for SessionError {
    fn from(error: registry::Error) -> Self {
        Self::Registry(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Asker, Code, Error, Granted};
    use crate::text::Quoted;

    fn base() -> Repository {
        Repository::new(Host::bitbucket(), "shop/base").unwrap()
    }

    fn refused(status: u16, code: Option<Code>, words: &str) -> Error {
        refused_with(status, code, Quoted::new(words))
    }

    fn refused_with(status: u16, code: Option<Code>, words: Quoted) -> Error {
        Error {
            host: Host::bitbucket(),
            during: "reading `shop/base:1`".to_owned(),
            kind: ErrorKind::Refused {
                status,
                code,
                words,
                granted: Granted::Unknown,
            },
            tries: 1,
            asked: None,
            asker: Box::new(Asker {
                repository: Some(base()),
                ..Asker::default()
            }),
        }
    }

    fn missing(error: Error) -> SessionError {
        SessionError::Missing {
            error,
            wanted: Selector::Tag(Tag::latest()),
            tags: Vec::new(),
        }
    }

    fn turned_away(refusals: Vec<Error>) -> SessionError {
        SessionError::TurnedAway(AtLeastOne::of(refusals).expect("each row has one"))
    }

    /// An absence is what the credential that reaches furthest is told, by a registry.
    #[test]
    fn only_what_is_not_there_is_an_absence() {
        let no_tag = || refused(404, Some(Code::ManifestUnknown), "manifest unknown");
        let no_name = || refused(404, Some(Code::NameUnknown), "");
        let denied = || refused(403, Some(Code::Denied), "no");
        let unauthorized = || refused(401, Some(Code::Unauthorized), "no");
        for (error, is_absence) in [
            (missing(no_tag()), true),
            (missing(refused(404, None, "")), true),
            (missing(refused_with(404, None, Quoted::web_page())), false),
            (SessionError::NoRepository(refused(404, None, "")), true),
            (turned_away(vec![no_name()]), true),
            (turned_away(vec![no_name(), no_name()]), true),
            (turned_away(vec![denied(), no_name()]), true),
            (turned_away(vec![unauthorized(), no_name()]), true),
            (turned_away(vec![no_name(), denied()]), false),
            (turned_away(vec![no_name(), unauthorized()]), false),
            (turned_away(vec![denied()]), false),
            (SessionError::NoCredential(base().to_string()), false),
            (SessionError::Registry(refused(503, None, "")), false),
            (SessionError::NotAsked(Host::bitbucket()), false),
        ] {
            assert_eq!(error.absence(None).is_some(), is_absence, "{error:?}");
            assert_eq!(error.absence(Some(&base())).is_some(), is_absence, "{error:?}");
            // Of a copy's target it is none of the source.
            let other = Repository::new(Host::bitbucket(), "shop/web").unwrap();
            assert!(error.absence(Some(&other)).is_none(), "{error:?}");
        }
    }
}
