//! The kit that asks a real registry what no documentation says: what it says of registries that are known.

#[path = "../examples/live/kit.rs"]
pub(crate) mod kit;
#[path = "../examples/live/questions/mod.rs"]
mod questions;
#[path = "../examples/live/stop.rs"]
mod stop;

use crate::support::distribution::Distribution;
use crate::support::emulator::{
    AccessTokenKind, Answer, Break, Emulator, Fault, READ_PACKAGE, Role, Setup, User, WRITE_PACKAGE, access_token,
    api_token, on,
};
use crate::support::image::Image;
use crate::support::pki::Authority;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the kit is given in its environment.
#[derive(Clone, Default)]
struct Given(BTreeMap<String, String>);

impl Given {
    fn var(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// The whole output and the exit status. No secret is in any of it, in no form in which it travels.
    fn run(&self) -> (String, u8) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut said = String::new();
        let mut say = |text: &str| {
            said.push_str(text);
            said.push('\n');
        };
        let value = |name: &str| self.0.get(name).cloned();
        let status = runtime.block_on(kit::run(&value, &mut say, std::future::pending()));
        let secrets = self.0.iter().filter(|(name, _)| name.ends_with("TOKEN"));
        for (name, secret) in secrets {
            let users = ["ATLASSIAN_ACCOUNT_EMAIL", "BITBUCKET_PACKAGES_USERNAME"];
            let pairs = users
                .iter()
                .filter_map(|user| Some(format!("{}:{secret}", self.0.get(*user)?)));
            let texts = pairs.chain([secret.clone()]);
            for text in texts {
                for form in [
                    text.clone(),
                    STANDARD.encode(&text),
                    STANDARD_NO_PAD.encode(&text),
                    text.replace('/', "%2F").replace('+', "%2B"),
                ] {
                    assert!(!said.contains(&form), "{name} is shown:\n{said}");
                }
            }
            for part in secret.as_bytes().windows(16).skip(4) {
                assert!(
                    !said.contains(std::str::from_utf8(part).unwrap()),
                    "a part of {name} is shown:\n{said}"
                );
            }
        }
        // Nor is what is nobody's business, once the table begins.
        let table = said.split_once("| Question |").map_or("", |(_, table)| table);
        for name in ["ATLASSIAN_ACCOUNT_EMAIL", "BITBUCKET_PACKAGES_USERNAME"] {
            assert!(
                self.0.get(name).is_none_or(|name| !table.contains(name.as_str())),
                "{said}"
            );
        }
        assert!(!table.contains("shop/"), "{said}");
        (said, status)
    }
}

/// The rows of a table: question, answer, what is assumed, verdict.
fn rows(said: &str) -> Vec<[String; 4]> {
    let rows = said.lines().skip_while(|line| *line != "|---|---|---|---|").skip(1);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<String> = line
                .trim_matches('|')
                .split(" | ")
                .map(|cell| cell.trim().to_owned())
                .collect();
            cells.try_into().unwrap_or_else(|cells| panic!("{line}: {cells:?}"))
        })
        .collect()
}

/// The questions whose answers differ from what is assumed, and those that were not asked.
fn with<'a>(rows: &'a [[String; 4]], verdict: &str) -> Vec<&'a str> {
    rows.iter()
        .filter(|row| row[3] == verdict)
        .map(|row| row[0].as_str())
        .collect()
}

fn given(emulator: &Emulator) -> Given {
    Given::default()
        .var("REGISTRY", emulator.host())
        .var("BITBUCKET_WORKSPACE", "shop")
        .var("PACKAGE", "api")
        .var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
        .var("ATLASSIAN_API_TOKEN", &Setup::api_token())
        .var("HTTPS_PROXY", &emulator.proxy())
        .var("CA_CERTIFICATE", &Authority::shared().pem())
        .var("MEGABYTES", "1")
        .var("YES", "1")
}

const READER: &str = "reader";
const WRITER: &str = "writer";

