//! Who may do what, and whether that is known: sign-ins that nobody asks for, rights that nobody tells, repositories that
//! the first push makes.

use super::Action::{Check, Copy, Login, Mirror, Pull, Push, Retag};
use super::{Cell, Row, SOME, check};
use crate::support::emulator::{Answer, Role, Settings, Setup, SignIn, TokenForm, User};

const WRONG: &[(&str, &str)] = &[("ATLASSIAN_API_TOKEN", "a-password-that-nobody-has")];

fn row(what: &'static str, setup: fn() -> Setup, cells: &'static [Cell]) -> Row {
    Row {
        what,
        setup,
        prepare: |_| (),
        variables: &[],
        cells,
    }
}

/// A password that nobody asked for is not known to be right.
#[test]
fn a_sign_in_that_nobody_asks_for_is_no_success() {
    fn open_base(sign_in: SignIn) -> Setup {
        Setup::shop().with(|settings| {
            settings.open_base = true;
            settings.sign_in = sign_in;
        })
    }
    check(&[
        row(
            "`/v2/` is open, tokens",
            || open_base(SignIn::Bearer),
            &[
                Cell(Login, 0, 3, "signs in to"),
                Cell(Check, 0, SOME, "may be pulled with the API token"),
            ],
        ),
        row(
            "`/v2/` is open, Basic",
            || open_base(SignIn::Basic),
            &[Cell(Login, 0, 3, "signs in to")],
        ),
        Row {
            variables: WRONG,
            ..row(
                "`/v2/` is open, tokens, and a wrong password",
                || open_base(SignIn::Bearer),
                &[Cell(Login, 3, 2, "did not accept the credential while signing in: 401")],
            )
        },
        Row {
            variables: WRONG,
            ..row(
                "`/v2/` is open, Basic, and a wrong password",
                || open_base(SignIn::Basic),
                &[Cell(Login, 3, 3, "refused signing in: 401")],
            )
        },
        Row {
            prepare: |emulator| {
                let open = Answer::new(200).json(&serde_json::json!({ "repositories": [] }));
                emulator.script(crate::support::emulator::on("GET", "_catalog"), 9, open);
            },
            variables: WRONG,
            ..row(
                "nothing asks for a sign-in",
                || open_base(SignIn::Bearer),
                &[Cell(
                    Login,
                    1,
                    2,
                    "asks nobody to sign in, so whether it accepts the credential is not known",
                )],
            )
        },
        Row {
            prepare: |emulator| {
                emulator.script(crate::support::emulator::on("GET", "_catalog"), 9, Answer::new(404));
            },
            ..row(
                "nothing asks for a sign-in, and there is no catalogue",
                || open_base(SignIn::Bearer),
                &[Cell(Login, 1, 2, "asks nobody to sign in")],
            )
        },
    ]);
}

/// Basic and opaque tokens do not tell what they grant, and some registries say 401 to a write that is not allowed.
#[test]
fn who_may_read_and_not_write_has_the_right_credential() {
    fn reader(change: fn(&mut Settings)) -> Setup {
        let ada = User::new(Setup::EMAIL, &Setup::api_token())
            .package_scopes()
            .role("shop/api", Role::Read)
            .role("shop/images", Role::Read);
        Setup::shop().user(ada).with(|settings| {
            settings.denied = Answer::error(401, "UNAUTHORIZED", "authentication required")
                .header("WWW-Authenticate", "Basic realm=\"x\"");
            change(settings);
        })
    }
    const REFUSED: &[Cell] = &[
        Cell(Retag, 5, SOME, "does not have the role Write"),
        Cell(Push, 5, SOME, "does not have the role Write"),
        Cell(Mirror, 5, SOME, "does not have the role Write"),
        Cell(Copy, 5, SOME, "does not have the role Write"),
        Cell(Pull, 0, SOME, ""),
    ];
    // Of `web` nothing is there to be read; a look that is answered proves the credential all the same.
    let with_web = |row: Row| Row {
        prepare: |emulator| {
            let old = crate::support::image::Image::small("old");
            emulator.put_image("shop/web", "1", &old);
        },
        ..row
    };
    check(&[
        with_web(row(
            "401 to a write, Basic",
            || reader(|settings| settings.sign_in = SignIn::Basic),
            REFUSED,
        )),
        with_web(row(
            "401 to a write, opaque tokens",
            || reader(|settings| settings.token_form = TokenForm::Opaque),
            REFUSED,
        )),
        Row {
            variables: WRONG,
            ..row(
                "a wrong password, Basic",
                || reader(|settings| settings.sign_in = SignIn::Basic),
                &[
                    Cell(Retag, 3, 2, "(with the API token of `ada@example.com`)"),
                    Cell(Push, 3, 2, "(with the API token of `ada@example.com`)"),
                ],
            )
        },
    ]);
}

/// zot, gcr and others make a repository by the first push to it; of Bitbucket's somebody makes the package.
#[test]
fn the_first_push_may_make_the_repository() {
    fn without_web(makes: bool, form: TokenForm) -> Setup {
        let ada = User::new(Setup::EMAIL, &Setup::api_token())
            .package_scopes()
            .role("shop/images", Role::Write);
        Setup::new()
            .package("shop/base", "shop/images")
            .user(ada)
            .with(|settings| {
                settings.makes_packages = makes;
                settings.token_form = form;
            })
    }
    const MADE: &[Cell] = &[
        Cell(Push, 0, 9, "tagged `1`"),
        Cell(Mirror, 0, 9, "tagged `1`"),
        Cell(Copy, 0, SOME, "tagged `1`"),
        Cell(Check, 0, SOME, "there is no such repository yet; may be pushed to"),
    ];
    const NOT_MADE: &[Cell] = &[
        Cell(Push, 4, SOME, "404 NAME_UNKNOWN"),
        Cell(Mirror, 4, SOME, "404 NAME_UNKNOWN"),
        Cell(Copy, 4, SOME, "404 NAME_UNKNOWN"),
        Cell(Check, 4, SOME, "has no package `web`"),
    ];
    check(&[
        row(
            "a repository that the first push makes",
            || without_web(true, TokenForm::Jwt),
            MADE,
        ),
        row("the same, opaque tokens", || without_web(true, TokenForm::Opaque), MADE),
        row(
            "a repository that it does not",
            || without_web(false, TokenForm::Jwt),
            NOT_MADE,
        ),
        Row {
            variables: &[("ON_EXISTING", "fail")],
            ..row(
                "the same where nothing may be overwritten",
                || without_web(true, TokenForm::Jwt),
                &[
                    Cell(Push, 0, 9, "tagged `1`"),
                    Cell(Mirror, 0, 9, "tagged `1`"),
                    Cell(Copy, 0, SOME, "tagged `1`"),
                ],
            )
        },
    ]);
}
