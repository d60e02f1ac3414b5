//! What a `copy` reads of a repository, one image or those of a pattern, and which of them are this step's share.

use crate::names::{BadReference, Namespace, Reference, Repository, Tag};

/// What is read of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// One image.
    One(Reference),
    /// Every tag that a pattern fits.
    Matching(Repository, Pattern),
}

/// A pattern of tags: `*` for any characters, `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// One step's share in a group of parallel steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// `BITBUCKET_PARALLEL_STEP`, from 0.
    pub step: usize,
    /// `BITBUCKET_PARALLEL_STEP_COUNT`, at least 1.
    pub count: usize,
}

impl Selection {
    /// The repository that is read.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        match self {
            Self::One(image) => &image.repository,
            Self::Matching(repository, _) => repository,
        }
    }
}

impl Shard {
    /// Whether the image with this number is this step's.
    #[must_use]
    pub const fn takes(self, number: usize) -> bool {
        number % self.count == self.step
    }
}

impl Pattern {
    /// Whether a tag fits.
    #[must_use]
    pub fn fits(&self, tag: &Tag) -> bool {
        fits(self.0.as_bytes(), tag.as_str().as_bytes())
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Matches without recursion into every `*`: only the last one may have to give way.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|rest| *rest == b'*')
}

/// The images of `name` whose tags fit the pattern `tag`.
pub(super) fn pattern(name: &str, tag: &str, namespace: &Namespace) -> Result<Selection, BadReference> {
    let repository = Reference::parse(name, namespace)?.repository;
    // What a pattern is made of besides its signs must be able to stand in a tag.
    let plain: String = tag.chars().filter(|c| !matches!(c, '*' | '?')).collect();
    Tag::parse(&format!("_{plain}")).map_err(|_| BadReference::Tag { tag: tag.to_owned() })?;
    Ok(Selection::Matching(repository, Pattern(tag.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_a_shell_would_say() {
        for (pattern, tag, fitting) in [
            ("20*", "20", true),
            ("20*", "20.1-alpine", true),
            ("20*", "18", false),
            ("*", "x", true),
            ("*-alpine", "20-alpine", true),
            ("*-alpine", "20-alpine3", false),
            ("2?.*", "20.1", true),
            ("2?.*", "2.1", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(
                Pattern(pattern.to_owned()).fits(&Tag::parse(tag).unwrap()),
                fitting,
                "{pattern} {tag}"
            );
        }
    }

    #[test]
    fn shares_are_disjoint_and_whole() {
        for count in 1..5 {
            for number in 0..20 {
                assert_eq!(
                    (0..count)
                        .filter(|step| Shard { step: *step, count }.takes(number))
                        .count(),
                    1
                );
            }
        }
    }
}
