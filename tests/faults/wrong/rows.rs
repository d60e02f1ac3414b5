//! What a registry may make up, and what is to be said of it.

use crate::support::emulator::{Answer, Fault, Matcher, on};
use crate::support::image::{Image, ImageBuilder, OCI_MANIFEST, digest};
use bytes::Bytes;

/// Variables of an action.
pub(super) type Variables = &'static [(&'static str, &'static str)];

pub(super) const TO_LAYOUT: Variables = &[("ACTION", "pull"), ("IMAGES", "base:1"), ("TO", "oci:out")];
pub(super) const TO_OCI_ARCHIVE: Variables = &[("ACTION", "pull"), ("IMAGES", "base:1"), ("TO", "oci-archive:out.tar")];
const TO_DOCKER_ARCHIVE: Variables = &[
    ("ACTION", "pull"),
    ("IMAGES", "base:1"),
    ("TO", "docker-archive:out.tar"),
];
pub(super) const RETAG: Variables = &[("ACTION", "retag"), ("SOURCE", "base:1"), ("TAGS", "2")];
pub(super) const COPY: Variables = &[("ACTION", "copy"), ("SOURCE", "base:1"), ("TARGET", "web:1")];
/// What reads blobs.
const READS: &[Variables] = &[TO_LAYOUT, TO_OCI_ARCHIVE, TO_DOCKER_ARCHIVE, COPY];
/// What reads the manifest.
const ALL: &[Variables] = &[TO_LAYOUT, COPY, RETAG];
/// No word on what is wrong is asked for.
pub(super) const ANY: &str = "";
const NO_JSON: &str = "not JSON of the right form";
const NO_SIZE: &str = "is not the size of a blob";
const WRONG: &str = "wrong bytes";
const OTHER_SIZE: &str = "where its descriptor says";
const OTHER: &str = "sent other bytes than asked for";
const TOO_MUCH: &str = "sent more than 4194304 bytes";

/// A row.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) on: Matcher,
    pub(super) fault: Fault,
    pub(super) status: i32,
    pub(super) words: &'static str,
    pub(super) actions: &'static [Variables],
}

fn row(
    what: &'static str,
    on: Matcher,
    fault: impl Into<Fault>,
    words: &'static str,
    actions: &'static [Variables],
) -> Row {
    Row {
        what,
        on,
        fault: fault.into(),
        status: 1,
        words,
        actions,
    }
}

pub(super) fn all() -> Vec<Row> {
    [blobs(), documents(), manifests(), sizes()]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) fn image() -> Image {
    ImageBuilder::new("wrong").layers(1, 50_000).build()
}

pub(super) fn json_answer(media_type: &str, body: impl Into<Bytes>) -> Answer {
    Answer::new(200).header("Content-Type", media_type).body(body)
}

fn endless() -> Fault {
    Fault::Endless(Answer::new(200).body(vec![b'x'; 64 * 1024]))
}

fn manifest() -> Matcher {
    on("GET", "/manifests/1").signed_in()
}

/// The image's manifest with a piece of its text in place of another.
fn changed(from: &str, to: &str) -> Answer {
    let text = String::from_utf8(image().bytes().to_vec()).unwrap();
    assert!(text.contains(from), "`{from}` is not in {text}");
    json_answer(OCI_MANIFEST, text.replacen(from, to, 1))
}

fn blobs() -> Vec<Row> {
    let image = image();
    let layer = &image.blobs()[1];
    let row = |what, change: fn(&mut Vec<u8>), words| {
        let mut bytes = layer.bytes.to_vec();
        change(&mut bytes);
        row(
            what,
            on("GET", &layer.digest()).signed_in(),
            Answer::new(200).body(bytes),
            words,
            READS,
        )
    };
    vec![
        row("a flipped byte", |bytes| bytes[20_000] ^= 1, WRONG),
        row("a flipped last byte", |bytes| *bytes.last_mut().unwrap() ^= 1, WRONG),
        row("a short blob", |bytes| bytes.truncate(30_000), "it has 30000 bytes"),
        row("an empty blob", Vec::clear, "it has 0 bytes"),
        row("a long blob", |bytes| bytes.push(0), OTHER_SIZE),
        Row {
            fault: endless(),
            ..row("a blob without an end", |_| (), WRONG)
        },
    ]
}

fn documents() -> Vec<Row> {
    let image = image();
    let config = on("GET", &image.config_digest()).signed_in();
    let refusal = Fault::Endless(Answer::new(403).body(vec![b'x'; 64 * 1024]));
    let other = json_answer(OCI_MANIFEST, image.bytes().clone()).header("Docker-Content-Digest", &digest(b"other"));
    vec![
        row("a `Docker-Content-Digest` that lies", manifest(), other, OTHER, ALL),
        row("a manifest without an end", manifest(), endless(), TOO_MUCH, ALL),
        row(
            "a manifest over 4 MiB",
            manifest(),
            json_answer(OCI_MANIFEST, vec![b' '; (4 << 20) + 1]),
            TOO_MUCH,
            ALL,
        ),
        row("a configuration without an end", config, endless(), ANY, READS),
        row(
            "a token without an end",
            on("GET", "^/token"),
            endless(),
            "sent more than 262144 bytes",
            ALL,
        ),
        Row {
            status: 3,
            ..row("a refusal without an end", manifest(), refusal, "403", ALL)
        },
        row(
            "a web page",
            manifest(),
            json_answer(OCI_MANIFEST, "<html>"),
            NO_JSON,
            ALL,
        ),
    ]
}

fn manifests() -> Vec<Row> {
    let whole = |what, text: String| row(what, manifest(), json_answer(OCI_MANIFEST, text), NO_JSON, &[TO_LAYOUT]);
    let twice = |what, from: &str| {
        let empty = if from.ends_with('[') { "[]" } else { "{}" };
        let key = from.trim_end_matches(['[', '{']);
        row(
            what,
            manifest(),
            changed(from, &format!("{key}{empty}, {from}")),
            NO_JSON,
            ALL,
        )
    };
    vec![
        whole("a list", "[]".to_owned()),
        whole("10,000 lists in lists", "[".repeat(10_000)),
        whole("10,000 objects in objects", "{\"annotations\":".repeat(10_000)),
        twice("a configuration that is there twice", "\"config\": {"),
        twice("layers that are there twice", "\"layers\": ["),
        row(
            "a digest that is a path",
            manifest(),
            changed("\"digest\": \"sha256:", "\"digest\": \"sha256:../"),
            "is not a digest",
            READS,
        ),
    ]
}

fn sizes() -> Vec<Row> {
    let size = image().blobs()[1].bytes.len();
    let own = format!("\"size\": {size}");
    let row = |what, other: &str, words| {
        row(
            what,
            manifest(),
            changed(&own, &format!("\"size\": {other}")),
            words,
            READS,
        )
    };
    vec![
        row("a size that is there twice", &format!("1, {own}"), NO_JSON),
        row("a negative size", "-1", NO_JSON),
        row("a size with a fraction", "1.5", NO_JSON),
        row("a size in quotes", "\"5\"", NO_JSON),
        row("a size of 2^64", "18446744073709551616", NO_JSON),
        row("a size of 2^64-1", "18446744073709551615", NO_SIZE),
        row("a size of 2^63", "9223372036854775808", NO_SIZE),
        row("a size of 2^63-1", "9223372036854775807", ANY),
        row("a size of a petabyte", "1125899906842624", ANY),
        row("a size of a terabyte", "1099511627776", OTHER_SIZE),
        row("a size that is one less", &(size - 1).to_string(), OTHER_SIZE),
        row("a size of none", "0", WRONG),
    ]
}
