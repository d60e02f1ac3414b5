//! An image that is not there yet, looked for again: by HEAD, with each credential that may let it in.

use super::Session;
use crate::names::{Reference, Selector};
use crate::registry::{Access, ErrorKind, Head, Negative, Remote, Scopes};

/// An image that was not there, as each credential sees it that was not turned away for itself.
#[derive(Debug)]
pub(crate) struct Awaited {
    selector: Selector,
    remotes: Vec<Remote>,
}

/// What one more look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is not there yet.
    Absent,
    /// There is one.
    There,
    /// Something else, which a read tells: a refusal to every credential, no answer, or a registry that does not know HEAD.
    Other,
}

impl Session {
    /// An image that a read did not find. Opens no connection.
    #[must_use]
    pub(crate) fn awaited(&self, image: &Reference, access: Access) -> Awaited {
        Awaited {
            selector: image.selector(),
            remotes: self.candidates(&image.repository, &Scopes::of(&image.repository, access)),
        }
    }

    /// Has each repository asked for again with a new token: one for what was not there says nothing of what is.
    pub(crate) fn forget_tokens(&self) {
        for registry in self.own.iter().chain(self.foreign.borrow().values()) {
            registry.forget_tokens();
        }
    }
}

impl Awaited {
    /// Looks once more. Some registries answer a HEAD with 404 whatever is there (Nexus, diun#1614): with
    /// [`Negative::Confirmed`] a GET must say so too.
    pub(crate) async fn look(&mut self, negative: Negative) -> Seen {
        let mut is_absent = false;
        let mut remotes = Vec::new();
        for remote in std::mem::take(&mut self.remotes) {
            let error = match remote.head(&self.selector).await {
                Ok(Head::Digest(_) | Head::Untold) => return Seen::There,
                Ok(Head::Missing) if negative == Negative::Believed => {
                    is_absent = true;
                    remotes.push(remote);
                    continue;
                }
                Ok(Head::Missing) => match remote.manifest(&self.selector).await {
                    Ok(_) => return Seen::There,
                    Err(error) if error.is_missing() || error.is_unknown_name() => {
                        is_absent = true;
                        remotes.push(remote);
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if !error.turns_away() {
                return Seen::Other;
            }
            // What is not accepted at all is not sent every few seconds.
            if !matches!(error.kind.cause(), ErrorKind::SignIn { .. }) {
                // A package that has come meanwhile may be granted from now on.
                remote.forget_token().await;
                remotes.push(remote);
            }
        }
        self.remotes = remotes;
        if is_absent { Seen::Absent } else { Seen::Other }
    }
}
