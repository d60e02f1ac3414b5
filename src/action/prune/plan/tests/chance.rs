//! What holds of every package, whatever its tags and manifests are.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A random package: images and indexes over what came before, tags on some of them, references to others.
fn package() -> impl Strategy<Value = Package> {
    let manifest = (
        prop::option::weighted(0.9, 0i64..400),
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        prop::option::weighted(0.15, any::<prop::sample::Index>()),
        prop::collection::vec((0u8..20, 1u64..1000), 0..4),
    );
    let tags = prop::collection::vec((0u8..30, any::<prop::sample::Index>(), any::<bool>()), 0..24);
    let named = prop::collection::vec((0u8..30, any::<prop::sample::Index>(), any::<bool>()), 0..3);
    (prop::collection::vec(manifest, 1..16), tags, named).prop_map(|(manifests, tags, named)| {
        let id = |number: usize| digest(&format!("manifest {number}"));
        let mut package = Package::default();
        for (number, (days, children, subject, blobs)) in manifests.iter().enumerate() {
            let before = |at: &prop::sample::Index| (number > 0).then(|| id(at.index(number)));
            let contents = Contents {
                created: days.map(|days| now() - Duration::days(days)),
                children: children
                    .iter()
                    .filter_map(before)
                    .map(|digest| Child {
                        digest,
                        is_image: true,
                        is_index: false,
                    })
                    .collect(),
                subject: subject.as_ref().map(|at| id(at.index(manifests.len() + 1))),
                blobs: blobs
                    .iter()
                    .map(|(number, size)| blob(&format!("blob {number}"), *size))
                    .collect(),
            };
            package.manifests.insert(id(number), contents);
        }
        let mut taken = HashSet::new();
        for (name, at, refers) in &tags {
            let name = if *refers {
                format!(
                    "{}.sig",
                    id(usize::from(*name) % manifests.len()).as_str().replace(':', "-")
                )
            } else {
                format!("t{name}")
            };
            if taken.insert(name.clone()) {
                package.tags.push((tag(&name), id(at.index(manifests.len()))));
            }
        }
        for (name, at, by_digest) in named {
            let place = "compose.yml:1".to_owned();
            if by_digest {
                package.named_digests.insert(id(at.index(manifests.len())), place);
            } else {
                package.named_tags.insert(tag(&format!("t{name}")), place);
            }
        }
        package
    })
}

/// All that can be reached from some manifests by way of indexes.
fn below(package: &Package, from: impl Iterator<Item = Digest>) -> BTreeSet<Digest> {
    let mut found = BTreeSet::new();
    let mut ahead: Vec<Digest> = from.collect();
    while let Some(digest) = ahead.pop() {
        if found.insert(digest.clone()) {
            ahead.extend(
                package
                    .manifests
                    .get(&digest)
                    .into_iter()
                    .flat_map(|contents| contents.children.iter().map(|child| child.digest.clone())),
            );
        }
    }
    found
}

proptest! {
    /// A registry that deletes by digest alone loses every tag of that digest and the manifest: nothing that stays may
    /// notice.
    #[test]
    fn nothing_that_stays_becomes_unreachable(
        package in package(), keep in 0usize..5, days in prop::option::of(0i64..400), selected in any::<bool>(), kept in any::<bool>(),
    ) {
        let rules = Rules {
            selected: if selected { vec![pattern("t1*"), pattern("sha256-*")] } else { Vec::new() },
            keep: NonZeroUsize::new(keep),
            keep_tags: if kept { vec![pattern("t?")] } else { Vec::new() },
            older_than: days.map(Duration::days),
            now: now(),
            left: HashSet::new(),
        };
        let plan = Plan::of(&package, &rules);
        prop_assert_eq!(plan.rows.len(), package.tags.len());
        let deleted: HashSet<&Digest> = plan.going().map(|row| &row.digest).collect();
        let staying: Vec<&Row> = plan.rows.iter().filter(|row| row.stays.is_some()).collect();
        let reachable = below(&package, staying.iter().map(|row| row.digest.clone()));
        for digest in &reachable {
            prop_assert!(!deleted.contains(digest), "{} is needed", digest);
        }
        // What refers to something that stays, stays.
        for row in plan.going() {
            let stated = package.manifests.get(&row.digest).and_then(|contents| contents.subject.clone());
            if let Some(subject) = stated.or_else(|| subject_of_tag(&row.tag)) {
                prop_assert!(!reachable.contains(&subject), "{} refers to what stays", row.tag);
            }
            prop_assert!(!selected || row.tag.as_str().starts_with("t1") || row.tag.as_str().starts_with("sha256-"));
            prop_assert!(!kept || row.tag.as_str().len() != 2);
            prop_assert!(!package.named_tags.contains_key(&row.tag));
            let parts = below(&package, std::iter::once(row.digest.clone()));
            prop_assert!(!parts.iter().any(|part| package.named_digests.contains_key(part)));
            if let Some(days) = days {
                let age = row.created.map(|created| now() - created);
                prop_assert!(age.is_none_or(|age| age >= Duration::days(days)) || subject_of_tag(&row.tag).is_some()
                    || package.manifests[&row.digest].subject.is_some());
            }
        }
        // A second run over what is left finds nothing more to delete.
        let left: Vec<(Tag, Digest)> = package.tags.iter().filter(|(tag, _)| staying.iter().any(|row| row.tag == *tag)).cloned().collect();
        let manifests = package.manifests.iter().filter(|(digest, _)| !deleted.contains(digest)).map(|(digest, contents)| (digest.clone(), contents.clone())).collect();
        let rest = Package { tags: left, manifests, ..package.clone() };
        let again = Plan::of(&rest, &rules);
        prop_assert_eq!(again.going().count(), 0);
        if deleted.is_empty() {
            prop_assert_eq!(plan.freed, 0);
        }
        // The newest stay, whatever else does.
        let is_image = |row: &Row| {
            let stated = package.manifests[&row.digest].subject.clone();
            stated.or_else(|| subject_of_tag(&row.tag)).is_none_or(|subject| subject == row.digest)
        };
        let mut dates: Vec<(OffsetDateTime, &Digest)> = plan.rows.iter()
            .filter(|row| !selected || row.tag.as_str().starts_with("t1") || row.tag.as_str().starts_with("sha256-"))
            .filter(|row| is_image(row))
            .filter_map(|row| Some((row.created?, &row.digest)))
            .collect();
        dates.sort_unstable();
        dates.dedup();
        let oldest_kept = dates.len().checked_sub(keep).and_then(|at| dates.get(at)).map(|(date, _)| *date);
        for row in plan.going().filter(|_| keep > 0) {
            prop_assert!(!is_image(row) || row.created <= oldest_kept, "{} is one of the newest", row.tag);
        }
        // Each image goes once, and wherever the run is broken off, each index that is left has all its parts.
        let mut gone: HashSet<Digest> = HashSet::new();
        let going: Vec<&Going> = plan.steps.iter().flatten().collect();
        prop_assert_eq!(going.iter().map(|going| going.tags.len()).sum::<usize>(), plan.going().count());
        for going in going {
            prop_assert!(gone.insert(going.digest.clone()));
            for row in plan.rows.iter().filter(|row| !gone.contains(&row.digest)) {
                let parts = below(&package, std::iter::once(row.digest.clone()));
                prop_assert!(parts.is_disjoint(&gone.iter().cloned().collect()), "{} is broken", row.tag);
            }
        }
    }
}
