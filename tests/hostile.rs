//! Registries, proxies and images that mean harm: they forge no line of the log and learn or leak no secret.

mod memory;

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::Image;
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use crate::support::shop;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

/// What would be a line of ours, and what would hide one.
const FORGED: &str = "no\n\u{1b}[32m✔ pull: 1 image\u{1b}[0m\r\u{1b}[2K\u{7}\u{202e}INFO: done\u{2028}x";

fn pull(emulator: &Emulator) -> Pipe<'_> {
    shop::pull(emulator, "base:1")
        .api_token()
        .var("DEBUG", "true")
        .var("REPORT", "report.json")
}

/// No line but the last looks like a last line, and none holds a text that moves what stands around it.
fn tells_no_lie(outcome: &Outcome<'_>) {
    let plain = outcome.plain();
    let lines: Vec<&str> = plain.lines().collect();
    let forged = |line: &&&str| line.starts_with('✔') || line.starts_with("INFO: done");
    assert_eq!(lines[..lines.len() - 1].iter().find(forged), None, "{}", outcome.output);
    assert!(
        !outcome.output.contains(['\u{202e}', '\u{2028}', '\r', '\u{7}']),
        "{:?}",
        outcome.output
    );
}

#[test]
fn words_of_others_forge_no_line() {
    let denied = || Answer::error_about(403, FORGED, FORGED, &json!(FORGED));
    for (place, method, path, answer) in [
        ("an error's code, message and detail", "GET", "/manifests/", denied()),
        ("a refused blob", "GET", "/blobs/", denied()),
        (
            "a plain error page",
            "GET",
            "/manifests/",
            Answer::new(500).body(FORGED),
        ),
        (
            "a token server's refusal",
            "GET",
            "/token",
            Answer::new(401).json(&json!({ "details": FORGED, "errors": [{ "message": FORGED }] })),
        ),
        (
            "an artifact's type",
            "GET",
            "/manifests/",
            Answer::new(200)
                .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
                .json(&json!({ "schemaVersion": 2, "mediaType": FORGED, "config": FORGED })),
        ),
        (
            "a header",
            "GET",
            "/manifests/",
            Answer::new(307).header("Location", "https://elsewhere.example/✔%0A%1b[32m\u{85}"),
        ),
        (
            "a challenge",
            "GET",
            "/manifests/",
            Answer::new(401).header(
                "WWW-Authenticate",
                "Bearer realm=\"http://x\u{9}✔/%0a\u{9b}32m\",service=\"\u{9b}\"",
            ),
        ),
    ] {
        let emulator = shop::shop();
        emulator.script(on(method, path).signed_in(), 100, answer.clone());
        let unsigned = matches!(answer.status, 401 | 307);
        if unsigned {
            emulator.script(on(method, path), 100, answer);
        }
        let outcome = pull(&emulator).run();
        assert_ne!(outcome.status, 0, "{place}: {}", outcome.output);
        tells_no_lie(&outcome);
    }
}

#[test]
fn names_in_an_image_forge_no_line() {
    let emulator = shop::shop();
    let layer = json!({
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "digest": Image::small("base").digest(),
        "size": 12,
        "urls": [FORGED],
        "annotations": { "org.opencontainers.image.title": FORGED },
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": FORGED,
        "config": { "mediaType": FORGED, "digest": FORGED, "size": 2 },
        "layers": [layer],
    });
    let answer = Answer::new(200)
        .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        .body(manifest.to_string());
    emulator.script(on("GET", "/manifests/").signed_in(), 100, answer);
    let outcome = pull(&emulator).run();
    assert_ne!(outcome.status, 0, "{}", outcome.output);
    tells_no_lie(&outcome);
}

