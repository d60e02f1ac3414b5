//! Several tags that fail: each is told once, whatever the action, and the run ends with the status that the README's
//! order gives of several.

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::engine::{Engine, Kind};
use crate::support::image::{Image, ImageBuilder};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::skopeo::write_layout;

/// How an image gets its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Retag,
    /// `push`: the daemon sets one tag, the pipe the others.
    Daemon(Kind),
    /// `push` of a manifest that the layout has.
    Layout,
    /// `push` of layers that are compressed on the way.
    PlainLayers,
    /// `copy` within a registry.
    Mount,
    /// `copy` from another registry.
    Stream,
}

const ALL: [By; 8] = [
    By::Retag,
    By::Daemon(Kind::Classic),
    By::Daemon(Kind::Containerd),
    By::Daemon(Kind::Podman),
    By::Layout,
    By::PlainLayers,
    By::Mount,
    By::Stream,
];

/// The tags that are asked for. The last one always succeeds.
const TAGS: &str = "first second third fine";

/// What happens, and what is to come of it.
struct Row {
    name: &'static str,
    /// What a request for a tag of the target is answered.
    answers: Vec<(&'static str, &'static str, Answer)>,
    /// Tags that are there as another image.
    there: &'static [&'static str],
    on_existing: &'static str,
    status: i32,
    failed: &'static [&'static str],
    /// Which tags are set nevertheless.
    set: &'static [&'static str],
    by: fn(By) -> bool,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            name: "",
            answers: Vec::new(),
            there: &[],
            on_existing: "overwrite",
            status: 5,
            failed: &["first", "second"],
            set: &["third", "fine"],
            by: |_| true,
        }
    }
}

fn immutable() -> Answer {
    Answer::error(400, "TAG_IMMUTABLE", "this tag is immutable")
}

fn denied() -> Answer {
    Answer::error(403, "DENIED", "not for you")
}

fn unknown() -> Answer {
    Answer::error(404, "NAME_UNKNOWN", "name unknown")
}

fn fault() -> Answer {
    Answer::new(500)
}

/// Taken as something else than was sent.
fn wrong() -> Answer {
    let other = crate::support::image::digest(b"something else");
    Answer::new(201).header("Docker-Content-Digest", &other)
}

fn rows() -> Vec<Row> {
    // The daemon tries an upload that a fault ends again for over a minute; and what it pushes it checks itself.
    let ours = |by| !matches!(by, By::Daemon(_));
    vec![
        Row {
            name: "two are immutable",
            answers: vec![("PUT", "first", immutable()), ("PUT", "second", immutable())],
            ..Row::default()
        },
        Row {
            name: "two are immutable, as the registry says when they are there",
            answers: vec![("PUT", "first", immutable()), ("PUT", "third", immutable())],
            there: &["first", "third"],
            failed: &["first", "third"],
            set: &["second", "fine"],
            ..Row::default()
        },
        Row {
            name: "one is not found, then one is refused",
            answers: vec![("PUT", "first", unknown()), ("PUT", "second", denied())],
            ..Row::default()
        },
        Row {
            name: "one is refused, then one is not found",
            answers: vec![("PUT", "first", denied()), ("PUT", "second", unknown())],
            ..Row::default()
        },
        Row {
            name: "two are not found",
            answers: vec![("PUT", "second", unknown()), ("PUT", "third", unknown())],
            status: 4,
            failed: &["second", "third"],
            set: &["first", "fine"],
            ..Row::default()
        },
        Row {
            name: "a fault, then one is not found",
            answers: vec![("PUT", "first", fault()), ("PUT", "second", unknown())],
            status: 4,
            by: ours,
            ..Row::default()
        },
        Row {
            name: "wrong bytes, then a fault",
            answers: vec![("PUT", "second", wrong()), ("PUT", "third", fault())],
            status: 6,
            failed: &["second", "third"],
            set: &["first", "fine"],
            ..Row::default()
        },
        Row {
            name: "wrong bytes, a fault and one is not found, and one is refused",
            answers: vec![
                ("PUT", "first", wrong()),
                ("PUT", "second", fault()),
                ("PUT", "third", immutable()),
            ],
            failed: &["first", "second", "third"],
            set: &["fine"],
            by: ours,
            ..Row::default()
        },
        Row {
            name: "two are there, and that is forbidden",
            there: &["first", "third"],
            on_existing: "fail",
            failed: &["first", "third"],
            set: &[],
            ..Row::default()
        },
        Row {
            name: "what two are now is not told",
            answers: vec![
                ("GET|HEAD", "second", Answer::error(400, "UNSUPPORTED", "not now")),
                ("GET|HEAD", "third", Answer::error(400, "UNSUPPORTED", "not now")),
            ],
            on_existing: "skip",
            failed: &["second", "third"],
            set: &[],
            ..Row::default()
        },
        Row {
            name: "what one is now is a fault, and of another not told",
            answers: vec![
                ("GET|HEAD", "second", fault()),
                ("GET|HEAD", "third", Answer::error(400, "UNSUPPORTED", "not now")),
            ],
            on_existing: "skip",
            failed: &["second", "third"],
            set: &[],
            ..Row::default()
        },
    ]
}

