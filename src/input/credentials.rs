//! The variables that decide which credential signs in.

use super::Check;
use crate::credential::{Choice, Given, WrittenPair};
use crate::mistake::Mistake;

impl Check<'_> {
    /// `CREDENTIAL`; `None` if it is not set.
    pub(super) fn choice(&mut self) -> Option<Choice> {
        let written = self.variables.scalars.credential.as_deref()?;
        Some(match written.trim().to_ascii_lowercase().as_str() {
            "auto" => Choice::Auto,
            "built-in" => Choice::BuiltIn,
            "api-token" => Choice::ApiToken,
            _ => {
                // The value is not shown: who misunderstands the name may have put a token here.
                self.mistake(Mistake::unshown(
                    "CREDENTIAL",
                    "it names which credential to use, and there is no such choice",
                    "write `auto`, `built-in` or `api-token`",
                ));
                Choice::Auto
            }
        })
    }

    /// All that the choice of a credential depends on.
    pub(super) fn given(&self, choice: Option<Choice>, allow_unsupported: bool, needs_push: bool) -> Given<'_> {
        let scalars = &self.variables.scalars;
        Given {
            choice,
            allow_unsupported,
            built_in: WrittenPair {
                username: scalars.bitbucket_packages_username.as_deref(),
                token: scalars.bitbucket_packages_token.as_ref(),
            },
            api_token: WrittenPair {
                username: scalars.atlassian_account_email.as_deref(),
                token: scalars.atlassian_api_token.as_ref(),
            },
            registry: &self.namespace.registry,
            in_pipe: self.step.in_pipe,
            needs_push,
        }
    }
}
