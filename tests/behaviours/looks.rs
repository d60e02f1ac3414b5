//! What a look does not find: whether that is an answer depends on who asked, and how.

use super::Action::{Check, Copy, Login, Mirror, Pull, Push, Retag};
use super::{Cell, Row, SOME, check};
use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::Image;

/// What is done to the registry before a run.
type Prepare = fn(&Emulator);

const SKIP: &[(&str, &str)] = &[("ON_EXISTING", "skip")];
const FAIL: &[(&str, &str)] = &[("ON_EXISTING", "fail")];

/// Registries that hide what is private, and challenge at `/v2/` alone.
#[test]
fn an_anonymous_no_is_not_the_answer_to_who_may_sign_in() {
    fn hiding(status: u16) -> Setup {
        Setup::shop().with(|settings| {
            settings.hides = Some(match status {
                404 => Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
                403 => Answer::error(403, "DENIED", "access denied"),
                200 => Answer::new(200)
                    .header("Content-Type", "text/html; charset=utf-8")
                    .body("<html>Sign in</html>"),
                status => Answer::new(status),
            });
        })
    }
    const DONE: &[Cell] = &[
        Cell(Pull, 0, 5, ""),
        Cell(Retag, 0, 4, ""),
        Cell(Push, 0, 10, ""),
        Cell(Mirror, 0, 10, ""),
        Cell(Copy, 0, 8, ""),
        // Three of them for what is attached to the image.
        Cell(Check, 0, 9, "may be pulled with the API token"),
        Cell(Login, 0, 2, ""),
    ];
    let row = |what, setup| Row {
        what,
        setup,
        prepare: |_| (),
        variables: &[],
        cells: DONE,
    };
    check(&[
        row("404 to who has not signed in", || hiding(404)),
        row("403 to who has not signed in", || hiding(403)),
        row("a page to who has not signed in", || hiding(200)),
        row("400 to who has not signed in", || hiding(400)),
        row("405 to who has not signed in", || hiding(405)),
        row("406 to who has not signed in", || hiding(406)),
        row("407 to who has not signed in", || hiding(407)),
        row("410 to who has not signed in", || hiding(410)),
        row("451 to who has not signed in", || hiding(451)),
        // What is there must be seen before it is written over.
        Row {
            what: "404 to who has not signed in, and the tag is there",
            prepare: taken,
            variables: FAIL,
            cells: &[
                Cell(Retag, 5, 4, "is there already, as another image"),
                Cell(Push, 5, 3, "is there already, as another image"),
                Cell(Mirror, 5, 3, "is there already, as another image"),
                Cell(Copy, 5, 5, "is there already, as another image"),
            ],
            ..row("", || hiding(404))
        },
        // Who asks for no sign-in at all has answered.
        Row {
            what: "404 to who has not signed in, and `/v2/` open to all",
            setup: || {
                let open = |settings: &mut crate::support::emulator::Settings| settings.open_base = true;
                hiding(404).with(open)
            },
            cells: &[
                Cell(Pull, 4, 3, "404 MANIFEST_UNKNOWN"),
                Cell(Retag, 4, 3, "404 MANIFEST_UNKNOWN"),
            ],
            ..row("", Setup::shop)
        },
        Row {
            what: "403 to who has not signed in, and `/v2/` open to all",
            setup: || {
                let open = |settings: &mut crate::support::emulator::Settings| settings.open_base = true;
                hiding(403).with(open)
            },
            cells: &[Cell(
                Pull,
                3,
                2,
                "asks nobody to sign in, neither for this nor at `/v2/`, so no credential was sent",
            )],
            ..row("", Setup::shop)
        },
    ]);
}

/// Another image has the tags that are to be written.
fn taken(emulator: &Emulator) {
    emulator.put_image("shop/base", "2", &Image::small("other"));
    emulator.put_image("shop/web", "1", &Image::small("other"));
}

