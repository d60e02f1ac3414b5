//! In which order manifests come: an index before what it holds, a signature before what it signs.

use super::{Decision, Going, Package};
use crate::names::{Digest, Tag};
use crate::text::order::sort_by_key;
use std::collections::{BTreeMap, HashMap};
use time::OffsetDateTime;

/// Digests in order, each with the number of its step, from 0.
struct Steps<'a> {
    ordered: Vec<(&'a Digest, usize)>,
    /// Those that lead to each other, and what they lead to.
    rest: Vec<&'a Digest>,
}

/// Puts each digest after all that lead to it.
fn steps<'a>(nodes: &[&'a Digest], next: impl Fn(&'a Digest) -> Vec<&'a Digest>) -> Steps<'a> {
    let mut ahead: HashMap<&Digest, usize> = nodes.iter().map(|node| (*node, 0)).collect();
    for node in nodes {
        for later in next(node) {
            if let Some(count) = ahead.get_mut(later) {
                *count += 1;
            }
        }
    }
    let mut step: HashMap<&Digest, usize> = HashMap::new();
    let mut free: Vec<&'a Digest> = nodes.iter().copied().filter(|node| ahead[*node] == 0).collect();
    let mut ordered: Vec<(&'a Digest, usize)> = Vec::with_capacity(nodes.len());
    while let Some(node) = free.pop() {
        let own = step.get(node).copied().unwrap_or_default();
        ordered.push((node, own));
        for later in next(node) {
            let Some(count) = ahead.get_mut(later) else { continue };
            let at = step.entry(later).or_default();
            *at = (*at).max(own + 1);
            *count -= 1;
            if *count == 0 {
                free.push(later);
            }
        }
    }
    let rest = nodes.iter().copied().filter(|node| ahead[*node] > 0);
    Steps {
        ordered,
        rest: rest.collect(),
    }
}

impl<'a> Steps<'a> {
    /// These, and the rest after them in an order of its own.
    fn and_then(self, order: impl FnOnce(&[&'a Digest]) -> Self) -> Vec<(&'a Digest, usize)> {
        let after = |ordered: &[(&Digest, usize)]| ordered.iter().map(|(_, step)| step + 1).max().unwrap_or_default();
        let mut ordered = self.ordered;
        let first = after(&ordered);
        let others = order(&self.rest);
        ordered.extend(others.ordered.into_iter().map(|(digest, step)| (digest, first + step)));
        // No honest registry has an index that holds itself.
        let last = after(&ordered);
        ordered.extend(others.rest.into_iter().map(|digest| (digest, last)));
        ordered
    }
}

/// When the image of each manifest was made; `None` where that is not known. An index is as new as the newest of its
/// images, and of no known date where one of them is.
pub(super) fn dates(package: &Package) -> HashMap<&Digest, Option<OffsetDateTime>> {
    let nodes: Vec<&Digest> = package.manifests.keys().collect();
    let children = |digest: &Digest| {
        let contents = package.manifests.get(digest);
        let children = contents.into_iter().flat_map(|contents| &contents.children);
        children.map(|child| &child.digest).collect()
    };
    let mut dates: HashMap<&Digest, Option<OffsetDateTime>> = HashMap::new();
    for (digest, _) in steps(&nodes, children).ordered.into_iter().rev() {
        let Some(contents) = package.manifests.get(digest) else {
            continue;
        };
        let mut date = contents.created.filter(|created| is_date(*created));
        let mut is_known = true;
        for child in &contents.children {
            let of_child = dates.get(&child.digest).copied().flatten();
            is_known &= of_child.is_some() || !child.is_image;
            date = date.max(of_child);
        }
        dates.insert(digest, date.filter(|_| is_known));
    }
    dates
}

/// Whether a date can be the day on which an image was made: reproducible builds write 1970, cosign the year 1.
fn is_date(created: OffsetDateTime) -> bool {
    created.year() > 1970
}

impl<'a> Decision<'a> {
    /// The images of the tags that go, in the order in which they may go.
    pub(super) fn steps(&self, goes: &[usize]) -> Vec<Vec<Going>> {
        let package = self.package;
        let mut tags: HashMap<&'a Digest, Vec<&'a Tag>> = HashMap::new();
        let mut subjects: HashMap<&'a Digest, Vec<&Digest>> = HashMap::new();
        for number in goes {
            let (tag, digest) = &package.tags[*number];
            tags.entry(digest).or_default().push(tag);
            subjects.entry(digest).or_default().extend(&self.subjects[*number]);
        }
        let mut nodes: Vec<&Digest> = package.manifests.keys().collect();
        nodes.extend(tags.keys().filter(|digest| !package.manifests.contains_key(**digest)));
        let next = |digest: &Digest| {
            let subjects = subjects.get(digest).into_iter().flatten().copied();
            self.children(digest).chain(subjects).collect()
        };
        let mut by_step: BTreeMap<usize, Vec<Going>> = BTreeMap::new();
        let places: HashMap<&Digest, usize> = goes
            .iter()
            .enumerate()
            .map(|(place, number)| (&package.tags[*number].1, place))
            .collect();
        // A tag can be called as if it referred to the index that holds its image: the index goes first.
        let children = |digest: &Digest| self.children(digest).collect();
        let ordered = steps(&nodes, next).and_then(|rest| steps(rest, children));
        for (digest, step) in ordered {
            if let Some(tags) = tags.get(digest) {
                by_step.entry(step).or_default().push(Going {
                    digest: digest.clone(),
                    tags: tags.iter().map(|tag| (*tag).clone()).collect(),
                });
            }
        }
        let mut steps: Vec<Vec<Going>> = by_step.into_values().collect();
        for step in &mut steps {
            sort_by_key(step, |going| places.get(&going.digest).copied());
        }
        steps
    }
}
