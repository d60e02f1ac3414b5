//! What a look does not find: whether that is an answer depends on who asked, and how.

use super::Action::{Check, Copy, Login, Mirror, Pull, Push, Retag};
use super::{Cell, Row, check};
use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::Image;

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