/// The shop, with all that the kit may be given.
fn shop() -> Emulator {
    let of = |token: &str, scope: &str| {
        User::new(Setup::EMAIL, &api_token(token))
            .scopes(&[scope])
            .role("shop/api", Role::Write)
            .role("shop/images", Role::Write)
    };
    let access = access_token("live");
    let setup = Setup::shop().api(Authority::shared()).immutable("^fixed");
    let setup = setup.access_token(&access, AccessTokenKind::Workspace, &["repository"]);
    let emulator = Emulator::start(setup.with(|settings| settings.referrers = true));
    emulator.accounts(|accounts| {
        accounts.add_token(of(READER, READ_PACKAGE));
        accounts.add_token(of(WRITER, WRITE_PACKAGE));
    });
    emulator.put_image("shop/api", "1", &Image::small("api"));
    emulator
}

fn all(emulator: &Emulator) -> Given {
    given(emulator)
        .var("BITBUCKET_PACKAGES_USERNAME", Setup::BUILT_IN_USERNAME)
        .var("BITBUCKET_PACKAGES_TOKEN", Setup::BUILT_IN_TOKEN)
        .var("SECOND_PACKAGE", "web")
        .var("IMMUTABLE_TAG", "fixed")
        .var("READ_ONLY_TOKEN", &api_token(READER))
        .var("WRITE_ONLY_TOKEN", &api_token(WRITER))
        .var("WRONG_KIND_TOKEN", &access_token("live"))
}

#[test]
fn the_emulator_agrees_in_every_row() {
    let emulator = shop();
    let (said, status) = all(&emulator).run();
    let rows = rows(&said);
    assert!(rows.len() >= 35, "{} rows:\n{said}", rows.len());
    assert_eq!(with(&rows, "**no**"), [""; 0], "{said}");
    assert_eq!(with(&rows, "–"), [""; 0], "{said}");
    // What a rule makes immutable stays, and is named.
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("LEFT IN THE PACKAGE"), "{said}");
    assert_eq!(emulator.tags("shop/api"), ["1", "fixed"], "{said}");
    assert_eq!(emulator.open_uploads(), 0, "{said}");
    assert!(emulator.requests().len() < 160, "{}", emulator.requests().len());
    let token = emulator.last_token().unwrap();
    assert!(!said.contains(&token), "{said}");
}

#[test]
fn nothing_is_left_behind_and_what_was_not_given_is_not_asked() {
    let emulator = shop();
    let before = emulator.tag("shop/api", "1");
    let (said, status) = given(&emulator).run();
    let rows = rows(&said);
    assert_eq!(status, 0, "{said}");
    assert_eq!(with(&rows, "**no**"), [""; 0], "{said}");
    assert_eq!(with(&rows, "–").len(), 8, "{said}");
    assert_eq!(
        (emulator.tags("shop/api"), emulator.tag("shop/api", "1")),
        (vec!["1".to_owned()], before)
    );
    assert!(said.contains("Nothing is left in the package"), "{said}");
    assert_eq!(emulator.open_uploads(), 0, "{said}");
    for line in emulator.requests() {
        assert!(!line.contains("/shop/base/") && !line.contains("/shop/web/"), "{line}");
    }
}

#[test]
fn nothing_is_asked_without_consent_or_what_is_needed() {
    let emulator = shop();
    let mark = emulator.connections();
    for given in [
        given(&emulator).without("YES"),
        given(&emulator).var("YES", "true"),
        all(&emulator).var("YES", ""),
    ] {
        let (said, status) = given.run();
        assert_eq!(status, 2, "{said}");
        assert!(said.contains("under tags that begin with `live-kit-`"), "{said}");
        assert!(
            said.contains("Nothing was asked yet. To agree, run it again with YES=1."),
            "{said}"
        );
    }
    let (said, status) = Given::default().var("YES", "1").var("MEGABYTES", "65").run();
    assert_eq!(status, 2, "{said}");
    for name in [
        "BITBUCKET_WORKSPACE",
        "PACKAGE",
        "ATLASSIAN_ACCOUNT_EMAIL",
        "ATLASSIAN_API_TOKEN",
        "MEGABYTES",
    ] {
        assert!(said.contains(name), "{said}");
    }
    // Another service's token is not sent to Atlassian.
    let stray = given(&emulator)
        .var("REGISTRY", "crg.apkg.io")
        .var("ATLASSIAN_API_TOKEN", "ghp_0123456789abcdef0123456789abcdef0123");
    let (said, status) = stray.run();
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("another service's, and was not sent"), "{said}");
    assert_eq!(emulator.connections(), mark);
}

