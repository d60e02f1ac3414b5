//! Why a registry refused the daemon, where the daemon does not pass it on: containerd says "not found" of what a refused
//! token kept from it, and from Docker 28 on gives a refusal's words without its code. The registry is asked by the pipe itself.

use crate::action::Run;
use crate::engine::{Error, Refusal};
use crate::names::{Digest, Selector};
use crate::registry::manifest::Descriptor;
use crate::registry::{self, Negative, Remote};

/// What the daemon was about.
pub(in crate::action) enum FailedTransfer<'a> {
    /// Reading this manifest and these layers of it.
    Pull(&'a Digest, &'a [Descriptor]),
    /// Writing, whatever it was.
    Push,
}

/// The daemon's error, with the registry's own reason where the daemon gave none. Asked within the time of one request: the run
/// has failed already.
pub(in crate::action) async fn with_reason(
    run: &Run,
    error: Error,
    remote: &Remote,
    asked: &FailedTransfer<'_>,
) -> Error {
    let (Error::NotResolved { .. }
    | Error::Registry {
        refusal: Refusal::Unstated,
        ..
    }) = &error
    else {
        return error;
    };
    let reason = tokio::time::timeout(run.timeout, reason(remote, asked)).await;
    match (reason.ok().flatten(), error) {
        (Some(refusal), Error::NotResolved { asked, words } | Error::Registry { asked, words, .. }) => {
            Error::Registry { asked, refusal, words }
        }
        (_, error) => error,
    }
}

/// What the registry answers to the pipe when it is asked for the same; nothing where it has no objection.
async fn reason(remote: &Remote, asked: &FailedTransfer<'_>) -> Option<Refusal> {
    match asked {
        FailedTransfer::Pull(digest, layers) => {
            match remote
                .digest(&Selector::Digest((*digest).clone()), Negative::Confirmed)
                .await
            {
                Ok(Some(_)) => {}
                Ok(None) => return Some(Refusal::ManifestUnknown),
                Err(error) => return refusal(&error, Refusal::ManifestUnknown),
            }
            // One byte of one layer: whoever may read one may read all.
            let error = remote.read_blob(&layers.first()?.digest, (0, Some(1))).await.err()?;
            refusal(&error, Refusal::PartUnknown)
        }
        FailedTransfer::Push => match remote.begin_upload().await {
            Ok(upload) => {
                // It is dropped in time if this fails.
                let _ = remote.cancel_upload(upload).await;
                None
            }
            Err(error) => refusal(&error, Refusal::NameUnknown),
        },
    }
}

/// The kind of a refusal; `missing` is what a mere 404 means.
fn refusal(error: &registry::Error, missing: Refusal) -> Option<Refusal> {
    use registry::{Code, ErrorKind};
    let kind = match &error.kind {
        // The token server may be another.
        ErrorKind::At(_, kind) if matches!(**kind, ErrorKind::SignIn { .. }) => &**kind,
        kind => kind,
    };
    Some(match kind {
        ErrorKind::NotGranted { .. } => Refusal::Denied,
        ErrorKind::SignIn { status: 429, .. } | ErrorKind::Refused { status: 429, .. } => Refusal::TooManyRequests,
        ErrorKind::SignIn {
            status: 400 | 401 | 403,
            ..
        } => Refusal::Unauthorized,
        ErrorKind::Refused { status, code, .. } => match (code, status) {
            (Some(Code::TooManyRequests), _) => Refusal::TooManyRequests,
            (Some(Code::NameUnknown), _) => Refusal::NameUnknown,
            (Some(Code::Denied), _) | (_, 403) => Refusal::Denied,
            (Some(Code::Unauthorized), _) | (_, 401) => Refusal::Unauthorized,
            (_, 404) => missing,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Host;
    use crate::registry::{Asker, Code, ErrorKind, Granted};
    use crate::text::Quoted;

    #[test]
    fn what_the_registry_answers_has_a_kind() {
        let refused = |status, code| ErrorKind::Refused {
            status,
            code,
            words: Quoted::new("not so"),
            granted: Granted::default(),
        };
        let sign_in = |status| ErrorKind::SignIn {
            status,
            words: Quoted::new("not so"),
            signed: true,
        };
        for (problem, kind) in [
            (refused(401, Some(Code::Unauthorized)), Some(Refusal::Unauthorized)),
            (refused(401, None), Some(Refusal::Unauthorized)),
            (refused(401, Some(Code::Denied)), Some(Refusal::Denied)),
            (refused(403, Some(Code::Denied)), Some(Refusal::Denied)),
            (refused(403, None), Some(Refusal::Denied)),
            (
                refused(403, Some(Code::Other(Quoted::new("QUOTA")))),
                Some(Refusal::Denied),
            ),
            (refused(404, Some(Code::NameUnknown)), Some(Refusal::NameUnknown)),
            (refused(404, Some(Code::BlobUnknown)), Some(Refusal::PartUnknown)),
            (refused(404, None), Some(Refusal::PartUnknown)),
            (
                refused(429, Some(Code::TooManyRequests)),
                Some(Refusal::TooManyRequests),
            ),
            (refused(429, None), Some(Refusal::TooManyRequests)),
            (refused(400, None), None),
            (refused(500, None), None),
            (sign_in(401), Some(Refusal::Unauthorized)),
            (sign_in(403), Some(Refusal::Unauthorized)),
            (sign_in(429), Some(Refusal::TooManyRequests)),
            (sign_in(503), None),
            (ErrorKind::WebPage, None),
        ] {
            let error = registry::Error {
                host: Host::parse("localhost").unwrap(),
                during: "reading".to_owned(),
                kind: problem,
                tries: 1,
                asked: None,
                asker: Box::new(Asker::default()),
            };
            assert_eq!(refusal(&error, Refusal::PartUnknown), kind, "{error:?}");
        }
    }
}
