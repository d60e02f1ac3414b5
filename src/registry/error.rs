//! What can go wrong between us and a registry, typed: the fact only. What it means for the user's run is said in `crate::explain::refusal`.

use super::body::Code;
use super::party::Party;
use super::reach::Reach;
use super::retry::LONGEST_ASKED;
use super::scope::{Granted, Scopes};
use crate::credential::Credential;
use crate::names::{Digest, Host, Repository};
use crate::text::Quoted;
use reqwest::Url;
use std::fmt;
use std::time::Duration;

/// A failed exchange with a registry or its token server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    pub host: Host,
    /// What was being done, as `reading the manifest of shop/base:1`.
    pub during: String,
    pub kind: ErrorKind,
    /// How often it was tried.
    pub tries: u32,
    /// The pause that the server asked for (`Retry-After`).
    pub asked: Option<Duration>,
    /// Who asked, and for what.
    pub asker: Box<Asker>,
}

/// With which credential and for which rights something was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asker {
    /// The repository; none for a mere sign-in.
    pub repository: Option<Repository>,
    /// The rights that its token was asked for.
    pub scopes: Scopes,
    /// The credential that was sent.
    pub credential: Option<Credential>,
    /// What is known of it.
    pub standing: Standing,
    /// Whether it was to write.
    pub writes: bool,
}

/// What a run knows of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Standing {
    #[default]
    Unknown,
    /// Something was given for it in this run: it is right.
    Accepted,
    /// It is at hand, and the registry, `/v2/` too, asks for none.
    NotAsked,
}

impl Error {
    /// Whether the credential does not reach the repository, so that another one may be tried. An answer about the tag
    /// (`MANIFEST_UNKNOWN`) is an answer.
    #[must_use]
    pub(crate) fn turns_away(&self) -> bool {
        match &self.kind {
            ErrorKind::SignIn { status, .. } => matches!(status, 400 | 401 | 403),
            ErrorKind::NotGranted { .. } => true,
            ErrorKind::Refused { status, code, .. } => {
                matches!(status, 401 | 403)
                    || matches!(code, Some(Code::Unauthorized | Code::Denied | Code::NameUnknown))
            }
            _ => false,
        }
    }

    /// Whether the registry has given an answer that another try does not change.
    #[must_use]
    pub(crate) const fn is_refused(&self) -> bool {
        self.kind.status().is_some() && !self.kind.may_pass()
    }

    /// Whether the repository answered that it has no such manifest: with that code, or with 404 and none that means another
    /// thing.
    #[must_use]
    pub(crate) const fn is_missing(&self) -> bool {
        match &self.kind {
            ErrorKind::Refused {
                status,
                code: Some(Code::ManifestUnknown),
                ..
            } => tells_of_absence(*status),
            ErrorKind::Refused { status: 404, code, .. } => !matches!(
                code,
                Some(Code::NameUnknown | Code::NameInvalid | Code::Denied | Code::Unauthorized | Code::TooManyRequests)
            ),
            _ => false,
        }
    }

    /// Whether the registry answered that it has no such repository.
    #[must_use]
    pub(crate) const fn is_unknown_name(&self) -> bool {
        match &self.kind {
            ErrorKind::Refused {
                status,
                code: Some(Code::NameUnknown),
                ..
            } => tells_of_absence(*status),
            _ => false,
        }
    }

    /// Whether something came in the place of a manifest that cannot be read as one. There is something, whatever it is.
    #[must_use]
    pub(crate) const fn is_unreadable(&self) -> bool {
        matches!(
            self.kind.cause(),
            ErrorKind::Schema1 { .. }
                | ErrorKind::Protocol(_)
                | ErrorKind::WrongDigest { .. }
                | ErrorKind::TooLarge { .. }
        )
    }

    /// Whether the answer sounds like success and proves nothing.
    #[must_use]
    pub(crate) const fn is_unproven(&self) -> bool {
        matches!(self.kind.cause(), ErrorKind::Unproven { .. })
    }
}