/// Nexus answers HEAD with 404 where a GET finds the manifest, others know no HEAD or forbid it.
#[test]
fn a_head_that_finds_nothing_lets_no_write_through() {
    fn head_is(status: u16) -> Setup {
        Setup::shop().with(|settings| settings.manifest_head = Some(status))
    }
    const REFUSED: &[Cell] = &[
        Cell(Retag, 5, 4, "is there already, as another image"),
        Cell(Push, 5, 2, "is there already, as another image"),
        Cell(Mirror, 5, 2, "is there already, as another image"),
        Cell(Copy, 5, 4, "is there already, as another image"),
    ];
    const SKIPPED: &[Cell] = &[
        Cell(Retag, 0, 4, "left alone: `2`"),
        Cell(Push, 0, 2, "left alone: `1`"),
        Cell(Mirror, 0, 2, "left alone: `1`"),
        Cell(Copy, 0, 4, "left alone: `1`"),
    ];
    /// A new tag: the confirmation costs a request where `ON_EXISTING` could forbid the write.
    const NEW: &[Cell] = &[Cell(Retag, 0, 5, "tagged `2`"), Cell(Copy, 0, 7, "tagged `1`")];
    let row = |what, setup, variables, cells| Row {
        what,
        setup,
        prepare: taken,
        variables,
        cells,
    };
    let new = |what, setup, variables, cells| Row {
        prepare: |_| (),
        ..row(what, setup, variables, cells)
    };
    check(&[
        row("HEAD is 404, fail", || head_is(404), FAIL, REFUSED),
        row("HEAD is 405, fail", || head_is(405), FAIL, REFUSED),
        row("HEAD is 403, fail", || head_is(403), FAIL, REFUSED),
        row("HEAD is 200 without a digest, fail", || head_is(200), FAIL, REFUSED),
        row("HEAD is 204, fail", || head_is(204), FAIL, REFUSED),
        row("HEAD is 400, fail", || head_is(400), FAIL, REFUSED),
        row("HEAD is 406, fail", || head_is(406), FAIL, REFUSED),
        row("HEAD is 410, fail", || head_is(410), FAIL, REFUSED),
        row("HEAD is 415, skip", || head_is(415), SKIP, SKIPPED),
        row("HEAD is 203, skip", || head_is(203), SKIP, SKIPPED),
        row("HEAD is 404, skip", || head_is(404), SKIP, SKIPPED),
        row("HEAD is 405, skip", || head_is(405), SKIP, SKIPPED),
        row("HEAD is 501, skip", || head_is(501), SKIP, SKIPPED),
        new("HEAD is 404, skip, and the tag is new", || head_is(404), SKIP, NEW),
        new("HEAD is 405, fail, and the tag is new", || head_is(405), FAIL, NEW),
        new("a tag that is new, skip", Setup::shop, SKIP, NEW),
        // What may be written over needs no second look, and 405 and 403 are no refusal of it.
        row(
            "HEAD is 404, overwrite",
            || head_is(404),
            &[],
            &[
                Cell(Retag, 0, 3, "tagged `2`"),
                Cell(Copy, 0, 6, "tagged `1`"),
                Cell(Mirror, 0, 9, "tagged `1`"),
            ],
        ),
        row(
            "HEAD is 405, overwrite",
            || head_is(405),
            &[],
            &[
                Cell(Retag, 0, 3, "tagged `2`"),
                Cell(Copy, 0, 7, "tagged `1`"),
                Cell(Mirror, 0, 9, "tagged `1`"),
            ],
        ),
        row(
            "HEAD is 403, overwrite",
            || head_is(403),
            &[],
            &[Cell(Copy, 0, 7, "tagged `1`")],
        ),
    ]);
}