/// Runs an action that gives [`TAGS`] to `shop/web` (`shop/base`, where it is there already).
fn run(by: By, row: &Row) {
    let image = ImageBuilder::new("tagging").docker().build();
    let registry = Emulator::start(Setup::shop());
    let package = if by == By::Retag { "shop/base" } else { "shop/web" };
    for tag in row.there {
        registry.put_image(package, tag, &Image::small("something else"));
    }
    for (method, tag, answer) in &row.answers {
        registry.script(on(method, &format!("/manifests/{tag}$")).signed_in(), 9, answer.clone());
    }
    let source = Emulator::start(Setup::shop());
    let layout = tempfile::tempdir().unwrap();
    let pipe = Pipe::new()
        .workspace("shop")
        .registry(&registry)
        .api_token()
        .var("TAGS", TAGS)
        .var("ON_EXISTING", row.on_existing)
        .var("REPORT", "report.json")
        .var("RETRIES", "0");
    let pipe = match by {
        By::Retag => {
            registry.put_image("shop/base", "1", &image);
            pipe.var("ACTION", "retag").var("SOURCE", "base:1")
        }
        By::Daemon(kind) => {
            let engine = Engine::shared(kind);
            let archive = image.docker_archive(&["web:tagging"]);
            engine.docker_reading(&["load"], &archive).succeeds();
            let pipe = pipe.engine(engine).var("ACTION", "push");
            pipe.var("SOURCE", "web:tagging")
        }
        By::Layout => {
            write_layout(layout.path(), &image);
            let pipe = pipe.var("ACTION", "push").var("TARGET", "web");
            pipe.var("SOURCE", &format!("oci:{}", layout.path().display()))
        }
        By::PlainLayers => {
            let pipe = pipe.file("image.tar", image.docker_archive(&["web:1"]));
            let pipe = pipe.var("ACTION", "push").var("TARGET", "web");
            pipe.var("SOURCE", "docker-archive:image.tar")
        }
        By::Mount => {
            registry.put_image("shop/base", "1", &image);
            let pipe = pipe.var("ACTION", "copy").var("TARGET", "web");
            pipe.var("SOURCE", "base:1")
        }
        By::Stream => {
            source.put_image("shop/base", "1", &image);
            let pipe = pipe.var("ACTION", "copy").var("TARGET", "web");
            pipe.var("SOURCE", &format!("{}/shop/base:1", source.host()))
                .var("SOURCE_USERNAME", Setup::EMAIL)
                .var("SOURCE_PASSWORD", &Setup::api_token())
        }
    };
    assert_told(by, row, &pipe.run());
    let tags: Vec<String> = registry.tags(package);
    for tag in TAGS.split(' ') {
        let is_set = registry
            .tag(package, tag)
            .is_some_and(|digest| digest != Image::small("something else").digest());
        assert_eq!(
            is_set,
            row.set.contains(&tag),
            "{by:?}, {}: `{tag}` of {tags:?}",
            row.name
        );
    }
}

fn assert_told(by: By, row: &Row, outcome: &Outcome<'_>) {
    let said = outcome.plain();
    let context = format!("{by:?}, {}; it said:\n{said}", row.name);
    assert_eq!(outcome.status, row.status, "{context}");
    for tag in TAGS.split(' ') {
        let name = format!(":{tag}`");
        let told = said
            .lines()
            .filter(|line| line.starts_with("ERROR: ") && line.contains(&name))
            .count();
        assert_eq!(told, usize::from(row.failed.contains(&tag)), "`{tag}`; {context}");
    }
    let Some(report) = outcome.report.as_ref().filter(|_| !row.set.is_empty()) else {
        return;
    };
    let images = report["images"].as_array().unwrap();
    let reported: Vec<(String, bool)> = images
        .iter()
        .map(|image| {
            let reference = image["reference"].as_str().unwrap();
            let tag = reference.rsplit(':').next().unwrap().to_owned();
            (tag, image["outcome"] == "failed")
        })
        .collect();
    let expected: Vec<(String, bool)> = TAGS
        .split(' ')
        .map(|tag| (tag.to_owned(), row.failed.contains(&tag)))
        .collect();
    assert_eq!(reported, expected, "{context}");
    for tag in row.failed {
        let message = report["error"]["message"].as_str().unwrap();
        assert_eq!(message.matches(&format!(":{tag}`")).count(), 1, "`{tag}`; {context}");
    }
}

