//! The rows.

use super::case::{Action, Case, LARGE, LAYER, Point, WINDOW, busy, busy_for, busy_until, image, received, sent};
use crate::support::emulator::{Answer, Break, Fault, Kept};
use crate::support::image::OCI_MANIFEST;
use std::time::Duration;

/// All of the layer; gzip makes noise longer.
const WHOLE: u64 = LARGE as u64 + (512 << 10);
const MIB: usize = 1 << 20;

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for point in [
        Point::Token,
        Point::ManifestHead,
        Point::ManifestGet,
        Point::BlobGet,
        Point::BlobHead,
        Point::MountPost,
        Point::UploadPost,
        Point::Upload,
        Point::UploadEnd,
        Point::ManifestPut,
    ] {
        cases.extend(at_any(point));
    }
    cases.extend(answers());
    cases.extend(odd_answers());
    cases.extend(names());
    cases.extend(connections());
    cases.extend(downloads());
    cases.extend(uploads());
    cases
}

/// What any request may meet. What is refused after its body came has to be sent again whole: a registry that answers
/// says nothing of what it kept, and a session of which nothing is known to be stored is opened anew.
fn at_any(point: Point) -> Vec<Case> {
    let again = if point == Point::Upload { WHOLE } else { 0 };
    let new = |fault, tries, script| Case::new(point, fault, tries, script).again(again);
    let mut cases = vec![
        new("429, Retry-After: 1", 2, || vec![busy_for(429, 1)]).takes(1.0),
        new("429, Retry-After: a date", 2, || vec![busy_until()]).takes(0.9),
        new("429 without Retry-After", 2, || vec![busy(429).into()]),
        new("503, Retry-After: 1", 2, || vec![busy_for(503, 1)]).takes(1.0),
        new("503 twice", 3, || vec![busy(503).into(), busy(503).into()]).again(2 * again),
        new("reset before an answer", 2, || vec![Fault::Reset]),
    ];
    if !matches!(point, Point::Upload | Point::UploadEnd) {
        // Of an upload that has come whole, a registry may take long to store it.
        cases.push(new("no answer at all", 2, || vec![Fault::Silence]).takes(1.0));
    }
    if !matches!(point, Point::Token | Point::ManifestHead | Point::ManifestGet) {
        // Not at the first request that it is for: a token that is refused when new is no good.
        let is_one_of_two = matches!(point, Point::BlobHead | Point::MountPost | Point::UploadPost);
        let most = if is_one_of_two { 3 } else { 2 };
        cases.push(new("the token has expired", 2, || vec![Fault::Expired]).most(most));
    }
    cases
}

