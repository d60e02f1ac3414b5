//! Nothing is green that is not done: an answer counts only with the status and the shape that the specification names.

use super::Action::{Check, Copy, Login, Mirror, Pull, Push, Retag};
use super::{Cell, Row, SOME, check};
use crate::support::emulator::{Answer, Emulator, Fault, Setup, on};
use crate::support::image::Image;
use serde_json::json;

/// Every answer, whatever was asked.
fn everything(emulator: &Emulator, answer: Answer) {
    emulator.script(on("GET|HEAD|POST|PUT|PATCH|DELETE", ""), 1000, answer);
}

fn sign_in_page() -> Answer {
    Answer::new(200).json(&json!({ "message": "please sign in" }))
}

const NOT_A_MANIFEST: &str = "neither `config` nor `manifests` nor `blobs`";
const NOT_TRIED: &str = "asks nobody to sign in, so whether it accepts the credential is not known";

#[test]
fn who_says_200_to_everything_is_not_believed() {
    check(&[
        Row {
            what: "200 and an object to everything",
            setup: Setup::shop,
            prepare: |emulator| everything(emulator, sign_in_page()),
            variables: &[],
            cells: &[
                Cell(Pull, 1, 1, NOT_A_MANIFEST),
                Cell(Retag, 1, 1, NOT_A_MANIFEST),
                // What cannot be read may be there all the same: a HEAD does not say so.
                Cell(Push, 1, 2, NOT_A_MANIFEST),
                Cell(Mirror, 1, 2, NOT_A_MANIFEST),
                Cell(Copy, 1, 3, NOT_A_MANIFEST),
                Cell(Check, 1, 4, NOT_A_MANIFEST),
                Cell(Login, 1, 2, NOT_TRIED),
            ],
        },
        Row {
            what: "201 and an object to everything",
            setup: Setup::shop,
            prepare: |emulator| {
                everything(
                    emulator,
                    Answer {
                        status: 201,
                        ..sign_in_page()
                    },
                );
            },
            variables: &[],
            cells: &[
                Cell(Pull, 1, 1, "answered reading `shop/base:1` with 201"),
                Cell(Retag, 1, 1, "answered reading `shop/base:1` with 201"),
                Cell(Push, 1, 1, "answered reading `shop/web:1` with 201"),
                Cell(Login, 1, 1, "answered signing in with 201"),
            ],
        },
        Row {
            what: "an empty 200 to everything",
            setup: Setup::shop,
            prepare: |emulator| everything(emulator, Answer::new(200)),
            variables: &[],
            cells: &[
                Cell(Pull, 1, 1, "not JSON of the right form"),
                Cell(Push, 1, 2, "not JSON of the right form"),
                Cell(Login, 1, 2, NOT_TRIED),
            ],
        },
        // What has an index is told of, too.
        Row {
            what: "200 to what is written",
            setup: Setup::shop,
            prepare: |emulator| emulator.script(on("POST|PUT|PATCH", "").signed_in(), 1000, sign_in_page()),
            variables: &[],
            cells: &[
                Cell(Retag, 1, 5, "answered writing `shop/base:2` with 200"),
                Cell(Push, 1, SOME, "answered beginning an upload to `shop/web` with 200"),
                Cell(Copy, 1, SOME, "answered beginning an upload to `shop/web` with 200"),
            ],
        },
    ]);
}

fn as_status(emulator: &Emulator, method: &str, path: &str, status: u16) {
    emulator.script(on(method, path).signed_in(), 1000, Fault::As(status));
}

#[test]
fn each_write_counts_with_its_own_status() {
    check(&[
        // What is done, whatever the status: the registry shows it.
        Row {
            what: "manifests are put with 200",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "PUT", "/manifests/", 200),
            variables: &[],
            cells: &[
                Cell(Retag, 0, 4, ""),
                Cell(Push, 0, 10, ""),
                Cell(Mirror, 0, 10, ""),
                Cell(Copy, 0, 7, ""),
            ],
        },
        Row {
            what: "manifests are put with 202",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "PUT", "/manifests/", 202),
            variables: &[],
            cells: &[Cell(Retag, 0, 4, "")],
        },
        Row {
            what: "blobs are put with 200",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "PUT", "/blobs/uploads/", 200),
            variables: &[],
            cells: &[Cell(Push, 0, 11, ""), Cell(Mirror, 0, 11, "")],
        },
        Row {
            what: "blobs are put with 204",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "PUT", "/blobs/uploads/", 204),
            variables: &[],
            cells: &[Cell(Push, 0, 11, "")],
        },
        Row {
            what: "mounts are made with 200",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "POST", "mount=", 200),
            variables: &[],
            cells: &[Cell(Copy, 0, 8, "")],
        },
    ]);
}