#[test]
fn every_tag_that_fails_is_told_once_by_every_action() {
    let mut wrong = Vec::new();
    for row in rows() {
        for by in ALL.into_iter().filter(|by| (row.by)(*by)) {
            let run = std::panic::AssertUnwindSafe(|| run(by, &row));
            if let Err(panic) = std::panic::catch_unwind(run) {
                wrong.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// A source with a signed image, and what its cosign tags are called.
fn signed(endings: &[&str]) -> (Emulator, Vec<String>) {
    let source = Emulator::start(Setup::shop());
    let image = Image::small("signed");
    source.put_image("shop/base", "1", &image);
    let tags: Vec<String> = endings
        .iter()
        .map(|ending| format!("{}.{ending}", image.digest().replacen(':', "-", 1)))
        .collect();
    for tag in &tags {
        source.put_image("shop/base", tag, &Image::small(tag));
    }
    (source, tags)
}

fn copy_signed<'a>(source: &Emulator, target: &'a Emulator) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(target)
        .api_token()
        .var("ACTION", "copy")
        .var("SOURCE", &format!("{}/shop/base:1", source.host()))
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .var("SOURCE_PASSWORD", &Setup::api_token())
        .var("TARGET", "web")
        .var("REFERRERS", "true")
        .var("REPORT", "report.json")
        .var("OUTPUT_ENV", "crg.env")
        .var("RETRIES", "0")
}

fn reported(outcome: &Outcome<'_>) -> Vec<(String, String)> {
    let report = outcome.report.as_ref().unwrap();
    let images = report["images"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    images
        .map(|image| {
            let reference = text(&image["reference"]);
            let tag = reference.rsplit(':').next().unwrap().to_owned();
            (tag, text(&image["outcome"]))
        })
        .collect()
}

fn writes(emulator: &Emulator) -> Vec<String> {
    let is_write = |line: &String| !line.starts_with("GET") && !line.starts_with("HEAD");
    emulator.requests().into_iter().filter(is_write).collect()
}

#[test]
fn cosigns_tags_are_planned_and_reported_as_all_others() {
    let (source, tags) = signed(&["sig", "att", "sbom"]);
    let [sig, att, sbom] = tags.as_slice() else {
        panic!("three tags")
    };
    let other = Image::small("another signature");
    let there = || {
        let target = Emulator::start(Setup::shop());
        target.put_image("shop/web", sig, &other);
        target.put_image("shop/web", att, &Image::small(att));
        target
    };
    for (on_existing, status, of_sig, of_att) in [
        ("overwrite", 0, "tagged", "tagged"),
        ("skip", 0, "skipped", "same"),
        ("fail", 5, "", ""),
    ] {
        let target = there();
        let outcome = copy_signed(&source, &target)
            .var("ON_EXISTING", on_existing)
            .run()
            .fails(status);
        if status == 5 {
            outcome.says(&format!("{sig}` is there already, as another image"));
            assert_eq!(writes(&target), [] as [&str; 0]);
            continue;
        }
        let expected = [("1", "tagged"), (sig, of_sig), (att, of_att), (sbom, "tagged")];
        let expected = expected.map(|(tag, outcome)| (tag.to_owned(), outcome.to_owned()));
        assert_eq!(reported(&outcome), expected, "{on_existing}");
        let skipped = target.tag("shop/web", sig) == Some(other.digest());
        assert_eq!(skipped, on_existing == "skip");
        // The step asked for one image under one tag.
        let lines = outcome.file("crg.env").unwrap();
        assert!(lines.contains("CRG_PIPE_TAGS='1'\nCRG_PIPE_COUNT='1'"), "{lines}");
    }
}

#[test]
fn cosigns_tags_that_fail_are_told_each_and_those_that_are_right_are_right() {
    let (source, tags) = signed(&["sig", "att", "sbom"]);
    let target = Emulator::start(Setup::shop());
    for tag in &tags[..2] {
        target.script(on("PUT", &format!("/manifests/{tag}$")).signed_in(), 9, immutable());
    }
    let outcome = copy_signed(&source, &target).run().fails(5);
    let said = outcome.plain();
    for (tag, times) in tags.iter().zip([1, 1, 0]) {
        let told = said.lines().filter(|line| line.starts_with("ERROR: "));
        assert_eq!(told.filter(|line| line.contains(tag.as_str())).count(), times, "{said}");
    }
    let failed = |tag: &str| (tag.to_owned(), "failed".to_owned());
    let expected = [
        failed("1"),
        failed(&tags[0]),
        failed(&tags[1]),
        (tags[2].clone(), "tagged".to_owned()),
    ];
    assert_eq!(reported(&outcome), expected);
    assert_eq!(target.tag("shop/web", "1"), None, "what it lacks comes before the tag");

    // A registry whose tags may not even be written as they are.
    let setup = Setup::shop()
        .immutable("^sha256-")
        .with(|settings| settings.immutable_takes_same = false);
    let target = Emulator::start(setup);
    copy_signed(&source, &target).run().succeeds();
    copy_signed(&source, &target)
        .run()
        .succeeds()
        .says("has this digest already");
}