/// What is an answer, and what never ends.
fn answers() -> Vec<Case> {
    vec![
        Case::new(Point::Token, "401: an answer", 1, || vec![Answer::new(401).into()])
            .fails(3)
            .only(&[Action::Pull, Action::Push]),
        Case::new(Point::ManifestGet, "404: an answer", 1, || {
            vec![Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown").into()]
        })
        .fails(4)
        .only(&[Action::Pull, Action::Copy]),
        Case::new(Point::BlobGet, "404: an answer", 1, || {
            vec![Answer::error(404, "BLOB_UNKNOWN", "blob unknown to registry").into()]
        })
        .fails(4),
        Case::new(Point::ManifestPut, "403: an answer", 1, || {
            vec![Answer::error(403, "DENIED", "denied").into()]
        })
        .fails(5)
        .only(&[Action::Push]),
        Case::new(Point::BlobGet, "503 for ever", 3, || vec![busy(503).into(); 20]).fails(6),
        Case::new(Point::BlobGet, "reset for ever", 3, || vec![Fault::Reset; 20]).fails(6),
        Case::new(Point::UploadPost, "503 for ever", 2, || vec![busy(503).into(); 20])
            .fails(6)
            .most(5)
            .only(&[Action::Push]),
        Case::new(Point::ManifestPut, "reset for ever", 3, || vec![Fault::Reset; 20])
            .fails(6)
            .only(&[Action::Push, Action::Retag]),
    ]
}

/// What another answers in the place of a registry, and what a registry answers that the specification does not name.
fn odd_answers() -> Vec<Case> {
    fn encoded() -> Fault {
        let answer = Answer::new(200).header("Content-Encoding", "gzip");
        answer
            .header("Content-Type", OCI_MANIFEST)
            .body(&b"\x1f\x8b\x08\x00"[..])
            .into()
    }
    fn page() -> Fault {
        let answer = Answer::new(200).header("Content-Type", "text/html");
        answer.body("<html>please sign in</html>").into()
    }
    fn object() -> Fault {
        Answer::new(200)
            .json(&serde_json::json!({ "message": "please sign in" }))
            .into()
    }
    const READERS: &[Action] = &[Action::Pull, Action::Copy];
    const WRITERS: &[Action] = &[Action::Push, Action::Copy, Action::Mount, Action::Retag];
    vec![
        Case::new(
            Point::ManifestGet,
            "gzip, which nobody asked for",
            1,
            || vec![encoded()],
        )
        .fails(1)
        .only(READERS),
        Case::new(Point::BlobGet, "gzip, which nobody asked for", 1, || vec![encoded()]).fails(1),
        Case::new(Point::ManifestGet, "200 and a sign-in page", 1, || vec![page()])
            .fails(1)
            .only(READERS),
        Case::new(Point::BlobGet, "200 and a sign-in page", 1, || vec![page()]).fails(1),
        Case::new(Point::ManifestGet, "200 and an object that is no manifest", 1, || {
            vec![object()]
        })
        .fails(1)
        .only(READERS),
        Case::new(Point::ManifestPut, "200 and nothing done", 1, || vec![object()])
            .fails(1)
            .only(&[Action::Push]),
        Case::new(Point::UploadPost, "200 and nothing begun", 1, || vec![object()])
            .fails(1)
            .most(2)
            .only(&[Action::Push]),
        Case::new(Point::ManifestPut, "202 in the place of 201", 1, || {
            vec![Fault::As(202)]
        })
        .only(WRITERS),
        Case::new(Point::Upload, "202 in the place of 201", 1, || vec![Fault::As(202)])
            .only(&[Action::Push, Action::Copy]),
        Case::new(Point::ManifestHead, "405: HEAD is not known", 1, || {
            vec![Answer::new(405).into()]
        }),
        Case::new(Point::ManifestHead, "404, and a GET finds it", 1, || {
            vec![Answer::new(404).into()]
        })
        .only(&[Action::Copy]),
        Case::new(Point::Upload, "307 to the registry itself", 2, || {
            vec![Fault::Redirected(307, "&hop=1")]
        })
        .again(WHOLE)
        .only(&[Action::Push, Action::Copy]),
    ]
}

fn names() -> Vec<Case> {
    let name = |fault, tries, time| Case::new(Point::Name, fault, tries, Vec::new).unknown_for(time);
    vec![
        name("nothing", 1, Duration::ZERO),
        // On a slow machine the second lookup may be late enough.
        name("no address for 0.6 s at first", 2, Duration::from_millis(600)).most(3),
        name("no address for ever", 3, Duration::MAX)
            .fails(6)
            .only(&[Action::Pull, Action::Push, Action::Copy]),
    ]
}

fn connections() -> Vec<Case> {
    vec![Case::new(Point::Token, "connections refused for 0.6 s at first", 1, Vec::new).opens_after(0.6)]
}

/// Bodies of answers.
fn downloads() -> Vec<Case> {
    let blob = |fault, tries, script| Case::new(Point::BlobGet, fault, tries, script);
    let storage = |fault, tries, script| {
        Case::new(Point::Storage, fault, tries, script).with(|settings| settings.redirects = true)
    };
    vec![
        Case::new(Point::Token, "body cut", 2, || vec![sent(20, Break::Cut)]),
        Case::new(Point::Token, "body reset", 2, || vec![sent(20, Break::Reset)]),
        Case::new(Point::Token, "body stands still", 2, || vec![sent(20, Break::Stall)]).takes(1.0),
        Case::new(Point::ManifestGet, "body cut", 2, || vec![sent(100, Break::Cut)]),
        Case::new(Point::ManifestGet, "body reset", 2, || vec![sent(100, Break::Reset)]),
        Case::new(Point::ManifestGet, "body stands still", 2, || {
            vec![sent(100, Break::Stall)]
        })
        .takes(1.0),
        blob("body cut before its first byte", 2, || vec![sent(0, Break::Cut)]),
        blob("body cut after its first byte", 2, || vec![sent(1, Break::Cut)]),
        blob("body cut in the middle", 2, || vec![sent(LAYER / 2, Break::Cut)]),
        blob("body cut before its last byte", 2, || vec![sent(LAYER - 1, Break::Cut)]),
        blob("body reset", 2, || vec![sent(LAYER / 2, Break::Reset)]).again(LAYER as u64 / 2),
        blob("body stands still", 2, || vec![sent(LAYER / 2, Break::Stall)]).takes(1.0),
        blob("body comes at a drip", 2, || vec![sent(LAYER / 2, Break::Drip)]).takes(2.0),
        blob("body comes at a drip, for ever", 3, || vec![sent(100, Break::Drip); 20])
            .takes(6.0)
            .fails(6),
        blob("body cut five times", 6, || vec![sent(LAYER / 10, Break::Cut); 5]),
        blob("body cut after no byte, for ever", 3, || vec![sent(0, Break::Cut); 20]).fails(6),
        blob("body cut, then the token has expired", 3, || {
            vec![sent(LAYER / 2, Break::Cut), Fault::Expired]
        }),
        blob("body cut, no ranges", 2, || vec![sent(LAYER / 2, Break::Cut)])
            .with(|settings| settings.ranges = false)
            .again(LAYER as u64 / 2),
        storage("nothing", 1, Vec::new),
        storage("503", 2, || vec![busy(503).into()]),
        storage("reset", 2, || vec![Fault::Reset]),
        storage("body cut", 2, || vec![sent(LAYER / 2, Break::Cut)]),
    ]
}

/// Bodies of uploads.
fn uploads() -> Vec<Case> {
    let upload = |fault, tries, script| Case::new(Point::Upload, fault, tries, script);
    vec![
        // Nothing that the session holds is sent again.
        upload("cut, the session holds what came", 2, || {
            vec![received(2 * MIB, Kept::All, Break::Reset)]
        })
        .but(Action::Copy, 2, read_again(2 * MIB, 1)),
        upload("stands still, the session holds what came", 2, || {
            vec![received(2 * MIB, Kept::All, Break::Stall)]
        })
        .but(Action::Copy, 2, read_again(2 * MIB, 1))
        .takes(1.0),
        upload("cut three times, the session holds what came", 4, || {
            vec![received(MIB, Kept::All, Break::Reset); 3]
        })
        .but(Action::Copy, 4, read_again(MIB, 3)),
        upload("cut, the session holds other bytes", 3, || {
            vec![received(2 * MIB, Kept::Others, Break::Reset)]
        })
        .again(2 * WHOLE),
        upload("cut, the session is empty", 2, || {
            vec![received(2 * MIB, Kept::Nothing, Break::Reset)]
        })
        .again(WHOLE),
        upload("cut, the session is gone", 2, || {
            vec![received(2 * MIB, Kept::Gone, Break::Reset)]
        })
        .again(WHOLE),
        // A session tells what it has only to who knows its newest state, which was in the answer.
        upload("stored, but reset before the answer", 1, || {
            vec![Fault::Unheard(Break::Reset)]
        })
        .but(Action::PushPlain, 2, WHOLE),
        Case::new(Point::UploadPost, "opened, but reset before the answer", 2, || {
            vec![Fault::Unheard(Break::Reset)]
        }),
        Case::new(Point::UploadEnd, "stored, but reset before the answer", 2, || {
            vec![Fault::Unheard(Break::Reset)]
        }),
        Case::new(Point::ManifestPut, "stored, but reset before the answer", 2, || {
            vec![Fault::Unheard(Break::Reset)]
        }),
    ]
}

/// Most bytes that a copy may read again where its upload was cut `cuts` times, each time after so many more bytes of the
/// layer, and the session holds them: each time what was missing, which the network's own buffers may have held when it
/// broke, and one window.
fn read_again(part: usize, cuts: usize) -> u64 {
    let layer = image(true).blobs()[1].bytes.len();
    (1..=cuts).map(|cut| (layer - cut * part) as u64 + WINDOW).sum()
}
