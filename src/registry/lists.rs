//! Lists, page by page: the tags of a repository, and what refers to a manifest.

use super::error::{Error, Problem};
use super::exchange::{Answer, Ask, Target};
use super::trust::Purpose;
use super::{Remote, manifest};
use crate::names::{Digest, Selector, Tag};
use reqwest::Url;

/// Tags that are asked for at a time.
const TAGS_ON_A_PAGE: usize = 1000;
/// Most pages of tags that are read.
const MOST_PAGES: usize = 1000;
/// Largest list of tags that is read, in bytes.
const LARGEST_LIST: usize = 4 * 1024 * 1024;

impl Remote {
    /// The manifests whose `subject` is this digest, as descriptors with their annotations: by the referrers API, or where
    /// a registry lacks it by the tag that stands in for it (OCI distribution specification, "Listing Referrers").
    ///
    /// # Errors
    /// The refusal. That a registry knows no referrers is an empty list.
    pub async fn referrers(&self, subject: &Digest) -> Result<Vec<serde_json::Value>, Error> {
        let during = format!("listing what refers to `{}@{subject}`", self.repository.path());
        let mut found = Vec::new();
        let mut page = Target::Path(format!("{}/referrers/{subject}", self.repository.path()));
        for _ in 0..MOST_PAGES {
            let ask = Ask {
                target: page,
                accept: Some("application/vnd.oci.image.index.v1+json"),
                ..Ask::get(String::new(), &self.scopes, manifest::LARGEST, during.clone())
            };
            let answer = match self.registry.exchange(ask).await {
                Ok(answer) => answer,
                // Registries without the API say so with any of these.
                Err(Error {
                    problem:
                        Problem::Refused {
                            status: 400 | 404 | 405 | 501,
                            ..
                        },
                    ..
                }) => return self.referrers_by_tag(subject).await,
                Err(error) => return Err(error),
            };
            found.extend(entries(&answer.body));
            match self.next_page(&answer, &during)? {
                Some(next) => page = Target::Address(next, Purpose::NextPage),
                None => break,
            }
        }
        Ok(found)
    }

    /// The entries of the index under the fallback tag; none where there is no such tag.
    ///
    /// # Errors
    /// Any refusal but "there is none".
    pub async fn referrers_by_tag(&self, subject: &Digest) -> Result<Vec<serde_json::Value>, Error> {
        let Ok(tag) = Tag::parse(&fallback_tag(subject)) else {
            return Ok(Vec::new());
        };
        match self.manifest(&Selector::Tag(tag)).await {
            Ok(index) => Ok(entries(&index.bytes)),
            Err(Error {
                problem: Problem::Refused { status: 404, .. },
                ..
            }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Up to `most` tags of a repository, as the registry orders them. One page.
    ///
    /// # Errors
    /// The refusal; registries need not offer the list.
    pub async fn tags(&self, most: usize) -> Result<Vec<Tag>, Error> {
        let first = Target::Path(format!("{}/tags/list?n={most}", self.repository.path()));
        let (mut tags, _) = self.tag_page(first).await?;
        tags.truncate(most);
        Ok(tags)
    }

    /// All tags of a repository, page by page.
    ///
    /// # Errors
    /// The refusal, or more pages than any repository has.
    pub async fn all_tags(&self) -> Result<Vec<Tag>, Error> {
        let mut tags = Vec::new();
        let mut page = Target::Path(format!("{}/tags/list?n={TAGS_ON_A_PAGE}", self.repository.path()));
        for _ in 0..MOST_PAGES {
            let (more, next) = self.tag_page(page).await?;
            tags.extend(more);
            match next {
                Some(next) => page = Target::Address(next, Purpose::NextPage),
                None => return Ok(tags),
            }
        }
        let during = format!("listing the tags of `{}`", self.repository.path());
        Err(self.registry.error(
            during,
            Problem::Protocol(format!("it has more than {MOST_PAGES} pages of tags")),
            1,
        ))
    }

    /// One page of tags, and where the next one is (`Link`, RFC 8288).
    async fn tag_page(&self, target: Target) -> Result<(Vec<Tag>, Option<Url>), Error> {
        #[derive(serde::Deserialize)]
        struct List {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let during = format!("listing the tags of `{}`", self.repository.path());
        let ask = Ask {
            target,
            ..Ask::get(String::new(), &self.scopes, LARGEST_LIST, during.clone())
        };
        let answer = self.registry.exchange(ask).await?;
        let list: List = serde_json::from_slice(&answer.body).map_err(|_| {
            self.registry.error(
                during.clone(),
                Problem::Protocol("the list is no list of tags".to_owned()),
                1,
            )
        })?;
        // A tag that is no tag can neither be copied nor suggested.
        let tags = list
            .tags
            .unwrap_or_default()
            .iter()
            .filter_map(|tag| Tag::parse(tag).ok())
            .collect();
        Ok((tags, self.next_page(&answer, &during)?))
    }

    /// Where the next page of a list is. A page elsewhere is an error and not the end: half a list would pass for a whole one.
    fn next_page(&self, answer: &Answer, during: &str) -> Result<Option<Url>, Error> {
        let Some(link) = answer
            .headers
            .get("link")
            .and_then(|value| value.to_str().ok())
            .and_then(next_page)
        else {
            return Ok(None);
        };
        // Whether it is asked, the rule says before it is.
        answer.url.join(link).map(Some).map_err(|_| {
            let problem = Problem::Protocol("a link to what is not a URL".to_owned());
            self.registry.error(during.to_owned(), problem, 1)
        })
    }
}

/// The tag under which clients keep the list of referrers where a registry does not, and which cosign's tags begin with.
#[must_use]
pub fn fallback_tag(subject: &Digest) -> String {
    let tag = subject.as_str().replacen(':', "-", 1);
    // The specification cuts the longer digests to what a tag may hold.
    tag.chars().take(128).collect()
}

/// The `manifests` of an index, each as it stands there.
fn entries(index: &[u8]) -> Vec<serde_json::Value> {
    #[derive(serde::Deserialize)]
    struct Index {
        #[serde(default)]
        manifests: Vec<serde_json::Value>,
    }
    serde_json::from_slice::<Index>(index).map_or_else(|_| Vec::new(), |index| index.manifests)
}

/// The target of `<…>; rel="next"`.
fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (target, parameters) = part.trim().strip_prefix('<')?.split_once('>')?;
        let parameters = parameters.to_ascii_lowercase().replace(['"', ' '], "");
        parameters
            .split(';')
            .any(|parameter| parameter == "rel=next")
            .then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_page_is_one() {
        for (link, next) in [
            ("</v2/a/tags/list?last=1>; rel=\"next\"", Some("/v2/a/tags/list?last=1")),
            ("<a>; title=x; rel=next", Some("a")),
            ("<a>; rel=\"prev\", <b>; REL = \"next\"", Some("b")),
            ("<a>; rel=last", None),
            ("<a>", None),
            ("a; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next_page(link), next, "{link}");
        }
    }
}