#[test]
fn what_is_not_done_is_no_success_whatever_its_status() {
    check(&[
        Row {
            what: "manifests are taken with 200 and dropped",
            setup: Setup::shop,
            prepare: |emulator| emulator.script(on("PUT", "/manifests/").signed_in(), 1000, Answer::new(200)),
            variables: &[],
            cells: &[
                Cell(
                    Retag,
                    1,
                    5,
                    "answered writing `shop/base:2` with 200, which does not say that it was done",
                ),
                Cell(Push, 1, 11, "answered writing `shop/web:1` with 200"),
            ],
        },
        Row {
            what: "blobs are taken with 200 and dropped",
            setup: Setup::shop,
            prepare: |emulator| {
                emulator.script(on("PUT", "/blobs/uploads/").signed_in(), 1000, Answer::new(200));
            },
            variables: &[],
            cells: &[Cell(Push, 1, SOME, "with 200, which does not say that it was done")],
        },
        Row {
            what: "an upload begins with 200",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "POST", "/blobs/uploads/", 200),
            variables: &[],
            cells: &[Cell(
                Push,
                1,
                SOME,
                "answered beginning an upload to `shop/web` with 200",
            )],
        },
        Row {
            what: "an upload begins without a `Location`",
            setup: Setup::shop,
            prepare: |emulator| {
                emulator.script(on("POST", "/blobs/uploads/").signed_in(), 1000, Answer::new(202));
            },
            variables: &[],
            cells: &[Cell(Push, 1, SOME, "an upload session without a `Location`")],
        },
        Row {
            what: "an upload begins at an empty `Location`",
            setup: Setup::shop,
            prepare: |emulator| {
                let answer = Answer::new(202).header("Location", " ");
                emulator.script(on("POST", "/blobs/uploads/").signed_in(), 1000, answer);
            },
            variables: &[],
            cells: &[Cell(Push, 1, SOME, "an upload session without a `Location`")],
        },
        Row {
            what: "manifests are put with 207 and dropped",
            setup: Setup::shop,
            prepare: |emulator| emulator.script(on("PUT", "/manifests/").signed_in(), 1000, Answer::new(207)),
            variables: &[],
            cells: &[Cell(Retag, 1, 5, "answered writing `shop/base:2` with 207")],
        },
        Row {
            what: "manifests are put with 201 and another digest",
            setup: Setup::shop,
            prepare: |emulator| {
                let other = Image::small("another").digest();
                let answer = Answer::new(201).header("docker-content-digest", &other);
                emulator.script(on("PUT", "/manifests/").signed_in(), 1000, answer);
            },
            variables: &[],
            cells: &[Cell(Retag, 1, 3, "sent other bytes than asked for")],
        },
        Row {
            what: "a portal's page for what is written and for what is looked for",
            setup: Setup::shop,
            prepare: |emulator| {
                let page = Answer::new(200).header("Content-Type", "text/html");
                emulator.script(
                    on("POST|PUT|PATCH|HEAD|DELETE", "").signed_in(),
                    1000,
                    page.body("<html>"),
                );
            },
            variables: &[],
            cells: &[
                Cell(Retag, 1, SOME, "answered writing `shop/base:2` with 200"),
                Cell(Push, 1, SOME, "with 200, which does not say that it was done"),
                Cell(Mirror, 1, SOME, "with 200, which does not say that it was done"),
            ],
        },
    ]);
}

#[test]
fn what_is_read_counts_with_its_own_status() {
    check(&[
        Row {
            what: "manifests are read with 206",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "GET", "/manifests/", 206),
            variables: &[],
            cells: &[Cell(Pull, 1, 2, "answered reading `shop/base:1` with 206")],
        },
        Row {
            what: "manifests are read with 203",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "GET", "/manifests/", 203),
            variables: &[],
            cells: &[Cell(Pull, 1, 2, "answered reading `shop/base:1` with 203")],
        },
        Row {
            what: "blobs are read with 203",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "GET", "/blobs/", 203),
            variables: &[],
            cells: &[Cell(Pull, 1, SOME, "with 203, which does not say that it was done")],
        },
        Row {
            what: "blobs are read with 226",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "GET", "/blobs/", 226),
            variables: &[],
            cells: &[Cell(Mirror, 0, 9, ""), Cell(Pull, 1, SOME, "with 226")],
        },
        Row {
            what: "blobs are read with 206 and no range",
            setup: Setup::shop,
            prepare: |emulator| as_status(emulator, "GET", "/blobs/", 206),
            variables: &[],
            cells: &[Cell(Pull, 1, SOME, "it sent another range than asked for")],
        },
        // A filter's page for what is looked for: it is not there.
        Row {
            what: "every blob is there, as a web page",
            setup: Setup::shop,
            prepare: |emulator| {
                let page = Answer::new(200).header("Content-Type", "text/html; charset=utf-8");
                emulator.script(on("HEAD", "/blobs/").signed_in(), 1000, page);
            },
            variables: &[],
            cells: &[Cell(Push, 0, 9, ""), Cell(Mirror, 0, 9, "")],
        },
        Row {
            what: "blobs are looked for with 203",
            setup: Setup::shop,
            prepare: |emulator| emulator.script(on("HEAD", "/blobs/").signed_in(), 1000, Answer::new(203)),
            variables: &[],
            cells: &[Cell(Push, 0, 9, "")],
        },
    ]);
}
