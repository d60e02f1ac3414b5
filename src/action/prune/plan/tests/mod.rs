//! What goes, what stays and why, as tables.

mod chance;

use super::*;

const HEX: &str = "38e4339c777e978243d32feb3ac27ff539ae54980b801775ac7864b911beef2c";

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn blob(name: &str, size: u64) -> Blob {
    Blob::new(&digest(name), size)
}

fn part(name: &str) -> Child {
    Child {
        digest: digest(name),
        is_image: true,
        is_index: false,
    }
}

fn tag(name: &str) -> Tag {
    Tag::parse(name).unwrap()
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

fn rules() -> Rules {
    Rules {
        selected: Vec::new(),
        keep: None,
        keep_tags: Vec::new(),
        older_than: None,
        now: now(),
        left: HashSet::new(),
    }
}

fn keeping(keep: usize) -> Rules {
    Rules {
        keep: NonZeroUsize::new(keep),
        ..rules()
    }
}

/// A package that is written down as `tag → image`, with what the images are.
#[derive(Default)]
struct Sketch(Package);

impl Sketch {
    /// A tag of an image so many days old. Each image has a layer of its own and one that all share.
    fn image(mut self, name: &str, image: &str, days: i64) -> Self {
        let contents = Contents {
            created: Some(now() - Duration::days(days)),
            blobs: vec![blob(&format!("layer of {image}"), 100), blob("base", 1000)],
            ..Contents::default()
        };
        self.0.manifests.insert(digest(image), contents);
        self.tag(name, image)
    }

    fn tag(mut self, name: &str, image: &str) -> Self {
        self.0.tags.push((tag(name), digest(image)));
        self
    }

    fn change(mut self, image: &str, change: impl FnOnce(&mut Contents)) -> Self {
        change(self.0.manifests.entry(digest(image)).or_default());
        self
    }

    fn named_tag(mut self, name: &str) -> Self {
        self.0.named_tags.insert(tag(name), "Dockerfile:1".to_owned());
        self
    }

    fn named_digest(mut self, image: &str) -> Self {
        self.0.named_digests.insert(digest(image), "Dockerfile:1".to_owned());
        self
    }

    fn goes(&self, rules: &Rules) -> Vec<String> {
        Plan::of(&self.0, rules)
            .going()
            .map(|row| row.tag.to_string())
            .collect()
    }

    fn why(&self, rules: &Rules, name: &str) -> Option<Reason> {
        let plan = Plan::of(&self.0, rules);
        plan.rows.into_iter().find(|row| row.tag == tag(name)).unwrap().stays
    }
}

fn builds(count: i64) -> Sketch {
    (1..=count).fold(Sketch::default(), |sketch, number| {
        sketch.image(&format!("build-{number}"), &format!("image {number}"), 100 - number)
    })
}

#[test]
fn the_newest_stay_and_the_oldest_go_first() {
    let sketch = builds(12);
    assert_eq!(sketch.goes(&keeping(10)), ["build-1", "build-2"]);
    assert_eq!(sketch.why(&keeping(10), "build-12"), Some(Reason::Newest(1)));
    assert_eq!(sketch.why(&keeping(10), "build-3"), Some(Reason::Newest(10)));
    assert_eq!(sketch.goes(&keeping(12)), [""; 0]);
}

#[test]
fn images_of_one_date_are_in_the_order_of_their_numbers() {
    let sketch = [9, 10, 11, 100].into_iter().fold(Sketch::default(), |sketch, number| {
        sketch.image(&format!("build-{number}"), &format!("image {number}"), 1)
    });
    assert_eq!(sketch.goes(&keeping(2)), ["build-9", "build-10"]);
}

#[test]
fn two_tags_of_one_image_count_once() {
    let sketch = builds(3).tag("latest", "image 3");
    assert_eq!(sketch.goes(&keeping(2)), ["build-1"]);
    assert_eq!(sketch.why(&keeping(2), "latest"), Some(Reason::Newest(1)));
}

#[test]
fn age_and_number_must_both_let_a_tag_go() {
    let of = |keep, days| Rules {
        older_than: Some(Duration::days(days)),
        ..keeping(keep)
    };
    let sketch = builds(5);
    assert_eq!(sketch.goes(&of(0, 97)), ["build-1", "build-2", "build-3"]);
    assert_eq!(sketch.why(&of(0, 97), "build-4"), Some(Reason::Young));
    assert_eq!(sketch.goes(&of(4, 97)), ["build-1"]);
    assert_eq!(sketch.goes(&of(1, 1000)), [""; 0]);
}

#[test]
fn patterns_say_what_may_go_and_what_never() {
    let sketch = builds(3).image("v1.0", "release", 300).image("dev", "dev", 300);
    let rules = Rules {
        selected: vec![pattern("build-*"), pattern("v*")],
        keep_tags: vec![pattern("v*")],
        ..keeping(1)
    };
    assert_eq!(sketch.goes(&rules), ["build-1", "build-2"]);
    assert_eq!(sketch.why(&rules, "dev"), Some(Reason::NotSelected));
    assert_eq!(sketch.why(&rules, "v1.0"), Some(Reason::KeepTags(pattern("v*"))));
}

#[test]
fn what_has_no_usable_date_stays() {
    for (created, reason) in [
        (None, Reason::NoDate),
        (Some(OffsetDateTime::UNIX_EPOCH), Reason::NoDate),
        (OffsetDateTime::from_unix_timestamp(315_360).ok(), Reason::NoDate),
        (Some(now() + Duration::days(2)), Reason::Ahead),
    ] {
        let sketch = builds(3)
            .image("odd", "odd", 0)
            .change("odd", |odd| odd.created = created);
        assert_eq!(sketch.why(&keeping(1), "odd"), Some(reason), "{created:?}");
        // It takes no place of the newest either.
        assert_eq!(sketch.goes(&keeping(1)), ["build-1", "build-2"], "{created:?}");
    }
    let ahead = builds(3).image("ahead", "ahead", 0).change("ahead", |image| {
        image.created = Some(now() + Duration::hours(3));
    });
    assert_eq!(
        ahead.why(&keeping(1), "ahead"),
        Some(Reason::Newest(1)),
        "clocks differ"
    );
}

#[test]
fn what_the_clone_names_stays() {
    let sketch = builds(4).named_tag("build-1").named_digest("image 2");
    assert_eq!(sketch.goes(&keeping(1)), ["build-3"]);
    let place = Some(Reason::Named("Dockerfile:1".to_owned()));
    assert_eq!(sketch.why(&keeping(1), "build-1"), place);
    assert_eq!(sketch.why(&keeping(1), "build-2"), place);
}

#[test]
fn what_another_tag_needs_stays() {
    let rules = Rules {
        keep_tags: vec![pattern("latest")],
        ..keeping(1)
    };
    let shared = builds(3).tag("latest", "image 1");
    assert_eq!(shared.goes(&rules), ["build-2"]);
    assert_eq!(shared.why(&rules, "build-1"), Some(Reason::SharedDigest(tag("latest"))));
    // An index within an index: build-1 is two steps below `latest`.
    let nested = builds(3)
        .image("latest", "outer", 300)
        .change("outer", |outer| outer.children = vec![part("inner")])
        .change("inner", |inner| inner.children = vec![part("image 1")]);
    assert_eq!(nested.goes(&rules), ["build-2"]);
    assert_eq!(nested.why(&rules, "build-1"), Some(Reason::BelowIndex(tag("latest"))));
}

#[test]
fn what_refers_to_an_image_follows_it() {
    let hex = |image: &str| digest(image).as_str().replace(':', "-");
    for ending in ["", ".sig", ".att", ".sbom"] {
        let name = |image: &str| format!("{}{ending}", hex(image));
        let sketch = builds(2)
            .image(&name("image 1"), "signature 1", 0)
            .image(&name("image 2"), "signature 2", 500)
            .image(&name("gone"), "signature of nothing", 0);
        assert_eq!(
            sketch.goes(&keeping(1)),
            [&name("image 1"), "build-1"]
                .map(str::to_owned)
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
        );
        assert_eq!(
            sketch.why(&keeping(1), &name("image 2")),
            Some(Reason::RefersTo(tag("build-2")))
        );
        assert_eq!(sketch.why(&keeping(1), &name("gone")), Some(Reason::RefersToUntagged));
    }
    // By `subject`, and a signature of a signature.
    let chain = builds(2)
        .image("sbom", "sbom", 500)
        .change("sbom", |sbom| sbom.subject = Some(digest("image 2")))
        .image("signed-sbom", "signature", 500)
        .change("signature", |signature| signature.subject = Some(digest("sbom")));
    assert_eq!(chain.goes(&keeping(1)), ["build-1"]);
    assert_eq!(
        chain.why(&keeping(1), "signed-sbom"),
        Some(Reason::RefersTo(tag("sbom")))
    );
}

#[test]
fn tags_that_stand_for_a_digest_are_known() {
    for (name, is) in [
        (format!("sha256-{HEX}"), true),
        (format!("sha256-{HEX}.sig"), true),
        (format!("sha256-{HEX}.tar"), false),
        (format!("sha256-{}", &HEX[1..]), false),
        ("build-1".to_owned(), false),
        ("latest".to_owned(), false),
    ] {
        assert_eq!(subject_of_tag(&tag(&name)).is_some(), is, "{name}");
    }
}

#[test]
fn a_tag_may_be_called_after_its_own_image() {
    let name = digest("image 9").as_str().replace(':', "-");
    let sketch = builds(2).image(&name, "image 9", 1);
    assert_eq!(sketch.why(&keeping(1), &name), Some(Reason::Newest(1)));
    assert_eq!(sketch.goes(&keeping(1)), ["build-1", "build-2"]);
}

#[test]
fn what_refers_to_an_image_and_has_a_date_must_pass_the_rules_too() {
    let sketch = builds(3)
        .image("derived", "derived", 0)
        .change("derived", |derived| derived.subject = Some(digest("image 1")));
    // It is newer than the newest, and takes no place from that.
    assert_eq!(sketch.why(&keeping(1), "derived"), Some(Reason::Newest(1)));
    assert_eq!(sketch.why(&keeping(1), "build-3"), Some(Reason::Newest(1)));
    assert_eq!(sketch.goes(&keeping(1)), ["build-1", "build-2"]);
    let old = builds(3)
        .image("derived", "derived", 98)
        .change("derived", |derived| derived.subject = Some(digest("image 1")));
    assert_eq!(old.goes(&keeping(1)), ["build-1", "build-2", "derived"]);
    assert_eq!(old.why(&keeping(2), "derived"), Some(Reason::Newest(2)));
}

#[test]
fn what_keep_tags_keeps_counts_among_the_newest() {
    let rules = Rules {
        keep_tags: vec![pattern("v*")],
        ..keeping(2)
    };
    let sketch = builds(3).image("v1", "release", 1);
    assert_eq!(sketch.why(&rules, "v1"), Some(Reason::KeepTags(pattern("v*"))));
    assert_eq!(sketch.goes(&rules), ["build-1", "build-2"]);
    // What no pattern of `IMAGES` fits does not.
    let selected = Rules {
        selected: vec![pattern("build-*")],
        ..keeping(2)
    };
    assert_eq!(sketch.goes(&selected), ["build-1"]);
}

#[test]
fn an_index_is_as_new_as_the_newest_of_its_images() {
    let index = |arm: Option<i64>, is_image| {
        builds(2)
            .change("amd64", |image| image.created = Some(now() - Duration::days(300)))
            .change("arm64", |image| {
                image.created = arm.map(|days| now() - Duration::days(days));
            })
            .change("index", |index| {
                index.children = vec![
                    part("amd64"),
                    Child {
                        is_image,
                        ..part("arm64")
                    },
                ];
            })
            .tag("multi", "index")
    };
    assert_eq!(index(Some(0), true).why(&keeping(1), "multi"), Some(Reason::Newest(1)));
    assert_eq!(index(Some(200), true).why(&keeping(1), "multi"), None);
    assert_eq!(index(None, true).why(&keeping(1), "multi"), Some(Reason::NoDate));
    assert_eq!(
        index(None, false).why(&keeping(1), "multi"),
        None,
        "an attestation has no date"
    );
    let empty = builds(2).change("empty", |_| {}).tag("none", "empty");
    assert_eq!(empty.why(&keeping(1), "none"), Some(Reason::NoDate));
}

#[test]
fn what_the_clone_names_by_digest_keeps_all_that_leads_to_it() {
    let sketch = builds(3)
        .change("index", |index| index.children = vec![part("image 1")])
        .tag("multi", "index")
        .named_digest("image 1");
    assert!(matches!(sketch.why(&keeping(1), "multi"), Some(Reason::Named(_))));
    assert!(matches!(sketch.why(&keeping(1), "build-1"), Some(Reason::Named(_))));
    assert_eq!(sketch.goes(&keeping(1)), ["build-2"]);
}

#[test]
fn what_could_not_be_deleted_keeps_what_it_needs() {
    let sketch = builds(4)
        .change("image 1", |index| index.children = vec![part("image 2")])
        .tag("same", "image 1");
    assert_eq!(sketch.goes(&keeping(1)).len(), 4);
    let rules = Rules {
        left: HashSet::from([tag("build-1")]),
        ..keeping(1)
    };
    assert_eq!(sketch.why(&rules, "build-1"), Some(Reason::Left));
    assert_eq!(sketch.why(&rules, "same"), Some(Reason::SharedDigest(tag("build-1"))));
    assert_eq!(sketch.why(&rules, "build-2"), Some(Reason::BelowIndex(tag("build-1"))));
    assert_eq!(sketch.goes(&rules), ["build-3"]);
}

#[test]
fn an_index_goes_before_its_parts_and_a_signature_before_its_image() {
    let signature = format!("{}.sig", digest("image 1").as_str().replace(':', "-"));
    let sketch = builds(4)
        .change("index", |index| index.children = vec![part("image 1"), part("image 2")])
        .tag("multi", "index")
        .change("signature", |_| {})
        .tag(&signature, "signature");
    let steps = Plan::of(&sketch.0, &keeping(1)).steps;
    let tags: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            step.iter()
                .flat_map(|going| &going.tags)
                .map(ToString::to_string)
                .collect()
        })
        .collect();
    let first = ["multi", &signature, "build-3"];
    assert_eq!(tags.len(), 2);
    assert!(
        first.iter().all(|name| tags[0].contains(&(*name).to_owned())),
        "{tags:?}"
    );
    assert_eq!(tags[1], ["build-1", "build-2"]);
}

#[test]
fn bytes_that_others_need_are_not_freed() {
    let sketch = builds(3);
    assert_eq!(Plan::of(&sketch.0, &keeping(1)).freed, 200);
    assert_eq!(Plan::of(&sketch.0, &keeping(3)).freed, 0);
    // The last images take the base along.
    let none = Rules {
        older_than: Some(Duration::days(1)),
        ..rules()
    };
    assert_eq!(Plan::of(&sketch.0, &none).freed, 1300);
    let endless = builds(2).change("image 1", |image| image.blobs = vec![blob("a", u64::MAX), blob("b", 1)]);
    assert_eq!(Plan::of(&endless.0, &keeping(1)).freed, u64::MAX);
}

#[test]
fn manifests_that_name_each_other_end() {
    let sketch = builds(2)
        .change("image 1", |one| {
            one.children = vec![part("image 2")];
            one.subject = Some(digest("image 1"));
        })
        .change("image 2", |two| two.children = vec![part("image 1")]);
    assert_eq!(sketch.goes(&keeping(1)), [""; 0]);
}
