//! What stays because something else does: a tag of the same digest, the parts of an index, what refers to an image.

use super::{Blob, Decision, Reason};
use crate::names::{Digest, Tag};
use std::collections::{HashMap, HashSet, VecDeque};

/// What is needed, and by which tag.
struct Need<'a> {
    digest: &'a Digest,
    by: &'a Tag,
    /// Whether that tag points there itself.
    direct: bool,
}

impl<'a> Decision<'a> {
    /// Lets all stay that is needed, until nothing changes any more. Each digest is looked at once: a registry decides how
    /// long its chains are.
    pub(super) fn by_need(&mut self) {
        let package = self.package;
        let mut of_digest: HashMap<&Digest, Vec<usize>> = HashMap::new();
        for (number, (_, digest)) in package.tags.iter().enumerate() {
            of_digest.entry(digest).or_default().push(number);
        }
        let subjects = self.subjects.clone();
        let mut referring: HashMap<&Digest, Vec<usize>> = HashMap::new();
        for (number, subject) in subjects.iter().enumerate() {
            if let Some(subject) = subject {
                referring.entry(subject).or_default().push(number);
            }
        }
        let need = |number: usize| Need {
            digest: &package.tags[number].1,
            by: &package.tags[number].0,
            direct: true,
        };
        let staying = |decision: &Self| {
            let stays = decision.stays.iter().enumerate();
            let stays = stays.filter(|(_, stays)| stays.is_some());
            stays.map(|(number, _)| need(number)).collect()
        };
        let mut ahead: VecDeque<Need<'a>> = staying(self);
        let mut needed: HashSet<&'a Digest> = HashSet::new();
        let mut looked_for_untagged = false;
        loop {
            while let Some(Need { digest, by, direct }) = ahead.pop_front() {
                if !needed.insert(digest) {
                    continue;
                }
                for number in of_digest.get(digest).into_iter().flatten() {
                    let reason = if direct {
                        Reason::SharedDigest
                    } else {
                        Reason::BelowIndex
                    };
                    self.stays[*number].get_or_insert_with(|| reason(by.clone()));
                }
                for number in referring.get(digest).into_iter().flatten() {
                    if self.stays[*number].is_none() {
                        self.stays[*number] = Some(Reason::RefersTo(by.clone()));
                        ahead.push_back(need(*number));
                    }
                }
                ahead.extend(self.children(digest).map(|digest| Need {
                    digest,
                    by,
                    direct: false,
                }));
            }
            if looked_for_untagged {
                return;
            }
            looked_for_untagged = true;
            for (number, subject) in subjects.iter().enumerate() {
                let is_known = |subject| of_digest.contains_key(subject) || package.manifests.contains_key(subject);
                if self.stays[number].is_none() && subject.as_ref().is_some_and(|subject| !is_known(subject)) {
                    self.stays[number] = Some(Reason::RefersToUntagged);
                    ahead.push_back(need(number));
                }
            }
        }
    }

    /// Tags from which something is reached that files of the clone name, by number, with the place.
    pub(super) fn named(&self) -> HashMap<usize, &'a String> {
        let package = self.package;
        let mut above: HashMap<&Digest, Vec<&Digest>> = HashMap::new();
        if !package.named_digests.is_empty() {
            for digest in package.manifests.keys() {
                for child in self.children(digest) {
                    above.entry(child).or_default().push(digest);
                }
            }
        }
        let mut places: HashMap<&Digest, &'a String> = HashMap::new();
        let mut ahead: Vec<(&Digest, &'a String)> = package.named_digests.iter().collect();
        while let Some((digest, place)) = ahead.pop() {
            if places.insert(digest, place).is_none() {
                ahead.extend(above.get(digest).into_iter().flatten().map(|index| (*index, place)));
            }
        }
        let tags = package.tags.iter().enumerate();
        let named = tags.filter_map(|(number, (tag, digest))| {
            let place = package.named_tags.get(tag).or_else(|| places.get(digest).copied());
            Some((number, place?))
        });
        named.collect()
    }

    pub(super) fn children(&self, digest: &Digest) -> impl Iterator<Item = &'a Digest> + use<'a> {
        let contents = self.package.manifests.get(digest);
        let children = contents.into_iter().flat_map(|contents| &contents.children);
        children.map(|child| &child.digest)
    }

    /// All manifests that are reached from tags that stay, or from the others.
    fn reached(&self, stay: bool) -> HashSet<&'a Digest> {
        let tags = self.package.tags.iter().zip(&self.stays);
        let tags = tags.filter(|(_, stays)| stays.is_some() == stay);
        let mut ahead: Vec<&'a Digest> = tags.map(|((_, digest), _)| digest).collect();
        let mut reached = HashSet::new();
        while let Some(digest) = ahead.pop() {
            if reached.insert(digest) {
                ahead.extend(self.children(digest));
            }
        }
        reached
    }

    /// The bytes of what goes and what nothing needs that stays, each blob once.
    pub(super) fn freed(&self) -> u64 {
        let blobs_of = |digests: HashSet<&Digest>| -> HashMap<u128, u64> {
            let contents = digests
                .into_iter()
                .filter_map(|digest| self.package.manifests.get(digest));
            let blobs = contents.flat_map(|contents| &contents.blobs);
            blobs.map(|Blob { id, size }| (*id, *size)).collect()
        };
        let kept = blobs_of(self.reached(true));
        let going = blobs_of(self.reached(false));
        let freed = going.iter().filter(|(id, _)| !kept.contains_key(id));
        freed.fold(0, |sum, (_, size)| sum.saturating_add(*size))
    }
}
