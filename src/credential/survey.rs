//! What `check` makes of the pipe's credentials: one that cannot work does not end the run, but is told beside those that
//! may be tried.

use super::advice::{Reason, Refusal};
use super::settle::{Given, Settled};
use super::{Choice, Credential, Source};
use crate::mistake::Mistake;
use crate::text::Secret;

/// The credentials of a run of `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Those that may be tried; perhaps none.
    pub settled: Settled,
    /// Those that are not, and why.
    pub refused: Vec<Refused>,
    /// Which sources were looked at.
    pub choice: Choice,
}

/// A credential that is never sent to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is refused; `None` where there is nothing.
    pub credential: Option<Credential>,
    /// Why.
    pub refusal: Refusal,
}

/// Looks at the credentials as [`settle()`](super::settle()) does, and keeps what it would end the run with.
///
/// # Errors
/// Variables that must be mended.
pub fn survey(given: &Given<'_>) -> Result<Survey, Vec<Mistake>> {
    let found = given.found();
    if !found.mistakes.is_empty() {
        return Err(found.mistakes);
    }
    let mut reasons = found.refused;
    if reasons.is_empty() && found.candidates.is_empty() {
        reasons.push(given.none());
    }
    let refused = reasons.into_iter().map(|reason| Refused {
        credential: credential_of(&reason, given),
        refusal: given.refusal(reason),
    });
    Ok(Survey {
        refused: refused.collect(),
        settled: Settled {
            candidates: found.candidates,
            warnings: found.warnings,
        },
        choice: given.choice.unwrap_or_default(),
    })
}

fn credential_of(reason: &Reason, given: &Given<'_>) -> Option<Credential> {
    let (source, pair) = match reason {
        Reason::TokenKind { .. } | Reason::BuiltInToken | Reason::Username { .. } => {
            (Source::ApiToken, given.api_token)
        }
        Reason::Shadowed { .. } => (Source::BuiltIn, given.built_in),
        Reason::NoCredential { .. } => return None,
    };
    Some(Credential {
        source,
        username: pair.username.unwrap_or_default().to_owned(),
        token: pair.token.cloned().unwrap_or_else(|| Secret::new("")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Pair;
    use crate::names::Host;

    fn surveyed(choice: Option<Choice>, built_in: Option<&str>, api_token: Option<&str>) -> Survey {
        let (built_in, api_token) = (built_in.map(Secret::new), api_token.map(Secret::new));
        let registry = Host::bitbucket();
        let given = Given {
            choice,
            allow_unsupported: false,
            built_in: Pair {
                username: built_in.as_ref().map(|_| "step"),
                token: built_in.as_ref(),
            },
            api_token: Pair {
                username: api_token.as_ref().map(|_| "ada@example.com"),
                token: api_token.as_ref(),
            },
            registry: &registry,
            in_pipe: true,
            needs_push: false,
        };
        survey(&given).expect("no mistakes")
    }

    #[test]
    fn a_refused_credential_leaves_the_others() {
        let api = "ATAT0123456789abcdef";
        let access = "ATCT0123456789abcdef";
        for (choice, built_in, api_token, candidates, refused) in [
            (
                None,
                Some("opaque"),
                Some(api),
                vec![Source::BuiltIn, Source::ApiToken],
                vec![],
            ),
            (
                None,
                Some("opaque"),
                Some(access),
                vec![Source::BuiltIn],
                vec![Some(Source::ApiToken)],
            ),
            (
                None,
                Some("ghp_0123456789"),
                Some(api),
                vec![Source::ApiToken],
                vec![Some(Source::BuiltIn)],
            ),
            (
                None,
                Some("opaque"),
                Some("opaque"),
                vec![Source::BuiltIn],
                vec![Some(Source::ApiToken)],
            ),
            (
                Some(Choice::ApiToken),
                Some("opaque"),
                Some("opaque"),
                vec![],
                vec![Some(Source::ApiToken)],
            ),
            (None, None, Some(access), vec![], vec![Some(Source::ApiToken)]),
            (
                None,
                Some("ghp_0123456789"),
                Some(access),
                vec![],
                vec![Some(Source::BuiltIn), Some(Source::ApiToken)],
            ),
            (None, None, None, vec![], vec![None]),
            (
                Some(Choice::BuiltIn),
                Some("opaque"),
                Some(access),
                vec![Source::BuiltIn],
                vec![],
            ),
            (Some(Choice::ApiToken), Some("opaque"), None, vec![], vec![None]),
        ] {
            let survey = surveyed(choice, built_in, api_token);
            let sources = |credentials: &[Credential]| credentials.iter().map(|one| one.source).collect::<Vec<_>>();
            assert_eq!(
                sources(&survey.settled.candidates),
                candidates,
                "{built_in:?} {api_token:?}"
            );
            let told = survey
                .refused
                .iter()
                .map(|one| one.credential.as_ref().map(|one| one.source));
            assert_eq!(told.collect::<Vec<_>>(), refused, "{built_in:?} {api_token:?}");
        }
    }

    #[test]
    fn half_a_pair_is_a_mistake_here_too() {
        let token = Secret::new("ATAT0123456789abcdef");
        let registry = Host::bitbucket();
        let given = Given {
            choice: None,
            allow_unsupported: false,
            built_in: Pair::default(),
            api_token: Pair {
                username: None,
                token: Some(&token),
            },
            registry: &registry,
            in_pipe: true,
            needs_push: false,
        };
        let mistakes = survey(&given).expect_err("half a pair");
        assert_eq!(mistakes[0].variable, "ATLASSIAN_ACCOUNT_EMAIL");
    }
}
