//! The rows of the credentials: where each comes from, what it is, whether the registry takes it, which scopes it has and
//! when it ends. Pure.

use super::row::{CheckRow, Mark};
use crate::credential::advice::steps_to_api_token;
use crate::credential::kind::TokenKind;
use crate::credential::{Choice, Chosen, Credential, Source, UnusableCredential, expiry};
use crate::explain::Page;
use crate::explain::bitbucket::diagnosis::{READ_PACKAGE, WRITE_PACKAGE};
use crate::explain::bitbucket::{Diagnosis, UserAnswer, diagnose};
use crate::explain::failure::{Failure, FailureKind};
use crate::explain::refusal::missing_scopes;
use crate::text::Quoted;
use time::Date;

/// Most scopes that a row names.
const MOST_SCOPES: usize = 6;

/// What the registry makes of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignedIn {
    Accepted,
    /// The registry asks nobody to sign in.
    NotAsked,
    /// It could not be tried.
    NotTried,
    /// It is not accepted.
    Refused(Failure),
}

/// What is known of the credentials.
#[derive(Debug)]
pub(super) struct CredentialFacts<'a> {
    /// From the variables.
    pub(super) chosen: &'a Chosen,
    /// From the registry.
    pub(super) signed_in: &'a [(Source, SignedIn)],
    /// From Bitbucket, of the one that is in `ATLASSIAN_API_TOKEN`.
    pub(super) answer: Option<&'a UserAnswer>,
    /// Whether the registry let the API token pull, and refused nothing.
    pub(super) has_pulled: bool,
    /// The same of a push.
    pub(super) has_pushed: bool,
    /// Whether the API token must do for a push.
    pub(super) needs_push: bool,
    /// `TOKEN_EXPIRES_ON`.
    pub(super) expires_on: Option<Date>,
    /// Today, in UTC.
    pub(super) today: Date,
}

/// The credential that Bitbucket is asked about: the API token, or an access token in its place, which the registry never
/// gets. No other kind that is refused goes anywhere.
pub(super) fn to_ask_about(chosen: &Chosen) -> Option<&Credential> {
    let is_api_token = |credential: &&Credential| credential.source == Source::ApiToken;
    let unusable = chosen.unusable.iter().map(|(credential, _)| credential);
    let is_access_token = |credential: &&Credential| TokenKind::of(credential.token.expose()) == TokenKind::AccessToken;
    let candidate = chosen.candidates.iter().find(is_api_token);
    candidate.or_else(|| unusable.filter(is_api_token).find(is_access_token))
}

/// All rows of the credentials.
pub(super) fn rows(known: &CredentialFacts<'_>) -> Vec<CheckRow> {
    let mut rows = Vec::new();
    if let Some(why) = &known.chosen.absent {
        let detail = "neither the built-in one nor an API token is there to use";
        rows.push(CheckRow::failed("credential", "none", detail, why.into()));
        return rows;
    }
    rows.extend([Source::BuiltIn, Source::ApiToken].map(|source| credential(known, source)));
    if let Some(asked) = to_ask_about(known.chosen) {
        rows.push(scopes(known, asked));
    }
    if candidate(known.chosen, Source::ApiToken).is_some() {
        rows.push(days(known.expires_on, known.today, known.needs_push));
    }
    rows
}

fn candidate(chosen: &Chosen, source: Source) -> Option<&Credential> {
    chosen.candidates.iter().find(|credential| credential.source == source)
}

fn credential(known: &CredentialFacts<'_>, source: Source) -> CheckRow {
    let chosen = known.chosen;
    let subject = match source {
        Source::BuiltIn => "built-in",
        Source::ApiToken | Source::Foreign => "API token",
    };
    let is_of_source = |(credential, _): &&(Credential, UnusableCredential)| credential.source == source;
    if let Some((_, why)) = chosen.unusable.iter().find(is_of_source) {
        let detail = format!("{}; the registry did not get the token", why.found());
        return CheckRow::failed("credential", subject, detail, why.into());
    }
    let Some(credential) = candidate(chosen, source) else {
        let detail = match chosen.choice {
            Choice::Auto => format!(
                "not set: `{}`, `{}`",
                source.username_variable(),
                source.token_variable()
            ),
            Choice::BuiltIn | Choice::ApiToken => {
                let choice = if chosen.choice == Choice::BuiltIn {
                    Source::BuiltIn
                } else {
                    Source::ApiToken
                };
                format!("not looked at: `CREDENTIAL` is `{choice}`")
            }
        };
        return CheckRow::new("credential", subject, Mark::Information, detail);
    };
    let what = match source {
        // Its shape is documented nowhere.
        Source::BuiltIn => format!("`{}`", source.token_variable()),
        Source::ApiToken | Source::Foreign => format!(
            "`{}` of `{}`: {}",
            source.token_variable(),
            Quoted::new(&credential.username),
            TokenKind::of(credential.token.expose())
        ),
    };
    let warnings: Vec<_> = chosen
        .warnings
        .iter()
        .filter(|warning| warning.source() == source)
        .map(|warning| (warning.to_string(), None))
        .collect();
    let signed_in = known
        .signed_in
        .iter()
        .find(|(of, _)| *of == source)
        .map(|(_, signed_in)| signed_in);
    let (mark, says) = match signed_in {
        Some(SignedIn::Refused(failure)) => {
            let says = match failure.kind {
                FailureKind::Credential => "not accepted",
                _ => "could not be tried",
            };
            let row = CheckRow::failed("credential", subject, format!("{what}; {says}"), failure.clone());
            return row.with_warnings(warnings);
        }
        Some(SignedIn::Accepted) => (Mark::Good, "accepted"),
        Some(SignedIn::NotAsked) => (Mark::Information, "the registry asks for none"),
        Some(SignedIn::NotTried) | None => (Mark::Information, "not tried: the registry does not answer"),
    };
    let mark = if warnings.is_empty() { mark } else { Mark::Warning };
    CheckRow::new("credential", subject, mark, format!("{what}; {says}")).with_warnings(warnings)
}

