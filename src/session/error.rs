//! Why no credential opened a repository, typed: the facts only.

use crate::names::{Host, Repository, Selector, Tag};
use crate::registry::{self, ErrorKind};
use crate::text::PAGE;

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
    /// Every credential was turned away, in this order; maybe there was none.
    TurnedAway {
        /// From which place, a repository or a registry.
        place: String,
        /// What each was told.
        refusals: Vec<registry::Error>,
    },
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
            Self::TurnedAway { refusals, .. } => refusals.last().filter(|last| last.is_unknown_name())?,
            Self::Registry(_) | Self::NotAsked(_) | Self::NoRegistry { .. } => return None,
        };
        // Who answers whatever is asked with the same page does not look for images.
        let is_page = matches!(&error.problem, ErrorKind::Refused { words, .. } if words.as_str() == PAGE);
        let is_of_it = of.is_none() || error.asker.repository.as_ref() == of;
        (is_of_it && !is_page).then_some(error)
    }
}

impl From<registry::Error> for SessionError {
    fn from(error: registry::Error) -> Self {
        Self::Registry(error)
    }
}