/// What a registry repeats of a request is cut at a bound; half a secret is one that no search for the whole finds.
#[test]
fn a_credential_that_is_sent_back_is_hidden_wherever_its_text_is_cut() {
    let basic = STANDARD.encode(format!("{}:{}", Setup::EMAIL, Setup::api_token()));
    for before in [0, 200, 300, 340, 370, 385, 395, 399] {
        let padding = "x".repeat(before);
        let emulator = shop::shop();
        for echo in [&basic, &Setup::api_token()] {
            let message = format!("{padding}{echo} is not welcome");
            emulator.script(
                on("GET", "/token").signed_in(),
                1,
                Answer::new(401).json(&json!({ "details": message })),
            );
            pull(&emulator).run().fails(3);
        }
    }
}

#[test]
fn a_token_of_the_realm_that_is_sent_back_is_hidden() {
    for before in [0, 380] {
        let emulator = shop::shop();
        let token = "a-bearer-token-that-nobody-else-may-see-0123456789";
        emulator.script(
            on("GET", "/token"),
            1,
            Answer::new(200).json(&json!({ "token": token })),
        );
        let message = format!("{}{token} grants nothing", "x".repeat(before));
        emulator.script(
            on("GET", "/manifests/").signed_in(),
            1,
            Answer::error(403, "DENIED", &message),
        );
        pull(&emulator).hidden(token).run().fails(3).says("***");
    }
}

#[test]
fn a_proxys_password_is_a_secret_too() {
    let emulator = Emulator::start(Setup::shop().behind_proxy("crg.apkg.io", Authority::shared()));
    emulator.put_image("shop/base", "1", &Image::small("base"));
    let (written, password) = ("open%2Fsesame%40proxy%2077", "open/sesame@proxy 77");
    let there = emulator.proxy().replace("http://", &format!("http://robot:{written}@"));
    let run = |proxy: &str| {
        pull(&emulator)
            .hidden(password)
            .hidden(written)
            .hidden(&STANDARD.encode(format!("robot:{password}")))
            .var("HTTPS_PROXY", proxy)
            .unset("REGISTRY")
            .run()
    };
    let outcome = run(&there).succeeds();
    let asked = outcome.journal();
    let scheme = asked.iter().find_map(|entry| entry.authorization.as_deref());
    assert_eq!(scheme, Some("Basic"), "{asked:#?}");
    // A proxy that is not there, and one that is no address.
    for proxy in [
        format!("http://robot:{written}@127.0.0.1:9"),
        format!("http://robot:{password}@:x"),
    ] {
        let outcome = run(&proxy);
        assert_ne!(outcome.status, 0, "{}", outcome.output);
    }
}

#[test]
fn a_proxy_that_wants_a_password_is_named() {
    let emulator = Emulator::start(Setup::shop().behind_proxy("crg.apkg.io", Authority::shared()));
    // A proxy that leads nowhere answers every CONNECT with 502: this one knows no `elsewhere.apkg.io`.
    pull(&emulator)
        .var("REGISTRY", "elsewhere.apkg.io")
        .run()
        .fails(6)
        .says("HTTPS_PROXY");
}

#[test]
fn a_host_of_no_proxy_is_not_asked_of_the_proxy() {
    let emulator = Emulator::start(Setup::shop().behind_proxy("registry.invalid", Authority::shared()));
    emulator.put_image("shop/base", "1", &Image::small("base"));
    let run = |exempt: &str| {
        let pipe = pull(&emulator).var("CREDENTIAL", "api-token").var("NO_PROXY", exempt);
        pipe.var("IMAGES", "registry.invalid/shop/base:1").run()
    };
    run("localhost").succeeds();
    for exempt in ["registry.invalid", ".invalid", "example.com, registry.invalid"] {
        run(exempt)
            .fails(6)
            .no_connection()
            .says("its name could not be resolved");
    }
}

