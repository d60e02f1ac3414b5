//! Why no credential opened a repository, typed: the facts only.

use crate::names::{Host, Selector, Tag};
use crate::registry;

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

impl From<registry::Error> for SessionError {
    fn from(error: registry::Error) -> Self {
        Self::Registry(error)
    }
}
