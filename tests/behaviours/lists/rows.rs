//! What the API of referrers answers, with how a copy ends where no tag stands in for the list: `None` with an error.

use crate::support::emulator::Answer;
use crate::support::image::OCI_INDEX;
use serde_json::{Value, json};

type Row = (&'static str, Answer, Option<i32>);

/// A list of these entries.
pub(super) fn index(entries: &[Value]) -> Answer {
    indexed(&json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries }).to_string())
}

fn indexed(body: &str) -> Answer {
    Answer::new(200).header("Content-Type", OCI_INDEX).body(body.to_owned())
}

fn with_status(status: u16, answer: Answer) -> Answer {
    Answer { status, ..answer }
}

fn page(status: u16) -> Answer {
    let page = Answer::new(status).header("Content-Type", "text/html");
    page.body("<html>please sign in</html>")
}

pub(super) fn of_referrers() -> Vec<Row> {
    let mut rows = vec![
        // None where the registry has no such API.
        ("404", Answer::error(404, "NOT_FOUND", "page not found"), Some(0)),
        ("404 and a web page", page(404), Some(0)),
        ("405", Answer::new(405), Some(0)),
        ("501", Answer::new(501), Some(0)),
        ("400", Answer::error(400, "UNSUPPORTED", "no"), Some(0)),
    ];
    rows.extend(no_lists());
    rows.extend(no_indexes());
    rows
}

/// What is no list says nothing of it.
fn no_lists() -> Vec<Row> {
    let object = Answer::new(200).json(&json!({ "message": "sign in" }));
    let of_no_type = Answer::new(200).json(&json!({ "schemaVersion": 2, "manifests": [] }));
    vec![
        ("200 and a web page", page(200), None),
        ("200 and nothing", Answer::new(200), None),
        ("200 and an object", object, None),
        ("an index of another type", of_no_type, None),
        ("204", Answer::new(204), None),
        ("203 and an index", with_status(203, index(&[])), None),
        ("206 and an index", with_status(206, index(&[])), None),
        (
            "401 without a challenge",
            Answer::error(401, "UNAUTHORIZED", "no"),
            None,
        ),
        ("402", Answer::new(402), None),
        ("403", Answer::error(403, "DENIED", "no"), None),
        ("406", Answer::new(406), None),
        ("407 and a web page", page(407), None),
    ]
}

/// What calls itself an index by its header.
fn no_indexes() -> Vec<Row> {
    let image = r#"{"schemaVersion":2,"manifests":[],"config":{"digest":"x","size":1}}"#;
    let list =
        r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}"#;
    vec![
        ("an index by its header alone", indexed("{}"), None),
        ("an index without entries", indexed(r#"{"schemaVersion":2}"#), None),
        ("an image", indexed(image), None),
        (
            "an entry without a digest",
            index(&[json!({ "mediaType": "x", "size": 1 })]),
            None,
        ),
        (
            "a digest of another kind",
            index(&[json!({ "digest": "blake3:00", "size": 1 })]),
            None,
        ),
        (
            "an index in other letters",
            indexed(r#"{"schemaVersion":2,"Manifests":[]}"#),
            None,
        ),
        (
            "an index of version 1",
            indexed(r#"{"schemaVersion":1,"manifests":[]}"#),
            None,
        ),
        ("an index that calls itself a list", indexed(list), None),
        ("half an index", indexed(r#"{"schemaVersion":2,"manifests":["#), None),
    ]
}