/// A registry that answers nonsense, or not any more: the table says so, and what was pushed is taken away.
#[test]
fn whatever_the_answers_what_was_pushed_is_taken_away() {
    for (what, method, path, answer) in [
        (
            "a manifest is refused",
            "PUT",
            "/manifests/live-kit-.*-2",
            Answer::new(500),
        ),
        ("no referrers", "GET", "/referrers/", Answer::new(200).body("<html>")),
        (
            "no list of tags",
            "GET",
            "/tags/list",
            Answer::error(403, "DENIED", "no"),
        ),
        ("no reads", "GET", "/manifests/live-kit-", Answer::new(502)),
        ("no uploads in pieces", "PATCH", "/blobs/uploads/", Answer::new(405)),
        ("no HEAD", "HEAD", "/manifests/", Answer::new(405)),
    ] {
        let emulator = shop();
        emulator.script(on(method, path).signed_in(), 4, answer);
        let (said, _) = given(&emulator).run();
        let rows = rows(&said);
        assert!(!with(&rows, "**no**").is_empty(), "{what}:\n{said}");
        assert_eq!(emulator.tags("shop/api"), ["1"], "{what}:\n{said}");
    }
}

/// A registry may repeat what it was sent, and whose it was.
#[test]
fn what_a_registry_repeats_is_hidden() {
    let emulator = shop();
    let given = all(&emulator).without("IMMUTABLE_TAG");
    let basic = STANDARD.encode(format!("{}:{}", Setup::EMAIL, Setup::api_token()));
    let words = |more: &str| {
        let (token, email, built_in) = (Setup::api_token(), Setup::EMAIL, Setup::BUILT_IN_TOKEN);
        let user = Setup::BUILT_IN_USERNAME;
        format!("{more}{token} of {email} at shop/api, {user} with {built_in}, `Basic {basic}`, a | and\na line")
    };
    for (method, path) in [
        ("GET", "/manifests/"),
        ("POST", "/blobs/uploads/"),
        ("DELETE", "/manifests/"),
    ] {
        emulator.script(
            on(method, path).signed_in(),
            3,
            Answer::error(403, "DENIED", &words("")),
        );
    }
    emulator.settings(|settings| settings.unknown_credential = Answer::error(401, "UNAUTHORIZED", &words("no ")));
    let (said, _) = given.run();
    assert!(
        said.contains("USERNAME") && said.contains("WORKSPACE/PACKAGE"),
        "{said}"
    );
    assert!(rows(&said).len() > 10, "{said}");
    assert_eq!(emulator.tags("shop/api"), ["1"], "{said}");
}

#[test]
fn where_nothing_can_be_pushed_the_rest_is_told_and_the_end_says_why() {
    let emulator = shop();
    let (said, status) = given(&emulator).var("PACKAGE", "no-such-package").run();
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("Not all was asked: no image could be pushed to the package."),
        "{said}"
    );
    assert!(
        with(&rows(&said), "**no**").contains(&"Does it take a manifest under a tag?"),
        "{said}"
    );
    let gone = given(&emulator).var("REGISTRY", "localhost:1").run();
    assert!(
        gone.0
            .contains("Not all was asked: the registry does not answer as one."),
        "{}",
        gone.0
    );
}

