//! Lists, page by page: the tags of a repository, and what refers to a manifest. One is whole or an error: half a list would
//! pass for a whole one, and what it lacks would be lost in silence.

mod link;
pub(super) mod page;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod referrers;

pub(crate) use referrers::{Referrer, fallback_tag};

use super::Remote;
use super::error::{Error, ErrorKind};
use super::exchange::{Answer, Ask, Target};
use super::reading::plain;
use super::trust::Purpose;
use crate::names::Tag;
use crate::text::Quoted;
use std::time::{Duration, Instant};

/// Tags that are asked for at a time.
const TAGS_ON_A_PAGE: usize = 1000;
/// Largest page of tags that is read, in bytes.
const LARGEST_PAGE: usize = 4 * 1024 * 1024;
/// Tags on a page come in multiples of these where a registry gives fewer at a time than it is asked for: a page of such a
/// number is asked what comes after it.
const ROUND: [usize; 3] = [10, 16, 25];

/// Most texts that are not tags that are kept.
const MOST_ODD: usize = 5;

/// What a tag costs that is kept: an image of a run is made of it.
const TAG: usize = 600;

/// How much of a list is read.
struct Total {
    entries: usize,
    bytes: usize,
    pages: usize,
    begun: Instant,
    most: Most,
}

/// The bounds of a list. No list of a real repository comes near them.
#[derive(Clone, Copy)]
struct Most {
    what: &'static str,
    entries: usize,
    bytes: usize,
    pages: usize,
    time: Duration,
}

const MOST_TAGS: Most = Most {
    what: "tags",
    entries: 500_000,
    bytes: 128 * 1024 * 1024,
    pages: 2000,
    time: Duration::from_secs(1800),
};

impl Total {
    fn of(most: Most) -> Self {
        Self {
            entries: 0,
            bytes: 0,
            pages: 0,
            begun: Instant::now(),
            most,
        }
    }

    /// Counts a page.
    ///
    /// # Errors
    /// It is one too many.
    fn take(&mut self, entries: usize, bytes: usize) -> Result<(), ErrorKind> {
        self.entries = self.entries.saturating_add(entries);
        self.bytes = self.bytes.saturating_add(bytes);
        self.pages += 1;
        let Most {
            what,
            entries,
            bytes,
            pages,
            time,
        } = self.most;
        let over = if self.entries > entries {
            format!("{entries} {what}")
        } else if self.bytes > bytes {
            format!("{bytes} bytes of {what}")
        } else if self.pages > pages {
            format!("{pages} pages of {what}")
        } else if self.begun.elapsed() > time {
            format!("{} s of {what}", time.as_secs())
        } else {
            return Ok(());
        };
        Err(ErrorKind::TooMany { what: over })
    }
}

/// What a registry lists of a repository.
#[derive(Debug)]
pub(crate) struct ListedTags {
    /// Some perhaps twice.
    pub tags: Vec<Tag>,
    /// The first of those texts that are not tags: they can neither be copied nor read.
    pub odd: Vec<Quoted>,
}

/// What a page of tags held.
struct PageOfTags {
    count: usize,
    last: Option<String>,
    next: Option<Target>,
}

impl Remote {
    /// Up to `most` tags of a repository, as the registry orders them. One page.
    ///
    /// # Errors
    /// The refusal; registries need not offer the list.
    pub(crate) async fn tags(&self, most: usize) -> Result<Vec<Tag>, Error> {
        let mut tags = Vec::new();
        self.tag_page(self.tags_from(most, None), &mut Total::of(MOST_TAGS), |tag| {
            if let Ok(tag) = tag
                && tags.len() < most
            {
                tags.push(tag);
            }
        })
        .await?;
        Ok(tags)
    }

    /// All tags of a repository that fit, page by page; some perhaps twice.
    ///
    /// # Errors
    /// The refusal, a list that is not known to be whole, or more of it than any repository has.
    pub(crate) async fn all_tags(&self, fits: impl Fn(&Tag) -> bool) -> Result<Vec<Tag>, Error> {
        self.list(&fits).await.map(|listed| listed.tags)
    }

    /// Everything that is listed of a repository.
    ///
    /// # Errors
    /// As [`Self::all_tags`].
    pub(crate) async fn everything(&self) -> Result<ListedTags, Error> {
        self.list(&|_| true).await
    }

