//! The variables that decide which credential signs in.

use super::Check;
use crate::credential::{Choice, Credential, Given, Source, WrittenPair};
use crate::mistake::{Mistake, MistakeKind};
use crate::names::Host;
use crate::text::order::sort;

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
                    MistakeKind::Choice,
                    "CREDENTIAL",
                    "it names which credential to use, and there is no such choice",
                    "write `auto`, `built-in` or `api-token`",
                ));
                Choice::Auto
            }
        })
    }

    /// All that the choice of a credential depends on.
    pub(super) fn given(
        &self,
        choice: Option<Choice>,
        allow_unsupported: bool,
        (needs_push, outlives_step): (bool, bool),
    ) -> Given<'_> {
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
            outlives_step,
        }
    }

    /// `SOURCE_USERNAME` and `SOURCE_PASSWORD`, with the one registry besides `REGISTRY` that they are for. `hosts` are those of
    /// all images, each a `what`; not `all` where one was not understood.
    pub(super) fn source_credential(
        &mut self,
        what: &str,
        mut hosts: Vec<Host>,
        all: bool,
    ) -> Option<(Host, Credential)> {
        let scalars = &self.variables.scalars;
        let (username, password) = match (scalars.source_username.clone(), scalars.source_password.clone()) {
            (None, None) => return None,
            (Some(username), Some(password)) => (username, password),
            (None, Some(_)) => {
                self.mistake(Mistake::unshown(
                    MistakeKind::HalfOfSource,
                    "SOURCE_USERNAME",
                    "`SOURCE_PASSWORD` is set, but no user name",
                    "write both, or none for a public image",
                ));
                return None;
            }
            (Some(_), None) => {
                self.mistake(Mistake::unshown(
                    MistakeKind::HalfOfSource,
                    "SOURCE_PASSWORD",
                    "`SOURCE_USERNAME` is set, but no password",
                    "write both, or none for a public image",
                ));
                return None;
            }
        };
        hosts.retain(|host| *host != self.namespace.registry);
        sort(&mut hosts);
        hosts.dedup();
        match hosts.as_slice() {
            [host] => {
                let credential = Credential {
                    source: Source::Foreign,
                    username,
                    token: password,
                };
                Some((host.clone(), credential))
            }
            // The one that was not understood may be on another registry.
            [] if !all => None,
            [] => {
                self.mistake(Mistake::unshown(
                    MistakeKind::NoOtherRegistry,
                    "SOURCE_USERNAME",
                    format!("no {what} is on another registry"),
                    "leave it and `SOURCE_PASSWORD` out",
                ));
                None
            }
            several => {
                let several: Vec<String> = several.iter().map(|host| format!("`{host}`")).collect();
                let problem = format!(
                    "it is for one registry, but the {what}s are on {}",
                    several.join(" and ")
                );
                self.mistake(Mistake::unshown(
                    MistakeKind::SeveralRegistries,
                    "SOURCE_USERNAME",
                    problem,
                    "use one pipe for each registry, so that no password goes to the wrong one",
                ));
                None
            }
        }
    }
}