/// Debian's docker-registry: what it does otherwise than is assumed of Bitbucket's is named.
#[test]
fn a_real_registry_differs_in_what_is_known_of_it() {
    let run = |deletes: bool| {
        let registry = Distribution::setup().htpasswd("ada");
        let registry = if deletes { registry.deletes() } else { registry }.start();
        let given = Given::default()
            .var("REGISTRY", &registry.host())
            .var("BITBUCKET_WORKSPACE", "shop")
            .var("PACKAGE", "api")
            .var("ATLASSIAN_ACCOUNT_EMAIL", "ada")
            .var("ATLASSIAN_API_TOKEN", Distribution::PASSWORD)
            .var("SECOND_PACKAGE", "web")
            .var("IMMUTABLE_TAG", "fixed")
            .var("MEGABYTES", "1")
            // Bitbucket's API is not to be reached from here.
            .var("HTTPS_PROXY", "http://127.0.0.1:1")
            .var("YES", "1");
        given.run()
    };
    let common = [
        "How does it answer a read of a package that does not exist?",
        "How does it answer an upload to it?",
        "Does the list of tags have pages (`n=1`)?",
        "How does it refuse another image under an immutable tag?",
    ];
    let (said, status) = run(true);
    let rows_of = rows(&said);
    let differ = [
        &common[..],
        &["Does it delete one of two tags of an image, by its name?"],
    ]
    .concat();
    assert_eq!(with(&rows_of, "**no**"), differ, "{said}");
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("Nothing is left in the package"), "{said}");

    let (said, status) = run(false);
    let rows_of = rows(&said);
    let differ = [
        &common[..],
        &[
            "Does it delete one of two tags of an image, by its name?",
            "Does it delete an image by its digest?",
        ],
    ]
    .concat();
    assert_eq!(with(&rows_of, "**no**"), differ, "{said}");
    assert_eq!(status, 1, "{said}");
    let left = said
        .lines()
        .find(|line| line.starts_with("LEFT IN THE PACKAGE"))
        .unwrap_or_default();
    assert!(
        left.contains("`fixed`") && left.contains("-1`") && left.contains("-2`") && left.contains("-index`"),
        "{said}"
    );
    assert!(left.contains(" and 5 images (manifests). Delete "), "{said}");
}

/// Set in the process that is stopped.
const INSIDE: &str = "CRG_PIPE_TEST_LIVE";

/// Whatever ends a run early, and whatever it waits for then: what was pushed is deleted, what came late too.
#[test]
fn a_signal_ends_the_questions_and_not_the_deleting() {
    if std::env::var_os(INSIDE).is_some() {
        return ask_until_stopped();
    }
    for (number, (signal, status)) in [("TERM", 143), ("INT", 130), ("HUP", 129)].into_iter().enumerate() {
        let emulator = shop();
        // A read, a push that was done and that nobody heard of, and the deleting that the kit asks about.
        let (method, path) = [
            ("GET", "/referrers/"),
            ("PUT", "/manifests/live-kit-.*-2"),
            ("DELETE", "/manifests/live-kit-.*-2"),
        ][number];
        let fault = match method {
            "PUT" => Fault::Unheard(Break::Stall),
            _ => Fault::Silence,
        };
        emulator.script(on(method, path).signed_in(), 1, fault);
        let asking = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("live::a_signal_ends_the_questions_and_not_the_deleting")
            .env(INSIDE, "1")
            .envs(&given(&emulator).0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while emulator.unmet() > 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{method} {path} was not asked"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = asking.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let ended = asking.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(ended.status.code(), Some(status), "{said}");
        for part in [
            "Stopped. What was pushed is being deleted",
            "| Does it take a manifest under a tag? | 201 |",
            "Not all was asked: it was stopped.",
            "Nothing is left in the package",
        ] {
            assert!(said.contains(part), "{signal}: no `{part}`:\n{said}");
        }
        assert_eq!(emulator.tags("shop/api"), ["1"], "{signal}: {said}");
        assert_eq!(emulator.unmet(), 0, "{signal}");
    }
}

#[allow(clippy::exit, reason = "its status is what is tested")]
fn ask_until_stopped() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut say = |text: &str| drop(writeln!(std::io::stdout(), "{text}"));
    let status = runtime.block_on(async {
        let stop = stop::Signals::new().unwrap().next();
        kit::run(&|name| std::env::var(name).ok(), &mut say, stop).await
    });
    std::process::exit(i32::from(status));
}