    async fn list(&self, fits: &dyn Fn(&Tag) -> bool) -> Result<ListedTags, Error> {
        let mut tags = Vec::new();
        let mut odd: Vec<Quoted> = Vec::new();
        let mut total = Total::of(MOST_TAGS);
        let mut charge = self.charge();
        let mut size = TAGS_ON_A_PAGE;
        let mut target = self.tags_from(size, None);
        let mut links = false;
        let mut kept = 0;
        // The page before, of those that no link led to.
        let mut before: Option<PageOfTags> = None;
        loop {
            let keep = |tag: Result<Tag, &str>| match tag {
                Ok(tag) if fits(&tag) => tags.push(tag),
                Err(text) if odd.len() < MOST_ODD => odd.push(Quoted::new(text)),
                _ => {}
            };
            let page = self.tag_page(target, &mut total, keep).await?;
            self.hold(&mut charge, (tags.len() - kept) * TAG)?;
            kept = tags.len();
            if let Some(next) = page.next {
                (target, links) = (next, true);
                continue;
            }
            // Who has linked to a page links to each.
            let Some(last) = page.last.clone().filter(|_| !links) else {
                return Ok(ListedTags { tags, odd });
            };
            // Some registries honour `n`, or give fewer, and link to no next page (nexus-public#117).
            let may_be_cut = page.count >= size || ROUND.iter().any(|round| page.count > 0 && page.count % round == 0);
            let is_again = before.as_ref().is_some_and(|before| before.last == page.last);
            if !may_be_cut {
                return Ok(ListedTags { tags, odd });
            }
            if !is_again {
                target = self.tags_from(size, Some(&last));
                before = Some(page);
                continue;
            }
            // It does not heed `last` either. Where it heeds `n`, a larger page tells whether that was all; who gave more than
            // was asked for (docker-registry 2.8) does not, and gives no more.
            if page.count != size {
                return Ok(ListedTags { tags, odd });
            }
            size = size.saturating_mul(2);
            (target, before) = (self.tags_from(size, None), None);
        }
    }

    fn tags_from(&self, size: usize, last: Option<&str>) -> Target {
        let last = last.map_or_else(String::new, |last| format!("&last={}", escaped(last)));
        Target::Path(format!("{}/tags/list?n={size}{last}", self.repository.path()))
    }

    /// Reads one page of tags; `keep` gets each tag of it, and each text that is none.
    async fn tag_page(
        &self,
        target: Target,
        total: &mut Total,
        mut keep: impl FnMut(Result<Tag, &str>),
    ) -> Result<PageOfTags, Error> {
        let during = format!("listing the tags of `{}`", self.repository.path());
        let ask = Ask {
            target,
            ..Ask::get(String::new(), &self.scopes, LARGEST_PAGE, during.clone())
        };
        let answer = self.exchange(ask).await?;
        let fail = |kind| self.error(during.clone(), kind);
        plain(&answer.headers, &answer.body).map_err(fail)?;
        let (mut count, mut last) = (0, None);
        let read = page::strings(&answer.body, "tags", |tag| {
            count += 1;
            let parsed = Tag::parse(tag).map_err(|_| tag);
            if let Ok(tag) = &parsed {
                last = Some(tag.as_str().to_owned());
            }
            keep(parsed);
        });
        read.map_err(|what| {
            fail(ErrorKind::Protocol(format!(
                "the answer is not a list of tags ({what})"
            )))
        })?;
        total.take(count, answer.body.len()).map_err(fail)?;
        let next = self.next_page(&answer, &during)?;
        Ok(PageOfTags { count, last, next })
    }

    /// Where the next page of a list is. What is not understood is an error and not the end.
    fn next_page(&self, answer: &Answer, during: &str) -> Result<Option<Target>, Error> {
        let fail = |what: &str| {
            self.registry
                .error(during.to_owned(), ErrorKind::Protocol(what.to_owned()), 1)
        };
        let next = link::next(&answer.headers).map_err(|_| fail("its `Link` to the next page cannot be read"))?;
        let Some(next) = next else { return Ok(None) };
        // Whether it is asked, the rule says before it is.
        let next = answer
            .url
            .join(&next)
            .map_err(|_| fail("a link to what is not a URL"))?;
        if next == answer.url {
            return Err(fail("a page that names itself as the next one"));
        }
        Ok(Some(Target::Address(next, Purpose::NextPage)))
    }
}

/// A tag in a query. A `+` would be read as a blank, and a hostile list may hold anything.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = std::fmt::Write::write_fmt(&mut escaped, format_args!("%{byte:02X}"));
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_total_in_number_bytes_and_pages() {
        let most = Most {
            what: "tags",
            entries: 10,
            bytes: 100,
            pages: 3,
            time: Duration::from_secs(60),
        };
        for (pages, over) in [
            (&[(4, 10), (6, 10)][..], None),
            (&[(4, 10), (7, 10)], Some("10 tags")),
            (&[(0, 50), (0, 51)], Some("100 bytes of tags")),
            (&[(0, 1); 3], None),
            (&[(0, 1); 4], Some("3 pages of tags")),
        ] {
            let mut total = Total::of(most);
            let taken = pages
                .iter()
                .try_for_each(|(entries, bytes)| total.take(*entries, *bytes));
            let over = over.map(|over| ErrorKind::TooMany { what: over.to_owned() });
            assert_eq!(taken.err(), over, "{pages:?}");
        }
        let mut late = Total::of(Most {
            time: Duration::ZERO,
            ..most
        });
        std::thread::sleep(Duration::from_millis(1));
        assert!(late.take(0, 0).is_err());
    }
}