/// What Bitbucket says of the scopes. It decides nothing that the registry has shown to be otherwise.
fn scopes(known: &CredentialFacts<'_>, asked: &Credential) -> CheckRow {
    let row = |mark, detail: String| CheckRow::new("scopes", "API token", mark, detail);
    let Some(answer) = known.answer else {
        return row(
            Mark::Information,
            "not known: Bitbucket was not asked, or gave no answer".to_owned(),
        );
    };
    let own = answer.scopes.as_deref().map(scopes_by_use);
    let diagnosis = diagnose(answer, TokenKind::of(asked.token.expose()), known.needs_push);
    let is_accepted = known.signed_in.contains(&(Source::ApiToken, SignedIn::Accepted));
    let odd = if is_accepted { Mark::Warning } else { Mark::Information };
    match &diagnosis {
        Some(Diagnosis::Sufficient { .. }) => row(Mark::Good, own.unwrap_or_default()),
        Some(diagnosis @ Diagnosis::Lacks { missing, .. }) => {
            let absent: Vec<String> = missing.iter().map(|scope| format!("`{scope}`")).collect();
            let absent = absent.join(" and ");
            let detail = format!("{}; missing: {absent}", own.unwrap_or_default());
            // What the registry has shown goes before what Bitbucket tells.
            let is_shown = |scope: &&str| match *scope {
                WRITE_PACKAGE => known.has_pushed,
                _ => known.has_pulled,
            };
            if missing.iter().all(is_shown) {
                return row(Mark::Warning, detail);
            }
            let message = format!("`{}` does not have {absent}", Source::ApiToken.token_variable());
            let failure = missing_scopes(message, diagnosis, &asked.username, known.needs_push);
            CheckRow::failed("scopes", "API token", detail, failure)
        }
        Some(Diagnosis::OtherKind { kind, .. }) => {
            let own = own.map_or_else(String::new, |own| format!(", with {own}"));
            let mark = if candidate(known.chosen, Source::ApiToken).is_some() {
                odd
            } else {
                Mark::Information
            };
            row(
                mark,
                format!("none for packages: Bitbucket says that it is {kind}{own}"),
            )
        }
        Some(Diagnosis::ExpiredOAuth) => row(odd, "not known: Bitbucket says that it has expired".to_owned()),
        Some(Diagnosis::NotKnown) => row(odd, "not known: Bitbucket does not know this token".to_owned()),
        Some(Diagnosis::Known) => row(
            Mark::Information,
            "not known: Bitbucket accepts the token, and says no more".to_owned(),
        ),
        None => row(
            Mark::Information,
            format!(
                "not known: Bitbucket answered {}, which tells nothing of the token",
                answer.status
            ),
        ),
    }
}

/// Those for packages first, as they are what counts.
fn scopes_by_use(scopes: &[Quoted]) -> String {
    let is_for_packages = |scope: &&Quoted| [READ_PACKAGE, WRITE_PACKAGE].contains(&scope.as_str());
    let (for_packages, others): (Vec<_>, Vec<_>) = scopes.iter().partition(is_for_packages);
    let names: Vec<String> = for_packages
        .into_iter()
        .chain(others)
        .take(MOST_SCOPES)
        .map(|scope| format!("`{scope}`"))
        .collect();
    match (names.is_empty(), scopes.len().saturating_sub(MOST_SCOPES)) {
        (true, _) => "no scopes".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// When the API token ends. The run fails while there is still time to make another: a scheduled pipeline that only warns
/// is read by nobody.
fn days(expires_on: Option<Date>, today: Date, needs_push: bool) -> CheckRow {
    let row = |mark, detail: String| CheckRow::new("expiry", "API token", mark, detail);
    let Some(expires) = expires_on else {
        return row(Mark::Information, "not known: `TOKEN_EXPIRES_ON` is not set".to_owned());
    };
    let left = expiry::days_left(expires, today);
    let days = if left.abs() == 1 { "day" } else { "days" };
    let date = expiry::day_text(expires);
    let detail = match left {
        ..0 => format!("{date}, {} {days} ago", -left),
        0 => format!("{date}, today"),
        _ => format!("{date}, in {left} {days}"),
    };
    let Some(text) = expiry::warning(expires, today) else {
        return row(Mark::Good, detail);
    };
    if left > expiry::URGENT_FROM {
        return row(Mark::Warning, detail).with_warnings(vec![(text, None)]);
    }
    let hint = steps_to_api_token(needs_push).join("\n");
    CheckRow::failed(
        "expiry",
        "API token",
        detail,
        Failure::new(FailureKind::Credential, Page::Expires, text, hint),
    )
}

#[cfg(test)]
mod tests;
