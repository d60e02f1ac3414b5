//! Lists are whole or an error: of tags, and of what refers to an image.

mod rows;

use crate::support::emulator::{Answer, Emulator, Fault, Settings, Setup, on};
use crate::support::image::Image;
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::shop;
use rows::index;
use serde_json::{Value, json};

fn copy<'a>(emulator: &'a Emulator, source: &str) -> Pipe<'a> {
    shop::copy(emulator, source).var("TARGET", "web").patience(120)
}

/// Copies each hundredth tag of `base`, of which there are so many, and gives how many arrived and how many lists were read.
fn copy_all(tags: usize, change: impl FnOnce(&mut Settings)) -> (i32, usize, usize, String) {
    let emulator = Emulator::start(Setup::shop().with(change));
    let image = Image::small("lists");
    for number in 0..tags {
        emulator.put_image("shop/base", &format!("v{number:05}"), &image);
    }
    let outcome = copy(&emulator, "base:*49").run();
    let lists = emulator
        .requests()
        .iter()
        .filter(|line| line.contains("tags/list") && line.ends_with("200"))
        .count();
    (
        outcome.status,
        emulator.tags("shop/web").len(),
        lists,
        outcome.last_line(),
    )
}

/// A way to page, and how many lists it takes.
#[derive(Clone, Copy)]
struct Paging {
    what: &'static str,
    tags: usize,
    /// How the next page is linked to.
    links: &'static [&'static str],
    /// At most so many tags on a page.
    limit: usize,
    heeds_last: bool,
    heeds_n: bool,
    lists: usize,
}

const LINKED: &[&str] = &["<{next}>; rel=\"next\""];
/// More than a page is asked to hold.
const NO_LIMIT: usize = 10_000;