#[test]
fn another_host_gets_no_credential_by_redirect_nor_by_its_own_challenge() {
    for status in [301, 302, 303, 307, 308] {
        let (emulator, other) = (shop::shop(), shop::shop());
        let base = Image::small("base");
        let blob = base.blobs()[1].digest();
        let there = format!("{}/v2/shop/base/blobs/{blob}", other.origin());
        let redirect = Answer::new(status).header("Location", &there);
        emulator.script(on("GET", &blob).signed_in(), 1, redirect);
        // What it leads to asks for a sign-in, as the other emulator does for everything.
        let outcome = pull(&emulator).run();
        let journal = other.journal();
        assert!(!journal.is_empty(), "{status}: {}", outcome.output);
        let given: Vec<_> = journal
            .iter()
            .filter_map(|entry| entry.authorization.as_ref())
            .collect();
        assert!(
            given.is_empty(),
            "{status}: {given:?} to another host\n{}",
            outcome.output
        );
    }
    // A manifest is never fetched from elsewhere with the credential either.
    let (emulator, other) = (shop::shop(), shop::shop());
    let there = format!("{}/v2/shop/base/manifests/1", other.origin());
    emulator.script(
        on("GET", "/manifests/1").signed_in(),
        1,
        Answer::new(307).header("Location", &there),
    );
    pull(&emulator).run();
    assert!(other.journal().iter().all(|entry| entry.authorization.is_none()));
}

#[test]
fn a_realm_that_may_not_have_the_credential_is_told_and_not_asked() {
    let emulator = shop::shop();
    for realm in [
        "http://example.com/token",
        "https://10.0.0.1/token",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://crg.apkg.io@127.0.0.1/token",
    ] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        emulator.script(
            on("GET", "/manifests/"),
            1,
            Answer::new(401).header("WWW-Authenticate", &challenge),
        );
        let outcome = pull(&emulator).run();
        assert_ne!(outcome.status, 0, "{realm}: {}", outcome.output);
        assert_eq!(outcome.journal().len(), 1, "{realm}: {:#?}", outcome.journal());
    }
}

/// What a registry of the internet names inside a network is not asked, whatever it is named for, by no proxy either.
#[test]
fn no_address_leads_into_the_network_of_the_step() {
    let named = [
        ("/manifests/", 401, "WWW-Authenticate", "Bearer realm=\"ADDRESS\""),
        ("/token", 307, "Location", "ADDRESS"),
        ("/blobs/", 302, "Location", "ADDRESS"),
    ];
    for place in [
        "10.0.0.5",
        "100.64.0.1",
        "198.18.0.1",
        "localhost",
        "a.localhost.",
        "169.254.169.254.",
        "0xa9fea9fe",
        "[::ffff:a9fe:a9fe]",
        "[::ffff:0:10.0.0.5]",
        "[64:ff9b::a00:5]",
    ] {
        for (path, status, header, value) in named {
            let emulator = Emulator::start(Setup::shop().behind_proxy("crg.apkg.io", Authority::shared()));
            emulator.put_image("shop/base", "1", &Image::small("base"));
            let to = format!("https://{place}/secret/path?token=secret#sig=secret");
            let answer = Answer::new(status).header(header, &value.replace("ADDRESS", &to));
            emulator.script(on("GET", path), 1, answer);
            let outcome = pull(&emulator).unset("REGISTRY").run().fails(1).never_says("secret");
            outcome.says("`crg.apkg.io`").says("it is ");
            let journal = emulator.journal();
            let strays: Vec<_> = journal.iter().filter(|entry| entry.path.contains(place)).collect();
            assert!(strays.is_empty(), "{place} {path}: {strays:#?}");
        }
    }
}

