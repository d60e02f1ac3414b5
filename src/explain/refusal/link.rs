//! Which heading of the manual a refusal of a registry leads to. Pure.

use super::Asked;
use super::finding::{Attempt, Finding};
use crate::credential::Source;
use crate::credential::kind::{Integrity, TokenKind};
use crate::explain::Page;
use crate::registry::{Code, Error, ErrorKind, Standing};

/// Where the manual tells of it. What a credential was refused is advised with [`page_of_credential`].
pub(super) fn page_of(error: &Error, asked: &Asked<'_>) -> Page {
    match &error.kind {
        ErrorKind::WebPage => Page::Portal,
        ErrorKind::Refused { words, .. } | ErrorKind::SignIn { words, .. } if words.is_web_page() => Page::Portal,
        ErrorKind::SignIn { status: 500.., .. } => Page::ServerFault,
        ErrorKind::SignIn { status: 429, .. } => Page::TooManyRequests,
        ErrorKind::SignIn { signed: false, .. } if asked.asker.standing != Standing::NotAsked => Page::SourceAsks,
        ErrorKind::Unreachable(reach) => Page::of_reach(reach),
        ErrorKind::UntrustedRealm { .. } => Page::Realm,
        ErrorKind::Redirect { .. } | ErrorKind::Moved { .. } => Page::Redirect,
        ErrorKind::Encoded { .. } => Page::Encoded,
        ErrorKind::OverBudget { .. } => Page::OverBudget,
        ErrorKind::TooMany { .. } | ErrorKind::TooLarge { .. } => Page::TooLarge,
        ErrorKind::Schema1 { .. } => Page::NotAnImage,
        ErrorKind::Protocol(_) | ErrorKind::Unproven { .. } => Page::UnexpectedAnswer,
        ErrorKind::WrongDigest { .. } => Page::WrongBytes,
        ErrorKind::Refused { status, code, .. } => match code {
            Some(Code::NameUnknown) => Page::NoPackage,
            Some(Code::Denied | Code::Unauthorized) => Page::ByRegistry,
            Some(Code::TooManyRequests) => Page::TooManyRequests,
            Some(Code::ManifestUnknown) if *status == 404 => Page::NoTag,
            Some(
                Code::NameInvalid | Code::ManifestUnknown | Code::ManifestInvalid | Code::BlobUnknown | Code::Other(_),
            )
            | None => page_of_status(*status),
        },
        ErrorKind::SignIn { .. } | ErrorKind::NotGranted { .. } | ErrorKind::At(..) => Page::ByRegistry,
    }
}

/// Of a refusal whose code says no more than its status.
const fn page_of_status(status: u16) -> Page {
    match status {
        401 | 403 => Page::ByRegistry,
        404 => Page::NoTagOrPackage,
        413 => Page::ImageTooLarge,
        429 => Page::TooManyRequests,
        500.. => Page::ServerFault,
        _ => Page::NoReason,
    }
}

/// Where the manual tells of a credential that was refused: what Bitbucket says comes first, then what the token shows.
pub(super) fn page_of_credential(refused: Attempt, finding: Option<&Finding>, asked: &Asked<'_>) -> Page {
    let Some(credential) = asked.credential() else {
        return if asked.asker.standing == Standing::NotAsked {
            Page::ByRegistry
        } else {
            Page::SourceAsks
        };
    };
    if let Some(finding) = finding.filter(|finding| finding.is_cause) {
        return finding.page;
    }
    let token = credential.token.expose();
    match (credential.source, refused) {
        (Source::Foreign, Attempt::SignIn) => Page::SourceNotAccepted,
        (Source::Foreign, _) => Page::SourceDenied,
        (Source::BuiltIn, Attempt::SignIn) => Page::BuiltInNotAccepted,
        (Source::BuiltIn, Attempt::Read) => Page::LinkedElsewhere,
        (Source::BuiltIn, Attempt::Write) => Page::BuiltInMayNotWrite,
        (Source::ApiToken, Attempt::Read) => Page::MayNotRead,
        (Source::ApiToken, Attempt::Write) => Page::MayNotWrite,
        (Source::ApiToken, Attempt::SignIn) => match Integrity::of(token) {
            _ if TokenKind::of(token) == TokenKind::ServiceAccountToken => Page::OddToken,
            Integrity::CutOff | Integrity::Mismatch => Page::Altered,
            _ if !TokenKind::of(token).is_told_by_prefix() => Page::OddToken,
            _ if !credential.username.contains('@') => Page::NotAnEmail,
            _ => finding.map_or(Page::NotAccepted, |finding| finding.page),
        },
    }
}
