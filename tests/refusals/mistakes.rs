//! The twelve mistakes that users report most: what they see, how the run ends, how long it takes, and how many requests
//! leave the process.

use super::{ada, pull, retag, shop, shop_of, stocked};
use crate::support::emulator::{AccessTokenKind, Role, Service, Setup, access_token};
use crate::support::image::Image;
use crate::support::outcome::Outcome;
use crate::support::pki::Authority;
use std::fmt::Write as _;

/// A mistake as it was met.
struct Met {
    mistake: &'static str,
    text: String,
    status: i32,
    seconds: f64,
    requests: [usize; 3],
}

impl Met {
    /// `says` is what the text must hold, `requests` how many go to registry, token server and API.
    fn new(mistake: &'static str, outcome: Outcome<'_>, (status, requests): (i32, [usize; 3]), says: &[&str]) -> Self {
        let outcome = says
            .iter()
            .fold(outcome.fails(status), |outcome, text| outcome.says(text));
        let journal = outcome.journal();
        let counted = [Service::Registry, Service::Token, Service::Api]
            .map(|service| journal.iter().filter(|entry| entry.service == service).count());
        assert_eq!(counted, requests, "{mistake}; it said:\n{}", outcome.output);
        // Most take a fraction of one; a machine that runs other tests meanwhile may take longer.
        assert!(outcome.seconds < 10.0, "{mistake}: {} s", outcome.seconds);
        Self {
            mistake,
            text: text(&outcome.plain()),
            status: outcome.status,
            seconds: outcome.seconds,
            requests: counted,
        }
    }
}

/// What is wrong and why: the warnings, the error, and the first two lines of its hint.
fn text(said: &str) -> String {
    let mut lines: Vec<&str> = said.lines().filter(|line| line.starts_with("WARNING: ")).collect();
    let rest = said.lines().skip_while(|line| !line.starts_with("ERROR: "));
    lines.extend(rest.take_while(|line| !line.starts_with('✖')).take(3).map(str::trim));
    let text = lines.join("<br>");
    // The emulator's own address.
    let port = |word: &str| {
        word.split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let mut parts = text.split("localhost:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "crg.apkg.io" + &part[port(part).len()..])
}

#[test]
fn twelve_mistakes() {
    let met = [
        access_token_as("access token, user name `x-token-auth`", "x-token-auth"),
        access_token_as("access token, user name of its bot", "52c16467c5f1@bots.bitbucket.org"),
        access_token_as("access token, user name is an email", Setup::EMAIL),
        Met::new(
            "API token without scopes",
            pull(&shop_of(ada().role("shop/api", Role::Write)), "api:1")
                .api_token()
                .run(),
            (3, [2, 1, 1]),
            &["this token has no scopes; `read:package:bitbucket` is missing"],
        ),
        Met::new(
            "API token with the scope to read, but a push",
            retag(&shop_of(
                ada().scopes(&["read:package:bitbucket"]).role("shop/api", Role::Write),
            ))
            .api_token()
            .run(),
            (3, [2, 1, 1]),
            &["`write:package:bitbucket` is missing"],
        ),
        Met::new(
            "Bitbucket user name in place of the email",
            retag(&shop()).api_token().var("ATLASSIAN_ACCOUNT_EMAIL", "ada").run(),
            (3, [1, 1, 1]),
            &["holds no `@`", "hint: `ada` is not the email of the Atlassian account"],
        ),
        Met::new(
            "expired API token",
            retag(&shop_of(ada().package_scopes().role("shop/api", Role::Write).expired()))
                .api_token()
                .run(),
            (3, [1, 1, 1]),
            &["Bitbucket does not know this token with `ada@example.com` either"],
        ),
        Met::new(
            "API token cut after 128 characters",
            retag(&shop())
                .api_token()
                .var("ATLASSIAN_API_TOKEN", &Setup::api_token()[..128])
                .run(),
            (3, [1, 1, 1]),
            &["hint: your token looks cut off after 128 characters"],
        ),
        Met::new(
            "package was never created",
            retag(&stocked(Setup::shop().behind_proxy("crg.apkg.io", Authority::shared())))
                .built_in()
                .file("new.tar", Image::small("new").docker_archive(&["new:1"]))
                .var("ACTION", "push")
                .var("SOURCE", "docker-archive:new.tar")
                .var("TARGET", "new")
                .run(),
            (4, [2, 1, 0]),
            &["NAME_UNKNOWN", "the workspace `shop` has no package `new`"],
        ),
        Met::new(
            "package of another repository, built-in credential",
            pull(&shop(), "base:1").built_in().run(),
            (3, [2, 1, 0]),
            &["the built-in credential reaches only packages that are linked to this repository, `shop/api`"],
        ),
        Met::new(
            "wrong host",
            retag(&shop())
                .api_token()
                .var("SOURCE", "packages.atlassian.net/shop/api:1")
                .run(),
            (2, [0, 0, 0]),
            &["`packages.atlassian.net` is not Bitbucket's container registry: no such registry exists; write"],
        ),
        immutable_tag(),
    ];
    let mut table =
        "| Mistake | Text | Status | Seconds | Requests: registry + token + API |\n|---|---|---|---|---|\n".to_owned();
    for Met {
        mistake,
        text,
        status,
        seconds,
        requests: [registry, token, api],
    } in met
    {
        let total = registry + token + api;
        let _ = writeln!(
            table,
            "| {mistake} | {text} | {status} | {seconds:.2} | {total} ({registry} + {token} + {api}) |"
        );
    }
    println!("{table}");
}

fn access_token_as(mistake: &'static str, username: &str) -> Met {
    let token = access_token("ci");
    let setup = Setup::shop().access_token(&token, AccessTokenKind::Repository, &["repository:write"]);
    let emulator = stocked(setup.api(Authority::shared()));
    let outcome = retag(&emulator)
        .var("ATLASSIAN_ACCOUNT_EMAIL", username)
        .var("ATLASSIAN_API_TOKEN", &token)
        .run()
        .no_connection();
    let says = ["`ATLASSIAN_API_TOKEN` holds an access token, which does not work in Bitbucket's container registry"];
    Met::new(mistake, outcome, (3, [0, 0, 0]), &says)
}

fn immutable_tag() -> Met {
    let emulator = stocked(Setup::shop().immutable("^v").api(Authority::shared()));
    emulator.put_image("shop/api", "v2", &Image::small("other"));
    let outcome = retag(&emulator).built_in().var("TAGS", "v2").run();
    let says = [
        "TAG_IMMUTABLE",
        "the tag exists and is another image",
        "`ON_EXISTING: skip`",
    ];
    Met::new("immutable tag", outcome, (5, [4, 1, 0]), &says)
}