/// Whether a status lets a code count that says what is not there. A sign-in that is wanted, a refusal, a pause or a fault
/// may come with any code, and what it hides may be there.
const fn tells_of_absence(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 401 | 403 | 407 | 429)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    Unreachable(Reach),
    /// The registry answered with a refusal.
    Refused {
        status: u16,
        /// Code of the first entry of the OCI error body.
        code: Option<Code>,
        /// The registry's own text.
        words: Quoted,
        /// What the token that was sent had been granted.
        granted: Granted,
    },
    /// The token lacks rights that were asked for, as its server says.
    NotGranted {
        /// As `push on shop/base`, in back-ticks.
        missing: Vec<String>,
        granted: Granted,
    },
    /// The token server refused the sign-in, or could not see to it now.
    SignIn {
        /// HTTP status: 400, 401, 403, 429 or 5xx.
        status: u16,
        /// The server's own text.
        words: Quoted,
        /// Whether a credential was sent.
        signed: bool,
    },
    /// It was not the registry itself: what another answers is its verdict on neither image nor credential.
    At(Party, Box<ErrorKind>),
    /// The registry named a realm that may not have the credential.
    UntrustedRealm {
        realm: Quoted,
        why: &'static str,
    },
    /// A redirect that is not followed.
    Redirect {
        to: Quoted,
        why: &'static str,
    },
    /// What was sent is to be sent again, to another address of the same server.
    Moved {
        /// The address that was named.
        to: Url,
        /// The same for a message.
        shown: Quoted,
    },
    /// An answer that sounds like success, and does not mean that what was asked for was done.
    Unproven {
        status: u16,
    },
    /// A list that is longer than any is.
    TooMany {
        /// How much of it was read.
        what: String,
    },
    /// An image of Docker's schema 1.
    Schema1 {
        image: String,
    },
    /// A web page came in the place of what was asked for.
    WebPage,
    /// The answer makes no sense.
    Protocol(String),
    /// The bytes are not those of the digest.
    WrongDigest {
        /// What was asked for, or what the registry claimed.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// It came in an encoding that nobody asked for.
    Encoded {
        /// As `Content-Encoding` names it.
        encoding: Quoted,
    },
    /// The run holds so much already that no more of it fits.
    OverBudget {
        /// The limit in bytes.
        limit: usize,
    },
    /// A document is larger than is read into memory.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

impl ErrorKind {
    /// Whether a registry says that it refuses because a tag is immutable. Which code that has is documented nowhere.
    #[must_use]
    pub(crate) fn is_of_immutable_tag(&self) -> bool {
        match self {
            Self::Refused { code, words, .. } => {
                let code = code.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{code} {words}").to_ascii_lowercase().contains("immutable")
            }
            _ => false,
        }
    }

    /// Whether there was no answer that a registry gives: neither a yes nor a refusal nor silence.
    #[must_use]
    pub(crate) const fn makes_no_sense(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Refused { .. } | Self::NotGranted { .. } | Self::SignIn { .. } => false,
            Self::At(_, kind) => !matches!(
                **kind,
                Self::Unreachable(_)
                    | Self::Refused {
                        status: 429 | 500..,
                        ..
                    }
                    | Self::SignIn { .. }
            ),
            _ => true,
        }
    }

    /// Whether another try can help.
    #[must_use]
    pub(crate) const fn may_pass(&self) -> bool {
        match self.cause() {
            Self::Unreachable(reach) => reach.may_pass(),
            Self::Refused { status, .. } | Self::SignIn { status, .. } => super::retry::may_pass(*status),
            _ => false,
        }
    }

    /// Whether bytes moved, and too few of them for the time.
    #[must_use]
    pub(crate) const fn is_drip(&self) -> bool {
        matches!(self.cause(), Self::Unreachable(Reach::Drip))
    }

    /// What happened, whoever it happened to.
    #[must_use]
    pub(crate) const fn cause(&self) -> &Self {
        match self {
            Self::At(_, kind) => kind.cause(),
            _ => self,
        }
    }

    /// The status of a refusal by the registry or by its storage: what a token server or a proxy answers is another matter.
    #[must_use]
    pub(crate) const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::At(Party::Storage(_) | Party::Other(_), kind) => kind.status(),
            _ => None,
        }
    }

    /// The same of another party than the registry, if it is one; who failed first stays who failed.
    pub(super) fn at(self, party: Option<Party>) -> Self {
        match (party, self) {
            (Some(party), kind) if !matches!(kind, Self::At(..) | Self::SignIn { .. }) => {
                Self::At(party, Box::new(kind))
            }
            (_, kind) => kind,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            during,
            kind,
            tries,
            asked,
            asker: _,
        } = self;
        match kind {
            ErrorKind::At(party, kind) => tell(f, &party.of(host), during, kind)?,
            kind => tell(f, &format_args!("`{host}`"), during, kind)?,
        }
        if *tries > 1 {
            write!(f, " (tried {tries} times)")?;
        }
        if let Some(asked) = asked.filter(|asked| *asked > LONGEST_ASKED) {
            write!(f, "; it asked to be left alone for {} s", asked.as_secs())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// What happened, in a sentence about who it happened to.
fn tell(f: &mut fmt::Formatter<'_>, who: &dyn fmt::Display, during: &str, kind: &ErrorKind) -> fmt::Result {
    let said = |f: &mut fmt::Formatter<'_>, words: &Quoted| {
        if words.is_empty() {
            Ok(())
        } else {
            write!(f, ", “{words}”")
        }
    };
    match kind {
        ErrorKind::Unreachable(reach) if reach.is_insecure() => {
            // A comma that ends the name of a party belongs to its sentence.
            let who = who.to_string();
            write!(
                f,
                "no secure connection to {} while {during}: {reach}",
                who.trim_end_matches(',')
            )
        }
        ErrorKind::Unreachable(reach) => write!(f, "{who} did not answer while {during}: {reach}"),
        ErrorKind::Refused {
            status, code, words, ..
        } => {
            write!(f, "{who} refused {during}: {status}")?;
            if let Some(code) = code {
                write!(f, " {code}")?;
            }
            said(f, words)
        }
        ErrorKind::NotGranted { missing, .. } => write!(f, "{who} grants no {}", missing.join(" and no ")),
        ErrorKind::SignIn { status, words, signed } => {
            let passes = *status >= 500 || *status == 429;
            let what = match (passes, signed) {
                (false, true) => "did not accept the credential",
                (true, true) => "could not look at the credential",
                (false, false) => "gave no token without a credential",
                (true, false) => "could not give a token",
            };
            write!(f, "{who} {what} while {during}: {status}")?;
            said(f, words)
        }
        ErrorKind::UntrustedRealm { realm, why } => {
            write!(
                f,
                "{who} wants the credential sent to `{realm}`, which gets none: {why}"
            )
        }
        ErrorKind::Redirect { to, why } => {
            write!(f, "{who} redirected {during} to `{to}`, which is not followed: {why}")
        }
        ErrorKind::Moved { shown, .. } => write!(
            f,
            "{who} redirected {during} to `{shown}`, which is not followed: it is one of too many"
        ),
        ErrorKind::Unproven { status } => write!(
            f,
            "{who} answered {during} with {status}, which does not say that it was done"
        ),
        ErrorKind::TooMany { what } => write!(f, "{who} gave more than {what} while {during}"),
        ErrorKind::Schema1 { image } => write!(
            f,
            "`{image}` is an image of Docker's schema 1, which has no stable digest"
        ),
        ErrorKind::WebPage => write!(f, "{who} sent a web page in the place of an answer while {during}"),
        ErrorKind::Protocol(what) => write!(f, "{who} gave an unexpected answer while {during}: {what}"),
        ErrorKind::WrongDigest { expected, found } => write!(
            f,
            "{who} sent other bytes than asked for while {during}: expected {expected}, got {found}"
        ),
        ErrorKind::Encoded { encoding } => write!(
            f,
            "{who} sent its answer encoded as `{encoding}` while {during}, though `identity` was asked for"
        ),
        ErrorKind::OverBudget { limit } => write!(
            f,
            "what {who} sent while {during} is too much for one run, which holds {} of manifests and lists",
            crate::text::bytes(*limit as u64)
        ),
        ErrorKind::TooLarge { limit } => write!(f, "{who} sent more than {limit} bytes while {during}"),
        ErrorKind::At(_, kind) => tell(f, who, during, kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_nobody_waits_for_is_told() {
        let error = |seconds| Error {
            host: Host::parse("crg.apkg.io").unwrap(),
            during: "signing in".to_owned(),
            kind: ErrorKind::Unreachable(Reach::Timeout),
            tries: 1,
            asked: Some(Duration::from_secs(seconds)),
            asker: Box::default(),
        };
        assert!(!error(300).to_string().contains("left alone"));
        let told = error(3600).to_string();
        assert!(told.ends_with("; it asked to be left alone for 3600 s"), "{told}");
    }

    #[test]
    fn absence_is_told_by_status_and_code() {
        let other = || Some(Code::Other(Quoted::new("NOT_FOUND")));
        for (status, code, missing) in [
            (404, Some(Code::ManifestUnknown), true),
            (400, Some(Code::ManifestUnknown), true),
            (410, Some(Code::ManifestUnknown), true),
            (401, Some(Code::ManifestUnknown), false),
            (403, Some(Code::ManifestUnknown), false),
            (407, Some(Code::ManifestUnknown), false),
            (429, Some(Code::ManifestUnknown), false),
            (500, Some(Code::ManifestUnknown), false),
            (503, Some(Code::ManifestUnknown), false),
            (404, None, true),
            (404, other(), true),
            (404, Some(Code::BlobUnknown), true),
            (404, Some(Code::NameUnknown), false),
            (404, Some(Code::NameInvalid), false),
            (404, Some(Code::Denied), false),
            (404, Some(Code::Unauthorized), false),
            (404, Some(Code::TooManyRequests), false),
            (403, Some(Code::Denied), false),
            (405, None, false),
            (400, other(), false),
            (500, None, false),
        ] {
            let error = refused(status, code.clone());
            assert_eq!(error.is_missing(), missing, "{status} {code:?}");
        }
        for (status, unknown) in [
            (404, true),
            (400, true),
            (401, false),
            (403, false),
            (407, false),
            (429, false),
            (500, false),
        ] {
            let error = refused(status, Some(Code::NameUnknown));
            assert_eq!(error.is_unknown_name(), unknown, "{status}");
        }
    }

    fn refused(status: u16, code: Option<Code>) -> Error {
        Error {
            host: Host::bitbucket(),
            during: "reading `shop/base:1`".to_owned(),
            kind: ErrorKind::Refused {
                status,
                code,
                words: Quoted::default(),
                granted: Granted::Unknown,
            },
            tries: 1,
            asked: None,
            asker: Box::default(),
        }
    }
}