const fn paging(what: &'static str, tags: usize, links: &'static [&'static str], limit: usize, lists: usize) -> Paging {
    Paging {
        what,
        tags,
        links,
        limit,
        heeds_last: true,
        heeds_n: true,
        lists,
    }
}

const fn deaf(paging: Paging) -> Paging {
    Paging {
        heeds_last: false,
        ..paging
    }
}

/// All tags at once, whatever is asked for: docker-registry 2.8.
const fn stubborn(what: &'static str, tags: usize, lists: usize) -> Paging {
    Paging {
        heeds_n: false,
        ..deaf(paging(what, tags, &[], NO_LIMIT, lists))
    }
}

const PAGINGS: [Paging; 28] = [
    paging("linked", 250, LINKED, 100, 3),
    paging("linked, the last page is full", 200, LINKED, 100, 2),
    paging(
        "linked among others",
        250,
        &["</v2/>; rel=\"first\", <{next}>; title=\"a, b\"; rel=\"last next\", </x>; rel=prev"],
        100,
        3,
    ),
    paging(
        "linked by the second header",
        250,
        &["</v2/>; rel=first", "<{next}>; rel=next"],
        100,
        3,
    ),
    paging("linked in other letters", 250, &["<{next}> ; REL = Next"], 100, 3),
    paging("linked with a comma", 250, &["<{next}&x=a,b;c>; rel=next"], 100, 3),
    paging("not linked, `n` is heeded", 1502, &[], NO_LIMIT, 2),
    paging("not linked, the last page is full", 1000, &[], NO_LIMIT, 2),
    paging("linked without a blank", 250, &["<{next}>;rel=next"], 100, 3),
    paging(
        "linked with a fragment",
        250,
        &["<{next}#page>; rel=\"next\"; type=\"application/json\""],
        100,
        3,
    ),
    paging("not linked, fewer than asked for", 250, &[], 100, 4),
    paging("not linked, twenty at a time", 250, &[], 20, 14),
    paging("not linked, 25 at a time", 260, &[], 25, 12),
    paging("not linked, thirty at a time", 250, &[], 30, 10),
    deaf(paging("not linked, `last` is not heeded", 1502, &[], NO_LIMIT, 3)),
    deaf(paging(
        "not linked, `last` is not heeded, and that was all",
        1000,
        &[],
        NO_LIMIT,
        4,
    )),
    deaf(paging("not linked, neither `n` nor `last` is heeded", 60, &[], 60, 2)),
    paging("few", 52, LINKED, 100, 1),
    // The last page is a round number too.
    paging("not linked, 16 at a time", 250, &[], 16, 17),
    paging("not linked, 32 at a time", 250, &[], 32, 8),
    paging("not linked, 64 at a time", 250, &[], 64, 4),
    paging("not linked, 128 at a time", 250, &[], 128, 2),
    paging("not linked, 256 at a time", 300, &[], 256, 2),
    paging("not linked, 512 at a time", 600, &[], 512, 2),
    stubborn("all at once", 251, 1),
    stubborn("all at once, a round number", 250, 2),
    stubborn("all at once, as many as were asked for", 1000, 4),
    stubborn("all at once, more than were asked for", 1250, 2),
];

#[test]
fn all_tags_are_found_however_a_registry_pages() {
    let mut wrong = Vec::new();
    for paging in PAGINGS {
        let (status, copied, lists, said) = copy_all(paging.tags, |settings| {
            settings.page_links = paging.links.iter().map(|&link| link.to_owned()).collect();
            settings.page_limit = paging.limit;
            settings.heeds_last = paging.heeds_last;
            settings.heeds_n = paging.heeds_n;
        });
        let fitting = (0..paging.tags).filter(|number| number % 100 == 49).count();
        if (status, copied, lists) != (0, fitting, paging.lists) {
            let Paging {
                what, lists: expected, ..
            } = paging;
            wrong.push(format!(
                "{what}: status {status}, {copied} of {fitting} tags, {lists} lists (expected {expected})\n{said}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn half_a_list_is_an_error() {
    let page = |links: &[&str]| {
        let page = Answer::new(200).json(&json!({ "name": "shop/base", "tags": ["1"] }));
        links.iter().fold(page, |page, link| page.header("Link", link))
    };
    for (what, answer, words) in [
        (
            "a link that cannot be read",
            page(&["/v2/shop/base/tags/list?last=1; rel=next"]),
            "its `Link` to the next page cannot be read",
        ),
        (
            "a link without an end",
            page(&["</v2/shop/base/tags/list?last=1; rel=next"]),
            "its `Link` to the next page cannot be read",
        ),
        (
            "two next pages",
            page(&["</a>; rel=next", "</b>; rel=next"]),
            "its `Link` to the next page cannot be read",
        ),
        (
            "a link elsewhere",
            page(&["<https://elsewhere.example/tags>; rel=next"]),
            "the next page of a list must be on the registry itself",
        ),
        (
            "a link by another scheme",
            page(&["<https://localhost/v2/shop/base/tags/list?last=1>; rel=next"]),
            "the next page of a list must be on the registry itself",
        ),
        (
            "a link with a user name",
            page(&["<//ada:x@localhost/v2/shop/base/tags/list?last=1>; rel=next"]),
            "the next page of a list must be on the registry itself",
        ),
        (
            "a link to what is no URL",
            page(&["<http://[::1/tags>; rel=next"]),
            "a link to what is not a URL",
        ),
        (
            "pages that go round",
            page(&["</v2/shop/base/tags/list?last=1>; rel=next"]),
            "a page that names itself as the next one",
        ),
        (
            "a link to itself",
            page(&["<?n=1000>; rel=next"]),
            "a page that names itself as the next one",
        ),
        (
            "a gateway's object",
            Answer::new(200).json(&json!({ "message": "sign in" })),
            "the answer is not a list of tags",
        ),
        (
            "a web page",
            Answer::new(200).body("<html>"),
            "the answer is not a list of tags",
        ),
        (
            "no tags but a text",
            Answer::new(200).json(&json!({ "tags": "1" })),
            "the answer is not a list of tags",
        ),
        (
            "no content",
            Answer::new(204),
            "with 204, which does not say that it was done",
        ),
        (
            "part of it",
            Answer {
                status: 206,
                ..page(&[])
            },
            "with 206, which does not say that it was done",
        ),
    ] {
        let emulator = Emulator::start(Setup::shop());
        emulator.put_image("shop/base", "1", &Image::small("lists"));
        emulator.script(on("GET", "/tags/list").signed_in(), 9, answer);
        let outcome = copy(&emulator, "base:*").run();
        assert_eq!(outcome.status, 1, "{what}: {}", outcome.plain());
        outcome.says(words);
        assert_eq!(emulator.tags("shop/web"), [] as [&str; 0], "{what}");
    }
    // A second page that fails.
    let emulator = Emulator::start(Setup::shop());
    for number in 0..150 {
        emulator.put_image("shop/base", &format!("v{number:03}"), &Image::small("lists"));
    }
    emulator.script(
        on("GET", "/tags/list.*last=").signed_in(),
        9,
        Answer::error(404, "NOT_FOUND", "no"),
    );
    copy(&emulator, "base:*").run().fails(4);
    assert_eq!(emulator.tags("shop/web"), [] as [&str; 0]);
}

const SIGNATURE: &str = "application/vnd.example.signature";

struct Signed {
    source: Emulator,
    target: Emulator,
    image: Image,
    signature: Image,
}

/// A source with an image and its signature, and a target.
fn signed(change: impl FnOnce(&mut Settings)) -> Signed {
    let source = Emulator::start(Setup::shop().with(change));
    let image = Image::small("signed");
    let signature = Image::referrer_of(&image, SIGNATURE);
    source.put_image("shop/base", "1", &image);
    source.put_untagged("shop/base", &signature);
    let target = Emulator::start(Setup::shop().with(|settings| settings.referrers = true));
    Signed {
        source,
        target,
        image,
        signature,
    }
}

impl Signed {
    fn run(&self) -> Outcome<'_> {
        copy(&self.target, &format!("{}/shop/base:1", self.source.host()))
            .var("SOURCE_USERNAME", Setup::EMAIL)
            .var("SOURCE_PASSWORD", &Setup::api_token())
            .var("REFERRERS", "true")
            .run()
    }

    fn fallback(&self) -> String {
        self.image.digest().replacen(':', "-", 1)
    }

    fn has_signature(&self) -> bool {
        self.target.manifest("shop/web", &self.signature.digest()).is_some()
    }
}

/// What the API of referrers answers, and whether the tag that stands in for it is there.
#[test]
fn only_a_list_of_referrers_passes_for_one() {
    let elsewhere = Emulator::start(Setup::shop());
    let sign_in_page = format!("{}/v2/", elsewhere.origin());
    let redirect = Answer::new(307).header("Location", &sign_in_page);
    let mut answers = rows::of_referrers();
    answers.push(("a redirect elsewhere", redirect, None));
    let mut wrong = Vec::new();
    for (what, answer, without_tag) in &answers {
        for has_tag in [true, false] {
            let signed = signed(|settings| settings.referrers = true);
            signed
                .source
                .script(on("GET", "/referrers/").signed_in(), 9, answer.clone());
            if has_tag {
                let listed = Image::index(vec![signed.signature.clone()]);
                signed.source.put_image("shop/base", &signed.fallback(), &listed);
            }
            let outcome = signed.run();
            let is_right = match (has_tag, without_tag) {
                (true, _) => {
                    outcome.status == 0 && signed.has_signature() && outcome.plain().contains("1 referrer copied")
                }
                (false, Some(status)) => outcome.status == *status && outcome.plain().contains("0 referrers copied"),
                (false, None) => outcome.status != 0 && signed.target.tag("shop/web", "1").is_none(),
            };
            if !is_right {
                wrong.push(format!(
                    "{what}, tag {has_tag}: status {}\n{}",
                    outcome.status,
                    outcome.plain()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_stands_in_for_the_list_is_one() {
    // GitLab takes `sha256-…` for the digest: the image itself is no list of what refers to it.
    for image in [Image::small("signed"), Image::multi("signed")] {
        let signed = signed(|_| ());
        signed.source.put_image("shop/base", "1", &image);
        signed
            .source
            .put_image("shop/base", &image.digest().replacen(':', "-", 1), &image);
        signed.run().succeeds().says("0 referrers copied");
    }
    for other in [
        Image::small("another image"),
        Image::docker_list(vec![Image::small("x")]),
    ] {
        let signed = signed(|_| ());
        signed.source.put_image("shop/base", &signed.fallback(), &other);
        signed
            .run()
            .fails(1)
            .says("which is used in place of the list, is not an OCI index");
        assert_eq!(signed.target.tag("shop/web", "1"), None);
    }
}

#[test]
fn what_does_not_refer_to_the_image_is_not_attached() {
    let signed = signed(|settings| settings.referrers = true);
    let other = Image::small("another image");
    for stranger in [Image::referrer_of(&other, SIGNATURE), Image::small("no subject at all")] {
        signed.source.put_untagged("shop/base", &stranger);
        let listed =
            json!({ "mediaType": stranger.media_type(), "digest": stranger.digest(), "size": stranger.bytes().len() });
        signed.source.forget_script();
        signed
            .source
            .script(on("GET", "/referrers/").signed_in(), 9, index(&[listed]));
        signed.run().fails(1).says("which it does not name as its `subject`");
        assert_eq!(signed.target.manifest("shop/web", &stranger.digest()), None);
        assert_eq!(signed.target.tag("shop/web", "1"), None);
    }
}

#[test]
fn a_referrer_that_is_gone_is_told_as_one() {
    let signed = signed(|settings| settings.referrers = true);
    let gone = json!({ "mediaType": "x", "digest": Image::small("gone").digest(), "size": 7 });
    signed
        .source
        .script(on("GET", "/referrers/").signed_in(), 9, index(&[gone]));
    signed
        .run()
        .fails(4)
        .says("a referrer is missing: ")
        .says("the image is whole")
        .never_says("the image is damaged");
}

#[test]
fn what_is_listed_keeps_its_annotations_where_a_tag_lists_it() {
    let mut signed = signed(|settings| settings.referrers = true);
    signed.target = Emulator::start(Setup::shop());
    let listed = json!({
        "mediaType": signed.signature.media_type(), "digest": signed.signature.digest(), "size": signed.signature.bytes().len(),
        "artifactType": SIGNATURE, "annotations": { "org.example.by": "ada" }, "x": 1.50,
    });
    let of_image = format!("/referrers/{}", signed.image.digest());
    signed.source.script(
        on("GET", &of_image).signed_in(),
        9,
        index(std::slice::from_ref(&listed)),
    );
    signed.run().succeeds().says("1 referrer copied");
    let index = signed.target.manifest("shop/web", &signed.fallback()).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["manifests"], json!([listed]));
}

/// Lists without an end stop at a bound, in little memory.
#[test]
fn a_list_without_an_end_ends_with_an_error() {
    let signed = signed(|settings| settings.referrers = true);
    let many: Vec<Value> = (0..1200_u32)
        .map(|number| json!({ "digest": crate::support::image::digest(&number.to_le_bytes()), "size": 1 }))
        .collect();
    signed
        .source
        .script(on("GET", "/referrers/").signed_in(), 9, index(&many));
    signed
        .run()
        .fails(1)
        .says("gave more than 1000 manifests while listing what refers to");
    // Nothing of what was listed was copied before it was counted.
    assert!(
        signed.target.requests().iter().all(|line| !line.starts_with('P')),
        "{:#?}",
        signed.target.requests()
    );
    signed.source.forget_script();
    let endless = Fault::Endless(index(&[]));
    signed.source.script(on("GET", "/referrers/").signed_in(), 9, endless);
    signed.run().fails(1).says("sent more than 4194304 bytes");
}
