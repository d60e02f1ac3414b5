//! Whether what the daemon says of a push is so: the registry is asked for the tag, and what it shows is what is told. What
//! the daemon does not say is read there too.

use crate::action::Run;
use crate::engine::{self, layer_name};
use crate::explain::failure::{Failure, FailureKind};
use crate::explain::{Page, RunError};
use crate::names::{Digest, Selector, Tag};
use crate::registry::manifest::Content;
use crate::registry::{Manifest, Negative, Remote, retry};

/// What the registry shows of a tag that the daemon has pushed.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// What was pushed.
    Right(Digest),
    /// What was there before, or nothing: a registry of several servers may need a moment.
    NotYet,
    /// Another image.
    Other(Digest),
}

impl Shown {
    /// By the digest that the daemon `named`, where it named one, and what the tag was `before`.
    fn of(shown: Option<Digest>, named: Option<&Digest>, before: Option<&Digest>) -> Self {
        match shown {
            None => Self::NotYet,
            Some(shown) if named == Some(&shown) => Self::Right(shown),
            Some(shown) if before == Some(&shown) => Self::NotYet,
            Some(shown) if named.is_none() => Self::Right(shown),
            Some(shown) => Self::Other(shown),
        }
    }
}

/// Why a push is not proven.
pub(in crate::action) enum Unproven {
    /// The registry shows this of the tag, or nothing.
    Shown(Option<Digest>, Failure),
    /// It was not to be learnt.
    Unknown(RunError),
}

impl From<Unproven> for RunError {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Shown(_, failure) => failure.into(),
            Unproven::Unknown(error) => error,
        }
    }
}

/// The digest that the registry shows for a tag after its push, by one HEAD where it shows it at once: whatever answers every
/// request with "fine" satisfies a daemon.
///
/// # Errors
/// It does not show the tag with the digest that the daemon named.
pub(in crate::action) async fn proven(
    run: &Run,
    target: &Remote,
    tag: &Tag,
    named: Option<&Digest>,
    before: Option<&Digest>,
) -> Result<Digest, Unproven> {
    let mut tries = 1;
    loop {
        let shown = target.digest(&Selector::Tag(tag.clone()), Negative::Confirmed).await;
        let shown = shown.map_err(|error| Unproven::Unknown(error.into()))?;
        let shown = match (shown, named) {
            // A daemon names SHA-256; the registry may tell another one of the same bytes.
            (Some(shown), Some(named)) if shown.algorithm() != named.algorithm() => {
                let read = target.manifest(&Selector::Digest(shown.clone())).await;
                let manifest = read.map_err(|error| Unproven::Unknown(error.into()))?;
                let is_named = manifest.has_digest(named);
                Some(if is_named { named.clone() } else { shown })
            }
            (shown, _) => shown,
        };
        match Shown::of(shown.clone(), named, before) {
            Shown::Right(digest) => return Ok(digest),
            Shown::Other(_) => {}
            Shown::NotYet => {
                if let Some(pause) = run.policy.next(tries, None, retry::chance()) {
                    tokio::time::sleep(pause).await;
                    tries += 1;
                    continue;
                }
            }
        }
        let failure = not_proven(&format!("{}:{tag}", target.repository()), named, shown.as_ref());
        return Err(Unproven::Shown(shown, failure));
    }
}

fn not_proven(place: &str, named: Option<&Digest>, shown: Option<&Digest>) -> Failure {
    let named = named.map_or_else(|| format!("`{place}`"), ToString::to_string);
    let shows = shown.map_or_else(
        || format!("has no `{place}`"),
        |digest| format!("shows `{place}` as {digest}"),
    );
    Failure::new(
        FailureKind::Other,
        Page::NotPushed,
        format!("the Docker daemon says that it pushed {named}, and the registry {shows}"),
        "another step may have set the tag meanwhile; else run with `DEBUG: 'true'` to see each request",
    )
}

/// Whether a push that failed so, at its first try, may have reached the registry all the same.
pub(in crate::action) fn may_have_arrived(error: &engine::Error) -> bool {
    use engine::{Error, Refusal};
    match error {
        Error::Broken { .. }
        | Error::Stalled { .. }
        | Error::Endless { .. }
        | Error::Protocol { .. }
        | Error::Daemon { .. }
        | Error::RegistryUnreachable { .. } => true,
        Error::Registry { refusal, .. } => *refusal == Refusal::Unstated,
        _ => false,
    }
}

/// The digest of the tag, if it is the image now and was not `before`. Asked within the time of one request: the run has
/// failed already.
pub(in crate::action) async fn arrived(
    run: &Run,
    target: &Remote,
    tag: &Tag,
    before: Option<&Digest>,
    is_same: impl Fn(&Manifest) -> bool,
) -> Option<Digest> {
    let look = tokio::time::timeout(run.timeout, run.session.look(target, tag)).await;
    let manifest = look.ok()?.ok()??.manifest?;
    (Some(&manifest.digest) != before && is_same(&manifest)).then_some(manifest.digest)
}

/// The bytes of those layers of a manifest that the daemon named so.
pub(in crate::action) fn sizes(manifest: &Manifest, layers: &[String]) -> u64 {
    let Ok(Content::Image { layers: all, .. }) = manifest.content() else {
        return 0;
    };
    let named = all.iter().filter(|layer| layers.contains(&layer_name(&layer.digest)));
    named.map(|layer| layer.size).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_proven_by_what_the_registry_shows() {
        let [pushed, old, other] = [b"pushed" as &[u8], b"old", b"other"].map(Digest::of);
        let right = Shown::Right(pushed.clone());
        for (shown, named, before, expected) in [
            (Some(&pushed), Some(&pushed), None, &right),
            (Some(&pushed), Some(&pushed), Some(&old), &right),
            (Some(&pushed), Some(&pushed), Some(&pushed), &right),
            // A daemon that names no digest.
            (Some(&pushed), None, None, &right),
            (Some(&pushed), None, Some(&old), &right),
            (Some(&old), None, Some(&old), &Shown::NotYet),
            (None, Some(&pushed), None, &Shown::NotYet),
            (None, None, Some(&old), &Shown::NotYet),
            (Some(&old), Some(&pushed), Some(&old), &Shown::NotYet),
            (Some(&other), Some(&pushed), Some(&old), &Shown::Other(other.clone())),
            (Some(&other), Some(&pushed), None, &Shown::Other(other.clone())),
        ] {
            let found = Shown::of(shown.cloned(), named, before);
            assert_eq!(found, *expected, "{shown:?} for {named:?}, {before:?} before");
        }
    }

    #[test]
    fn what_is_not_proven_says_what_each_side_says() {
        let [pushed, other] = [b"pushed" as &[u8], b"other"].map(Digest::of);
        for (named, shown, says) in [
            (
                Some(&pushed),
                Some(&other),
                format!("pushed {pushed}, and the registry shows `r/x:1` as {other}"),
            ),
            (
                Some(&pushed),
                None,
                format!("pushed {pushed}, and the registry has no `r/x:1`"),
            ),
            (None, None, "pushed `r/x:1`, and the registry has no `r/x:1`".to_owned()),
        ] {
            let failure = not_proven("r/x:1", named, shown);
            assert!(failure.message.ends_with(&says), "{failure}");
            assert_eq!(failure.kind.status(), 1);
        }
    }
}