/// What a registry, its token server or its storage sends back of the credential, in the form that it likes.
#[test]
#[allow(clippy::format_collect, reason = "short texts")]
fn a_credential_that_is_sent_back_is_hidden_in_whatever_form() {
    let token = Setup::api_token();
    let pair = format!("{}:{token}", Setup::EMAIL);
    let basic = format!("Basic {}", STANDARD.encode(&pair));
    let auth = json!({ "username": Setup::EMAIL, "password": token, "serveraddress": "x" }).to_string();
    let wrapped: Vec<_> = basic.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
    let twice = token.replace('=', "%25253D");
    for echo in [
        token.replace('=', "\\u003d"),
        token.replace('=', "&#x3D;"),
        token.replace('=', "%253D"),
        token.replace('=', "=3D"),
        token[..24].to_owned(),
        token[30..60].to_owned(),
        token.to_ascii_lowercase(),
        token.chars().map(|c| format!("{c}\u{200b}")).collect(),
        token.chars().map(|c| format!("{c}\0")).collect(),
        token.chars().map(|c| format!("\u{202e}{c}\u{1b}[0m")).collect(),
        STANDARD.encode(STANDARD.encode(&pair)),
        token.bytes().map(|byte| format!("{byte:02X}")).collect(),
        wrapped.join("\r\n"),
        STANDARD.encode(&basic),
        STANDARD.encode(format!("authorization: {basic}")),
        URL_SAFE.encode(&auth),
        format!("X-Registry-Auth: {}", STANDARD.encode(format!(" {auth}"))),
        twice,
    ] {
        let emulator = shop::shop();
        let places = [
            ("/token", Answer::new(401).json(&json!({ "details": echo }))),
            ("/manifests/", Answer::error_about(403, "DENIED", &echo, &json!(echo))),
            (
                "/blobs/",
                Answer::new(403).body(format!("<Error><Message>{echo}</Message></Error>")),
            ),
        ];
        for (path, answer) in places {
            emulator.forget_script();
            emulator.script(on("GET", path).signed_in(), 100, answer);
            let run = pull(&emulator).hidden(&STANDARD.encode(&basic)).run();
            assert_ne!(run.status, 0, "{}", run.output);
        }
    }
}

/// Whether or not it is the token that the run has: a variable that holds the name of something is repeated by messages.
#[test]
fn a_token_that_was_pasted_where_none_belongs_is_hidden() {
    let emulator = shop::shop();
    for token in [Setup::api_token(), crate::support::emulator::api_token("of nobody")] {
        for (name, value) in [
            ("IMAGES", "TOKEN"),
            ("IMAGES", "base:TOKEN"),
            ("IMAGES", "crg.apkg.io/shop/TOKEN:1"),
            (
                "IMAGES",
                "crg.apkg.io/a-workspace-with-a-long-name/and-a-package-with-one/TOKEN:1",
            ),
            ("REGISTRY", "TOKEN"),
            ("REGISTRY", "TOKEN.example.org"),
            ("DOCKER_HOST", "tcp://TOKEN:2375/x"),
            ("PLATFORM", "linux/TOKEN"),
            ("TO", "TOKEN"),
            ("REPORT", "TOKEN/report.json"),
            ("CONCURRENCY", "TOKEN"),
            ("ACTION", "TOKEN"),
            ("CA_CERTIFICATE", "TOKEN"),
            ("TOKEN_EXPIRES_ON", "TOKEN"),
            ("HTTPS_PROXY", "http://TOKEN@:x"),
            ("BITBUCKET_WORKSPACE", "TOKEN"),
        ] {
            let pipe = pull(&emulator)
                .hidden(&token)
                .hidden(&token.to_ascii_lowercase())
                .var(name, &value.replace("TOKEN", &token));
            let pipe = if name == "DOCKER_HOST" { pipe.unset("TO") } else { pipe };
            let outcome = pipe.run();
            assert_ne!(outcome.status, 0, "{name} {value}: {}", outcome.output);
        }
    }
}

/// What Pipelines says of the step reaches hints: it is a text of others, too.
#[test]
fn a_workspace_that_is_no_name_moves_nothing_in_the_log() {
    let emulator = shop::shop();
    for odd in [
        "\u{202e}",
        "\u{200b}",
        "\u{feff}",
        "\u{ad}",
        "\u{2060}",
        "\u{61c}",
        "\u{e0041}",
        "\u{1b}[31m",
    ] {
        let name = format!("sh{odd}op");
        for image in ["shop/none:1", "base:none", "other/base:1"] {
            let outcome = pull(&emulator)
                .var("BITBUCKET_WORKSPACE", &name)
                .var("BITBUCKET_REPO_FULL_NAME", &format!("{name}/api"))
                .var("IMAGES", image)
                .run();
            assert!(!outcome.plain().contains(odd), "{odd:?}: {:?}", outcome.output);
        }
    }
}