/// What a tag is now may be something that nobody reads: it is there, and another image than the one that is to be written.
#[test]
fn what_cannot_be_read_is_there_as_another_image() {
    /// A tag of this content, its GET answered so if that is not the same.
    fn there(emulator: &Emulator, image: &Image, answer: Option<&Answer>) {
        for (package, tag) in [("shop/base", "2"), ("shop/web", "1")] {
            emulator.put_image(package, tag, image);
            if let Some(answer) = answer {
                let path = format!("/{package}/manifests/{tag}$");
                emulator.script(on("GET", &path).signed_in(), 1000, answer.clone());
            }
        }
    }
    fn odd(emulator: &Emulator, text: &str) {
        there(emulator, &Image::of_bytes("application/json", text), None);
    }
    fn damaged(emulator: &Emulator, image: &Image, bytes: &[u8]) {
        let answer = Answer::new(200)
            .header("Content-Type", image.media_type())
            .header("Docker-Content-Digest", &image.digest())
            .body(bytes.to_vec());
        there(emulator, image, Some(&answer));
    }
    const WRITTEN: &[Cell] = &[
        Cell(Retag, 0, SOME, "tagged `2`"),
        Cell(Push, 0, SOME, "tagged `1`"),
        Cell(Mirror, 0, SOME, "tagged `1`"),
        Cell(Copy, 0, SOME, "tagged `1`"),
    ];
    const SKIPPED: &[Cell] = &[
        Cell(Retag, 0, SOME, "left alone: `2`"),
        Cell(Push, 0, SOME, "left alone: `1`"),
        Cell(Mirror, 0, SOME, "left alone: `1`"),
        Cell(Copy, 0, SOME, "left alone: `1`"),
    ];
    const REFUSED: &[Cell] = &[
        Cell(Retag, 5, SOME, "is there already, as another image (sha256:"),
        Cell(Push, 5, SOME, "is there already, as another image (sha256:"),
        Cell(Mirror, 5, SOME, "is there already, as another image (sha256:"),
        Cell(Copy, 5, SOME, "is there already, as another image (sha256:"),
    ];
    let content: [(&str, Prepare); 8] = [
        ("schema 1", |emulator| {
            there(emulator, &Image::schema_1("shop/web"), None);
        }),
        ("a list in JSON", |emulator| odd(emulator, "[]")),
        ("a text", |emulator| odd(emulator, "no JSON")),
        ("nothing", |emulator| odd(emulator, "")),
        ("an index and an image at once", |emulator| {
            odd(emulator, r#"{"schemaVersion": 2, "manifests": [], "layers": []}"#);
        }),
        ("more than is read", |emulator| {
            let text = format!(
                r#"{{"schemaVersion": 2, "annotations": {{"a": "{}"}}}}"#,
                "x".repeat(5 << 20)
            );
            odd(emulator, &text);
        }),
        ("damaged", |emulator| damaged(emulator, &Image::small("other"), b"{}")),
        ("another manifest than its digest says", |emulator| {
            let other = Image::small("third").bytes().to_vec();
            damaged(emulator, &Image::small("other"), &other);
        }),
    ];
    let rows = content.iter().flat_map(|&(what, prepare)| {
        [(&[][..], WRITTEN), (SKIP, SKIPPED), (FAIL, REFUSED)].map(|(variables, cells)| Row {
            what,
            setup: Setup::shop,
            prepare,
            variables,
            cells,
        })
    });
    check(&rows.collect::<Vec<_>>());
    // The very image, damaged where it is: only what is written again can be read.
    let same = |emulator: &Emulator| damaged(emulator, &Image::small("behaviours"), b"{}");
    let row = |what, setup, prepare, cells| Row {
        what,
        setup,
        prepare,
        variables: &[],
        cells,
    };
    check(&[
        row(
            "the image itself, damaged",
            Setup::shop,
            same,
            &[Cell(Push, 0, SOME, "tagged `1`"), Cell(Mirror, 0, SOME, "tagged `1`")],
        ),
        row(
            "schema 1, and a HEAD does not tell",
            || Setup::shop().with(|settings| settings.manifest_head = Some(405)),
            |emulator| there(emulator, &Image::schema_1("shop/web"), None),
            &[
                Cell(Push, 1, SOME, "is an image of Docker's schema 1"),
                Cell(Mirror, 1, SOME, "is an image of Docker's schema 1"),
            ],
        ),
    ]);
}

/// A refusal, a pause and a fault are no "there is none", whatever code comes with them.
#[test]
fn a_refusal_with_the_code_of_another_answer_lets_no_write_through() {
    fn answered(emulator: &Emulator, status: u16, code: &str) {
        taken(emulator);
        let answer = Answer::error(status, code, "no");
        emulator.script(
            on("GET|HEAD", "/shop/(web/manifests/1|base/manifests/2)").signed_in(),
            1000,
            answer,
        );
    }
    const fn all(status: i32) -> [Cell; 4] {
        [
            Cell(Retag, status, SOME, "ERROR"),
            Cell(Push, status, SOME, "ERROR"),
            Cell(Mirror, status, SOME, "ERROR"),
            Cell(Copy, status, SOME, "ERROR"),
        ]
    }
    const DENIED: &[Cell] = &all(3);
    const UNKNOWN: &[Cell] = &all(4);
    const LIMITED: &[Cell] = &all(5);
    const FAULT: &[Cell] = &all(6);
    let answers: [(&str, Prepare, &'static [Cell]); 8] = [
        ("404 DENIED", |emulator| answered(emulator, 404, "DENIED"), DENIED),
        (
            "404 UNAUTHORIZED",
            |emulator| answered(emulator, 404, "UNAUTHORIZED"),
            DENIED,
        ),
        (
            "401 MANIFEST_UNKNOWN",
            |emulator| answered(emulator, 401, "MANIFEST_UNKNOWN"),
            DENIED,
        ),
        (
            "403 MANIFEST_UNKNOWN",
            |emulator| answered(emulator, 403, "MANIFEST_UNKNOWN"),
            DENIED,
        ),
        (
            "429 MANIFEST_UNKNOWN",
            |emulator| answered(emulator, 429, "MANIFEST_UNKNOWN"),
            LIMITED,
        ),
        (
            "500 MANIFEST_UNKNOWN",
            |emulator| answered(emulator, 500, "MANIFEST_UNKNOWN"),
            FAULT,
        ),
        (
            "401 NAME_UNKNOWN",
            |emulator| answered(emulator, 401, "NAME_UNKNOWN"),
            UNKNOWN,
        ),
        (
            "403 NAME_UNKNOWN",
            |emulator| answered(emulator, 403, "NAME_UNKNOWN"),
            UNKNOWN,
        ),
    ];
    let rows = answers.iter().flat_map(|&(what, prepare, cells)| {
        [SKIP, FAIL].map(|variables| Row {
            what,
            setup: Setup::shop,
            prepare,
            variables,
            cells,
        })
    });
    check(&rows.collect::<Vec<_>>());
}

/// Artifactory's answer to who may write and looks for a tag that is not there (ggcr#1691). It stays a refusal: Bitbucket says the
/// same of a package that the credential does not reach, and a run that goes on would upload everything before it hears so.
#[test]
fn a_look_that_is_forbidden_is_a_refusal() {
    fn forbidden(emulator: &Emulator) {
        let denied = Answer::error(403, "DENIED", "the tag does not exist");
        let path = "/shop/(web/manifests/1|base/manifests/2)";
        emulator.script(on("GET|HEAD", path).signed_in(), 1000, denied);
    }
    const REFUSED: &[Cell] = &[
        Cell(Push, 3, 2, "403 DENIED, “the tag does not exist”"),
        Cell(Mirror, 3, 2, "403 DENIED, “the tag does not exist”"),
        Cell(Retag, 0, 3, "tagged `2`"),
    ];
    check(&[Row {
        what: "403 to the look for a tag",
        setup: Setup::shop,
        prepare: forbidden,
        variables: &[],
        cells: REFUSED,
    }]);
}
