//! What refers to a manifest (OCI distribution specification, "Listing Referrers"): by the API, or by the tag that stands in
//! for it where a registry has none ("Referrers Tag Schema").

use super::{Most, Total, page};
use crate::names::{Digest, Selector, Tag};
use crate::registry::error::{Error, ErrorKind};
use crate::registry::exchange::{Answer, Ask, Target};
use crate::registry::manifest::{self, Descriptor};
use crate::registry::reading::plain;
use crate::registry::{Charge, Remote};
use reqwest::header::CONTENT_TYPE;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// The only form that a list of referrers has.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(super) const MOST_REFERRERS: Most = Most {
    what: "manifests",
    entries: 1000,
    bytes: 8 * 1024 * 1024,
    pages: 200,
    time: Duration::from_secs(600),
};

/// A manifest that refers to another.
#[derive(Debug, Clone)]
pub(crate) struct Referrer {
    pub digest: Digest,
    /// Its descriptor with all annotations, as it was listed.
    pub descriptor: Box<RawValue>,
    /// What it costs the run.
    _held: Arc<Charge>,
}

impl Remote {
    /// The manifests whose `subject` is this digest, each once. A list is taken for one only in the form that the specification
    /// gives it and of the registry itself: a page that asks to sign in lists nothing, and is not an empty list. `by_tag` says
    /// whether a tag was met that stands in for the API: who keeps such tags and has none here lists nothing.
    ///
    /// # Errors
    /// The refusal, or that nothing which may be believed was listed. That a registry has no such API, and no tag in its place, is
    /// an empty list.
    pub(crate) async fn referrers(&self, subject: &Digest, by_tag: &mut bool) -> Result<Vec<Referrer>, Error> {
        let during = format!("listing what refers to `{}@{subject}`", self.repository.path());
        let mut found = Vec::new();
        let mut total = Total::of(MOST_REFERRERS);
        let mut target = Target::Path(format!("{}/referrers/{subject}", self.repository.path()));
        let mut is_first = true;
        loop {
            let ask = Ask {
                target,
                accept: Some(INDEX),
                at_home: true,
                ..Ask::get(String::new(), &self.scopes, manifest::LARGEST, during.clone())
            };
            let page = match self.exchange(ask).await {
                Ok(answer) => match listed(&answer, &mut total, &mut found, self.charge()) {
                    Ok(()) => Ok(self.next_page(&answer, &during)?),
                    Err(kind) => Err(self.error(during.clone(), kind)),
                },
                Err(error) => Err(error),
            };
            match page {
                Ok(Some(next)) => target = next,
                Ok(None) => return Ok(found),
                Err(error) if is_first => return self.referrers_without_api(subject, by_tag, error).await,
                Err(error) => return Err(error),
            }
            is_first = false;
        }
    }

    /// What the tag lists that stands in for the API, where that answered with this error.
    async fn referrers_without_api(
        &self,
        subject: &Digest,
        by_tag: &mut bool,
        error: Error,
    ) -> Result<Vec<Referrer>, Error> {
        let is_there = match &error.kind {
            // Registries without the API say so with any of these.
            ErrorKind::Refused {
                status: 400 | 404 | 405 | 501,
                ..
            } => false,
            kind => match kind.cause() {
                // Harbor's answers 401 to who may read the image (harbor#18305).
                ErrorKind::Refused { status: 400..=407, .. }
                | ErrorKind::Redirect { .. }
                | ErrorKind::Unproven { .. }
                | ErrorKind::WebPage
                | ErrorKind::Protocol(_) => true,
                _ => return Err(error),
            },
        };
        match self.referrers_by_tag(subject).await? {
            Some(listed) => {
                *by_tag = true;
                Ok(listed)
            }
            None if is_there && !*by_tag => Err(error),
            None => Ok(Vec::new()),
        }
    }

    /// The entries of the index under the tag that stands in for the API; `None` where there is no such tag.
    ///
    /// # Errors
    /// Any refusal but "there is none", or what is there lists nothing.
    pub(crate) async fn referrers_by_tag(&self, subject: &Digest) -> Result<Option<Vec<Referrer>>, Error> {
        let Ok(tag) = Tag::parse(&fallback_tag(subject)) else {
            return Ok(None);
        };
        let index = match self.manifest(&Selector::Tag(tag.clone())).await {
            Ok(index) => index,
            Err(error) if error.is_missing() || error.is_unknown_name() => return Ok(None),
            Err(error) => return Err(error),
        };
        // GitLab's takes the tag for the digest, and gives the image itself (oras-go#1396).
        if index.digest == *subject {
            return Ok(None);
        }
        let fail = |kind| {
            let during = format!("listing what refers to `{}@{subject}`", self.repository.path());
            self.error(during, kind)
        };
        if index.media_type != INDEX {
            return Err(fail(ErrorKind::Protocol(format!(
                "the tag `{tag}`, which is used in place of the list, is not an OCI index"
            ))));
        }
        let mut found = Vec::new();
        entries(&index.bytes, &mut found, self.charge()).map_err(fail)?;
        let mut total = Total::of(MOST_REFERRERS);
        total.take(found.len(), index.bytes.len()).map_err(fail)?;
        Ok(Some(found))
    }
}

/// Takes what an answer lists.
fn listed(answer: &Answer, total: &mut Total, found: &mut Vec<Referrer>, charge: Charge) -> Result<(), ErrorKind> {
    plain(&answer.headers, &answer.body)?;
    let media_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !media_type.eq_ignore_ascii_case(INDEX) {
        return Err(ErrorKind::Protocol("what it sent is not an OCI index".to_owned()));
    }
    let before = found.len();
    entries(&answer.body, found, charge)?;
    // The same manifest on two pages counts twice.
    total.take(found.len().saturating_sub(before), answer.body.len())
}

/// Adds the entries of an index, each once.
pub(super) fn entries(index: &[u8], found: &mut Vec<Referrer>, mut charge: Charge) -> Result<(), ErrorKind> {
    if !manifest::is_index(index) {
        return Err(ErrorKind::Protocol("what it sent is not an OCI index".to_owned()));
    }
    // As large as all entries together can be.
    charge.grow(index.len())?;
    let held = Arc::new(charge);
    let read = page::read(index, "manifests", |entry| {
        let digest = Descriptor::read(entry.get())?.digest;
        if found.len() > MOST_REFERRERS.entries || found.iter().any(|known| known.digest == digest) {
            return Ok(());
        }
        found.push(Referrer {
            digest,
            descriptor: entry.to_owned(),
            _held: Arc::clone(&held),
        });
        Ok(())
    });
    read.map_err(ErrorKind::Protocol)
}

/// The tag under which clients keep the list of referrers where a registry does not, and which cosign's tags begin with.
#[must_use]
pub(crate) fn fallback_tag(subject: &Digest) -> String {
    let tag = subject.as_str().replacen(':', "-", 1);
    // The specification cuts the longer digests to what a tag may hold.
    tag.chars().take(128).collect()
}
