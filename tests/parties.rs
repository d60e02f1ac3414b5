//! Who is asked beside the registry, and how: storage, token servers, proxies, certificates. Each failure is told of the one
//! that failed.

use crate::support::emulator::{Answer, Emulator, Service, Setup, on};
use crate::support::image::Image;
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::pki::{Authority, Own, ServerIdentity};
use crate::support::shop;

fn filled(setup: Setup) -> Emulator {
    let emulator = Emulator::start(setup);
    emulator.put_image("shop/base", "1", &Image::small("parties"));
    emulator
}

fn pull(emulator: &Emulator) -> Pipe<'_> {
    shop::pull(emulator, "base:1").api_token().var("TIMEOUT", "2")
}

/// The registry, or its host, or the credential are not what is wrong.
fn blames_nobody_else(outcome: Outcome<'_>) -> Outcome<'_> {
    outcome
        .never_says("`REGISTRY`")
        .never_says("was not accepted")
        .never_says("pushed again")
        .never_says("did not accept the credential")
}

#[test]
fn storage_that_fails_is_named() {
    let xml = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    let page = || {
        Answer::new(200)
            .header("Content-Type", "text/html; charset=utf-8")
            .body("\n<!doctype html><title>Sign in</title>")
    };
    for (place, answer, status, says) in [
        // Nobody listens, no such name.
        (
            "http://127.0.0.1:9/x?sig=secret",
            None,
            6,
            "where `REGISTRY` keeps its blobs, did not answer",
        ),
        (
            "https://storage.invalid/x?sig=secret",
            None,
            6,
            "`storage.invalid`, where `REGISTRY` keeps its blobs",
        ),
        (
            "STORAGE",
            Some(Answer::new(403).body(xml)),
            1,
            "403, “AccessDenied: Request has expired”",
        ),
        (
            "STORAGE",
            Some(Answer::new(401)),
            1,
            "nothing is known against your credential",
        ),
        (
            "STORAGE",
            Some(Answer::new(301).body("<Error><Code>PermanentRedirect</Code></Error>")),
            1,
            "a redirect without a `Location`",
        ),
        (
            "STORAGE",
            Some(Answer::new(400).body("")),
            1,
            "refused reading the blob",
        ),
        ("STORAGE", Some(Answer::new(206).body("x")), 1, "keeps its blobs"),
        (
            "STORAGE",
            Some(Answer::new(429)),
            5,
            "` limits how much may be asked of it",
        ),
        ("STORAGE", Some(Answer::new(503)), 6, "the fault is that of `127.0.0.1:"),
        ("STORAGE", Some(page()), 1, "sent a web page in the place of an answer"),
        (
            "STORAGE",
            Some(Answer { status: 403, ..page() }),
            1,
            "a filter, a portal or a proxy on the way",
        ),
    ] {
        let emulator = filled(Setup::shop());
        let storage = filled(Setup::shop().named("127.0.0.1"));
        if let Some(answer) = answer {
            storage.script(on("GET", "/x"), 100, answer);
        }
        let to = place.replace("STORAGE", &format!("{}/x?sig=secret", storage.origin()));
        emulator.script(
            on("GET", "/blobs/").signed_in(),
            100,
            Answer::new(307).header("Location", &to),
        );
        let outcome = pull(&emulator).var("NO_PROXY", "*").run();
        let host = emulator.host();
        let outcome = outcome
            .fails(status)
            .says(&says.replace("REGISTRY", host))
            .never_says("secret");
        blames_nobody_else(outcome).says("keeps its blobs");
    }
}

/// A page of the network in the place of the registry's own answer.
#[test]
fn a_filters_page_is_no_damaged_image() {
    let emulator = filled(Setup::shop());
    for status in [200, 403, 404] {
        let answer = Answer::new(status)
            .header("Content-Type", "text/html")
            .body("<html>Blocked by your network</html>");
        emulator.script(on("GET", "/blobs/").signed_in(), 1, answer);
        let outcome = pull(&emulator).run();
        assert_ne!(outcome.status, 0, "{}", outcome.output);
        outcome
            .says("seems to answer in the place of")
            .never_says("pushed again")
            .never_says("Blocked by");
        emulator.forget_script();
    }
}

#[test]
fn a_token_server_that_fails_is_named() {
    for (realm, answer, status, says) in [
        (
            "http://127.0.0.1:9/token",
            None,
            6,
            "`127.0.0.1:9`, the token server of `REGISTRY`, did not answer",
        ),
        ("https://auth.invalid/token", None, 6, "must lead to `auth.invalid` too"),
        (
            "OWN",
            Some(Answer::new(404)),
            1,
            "the token server of `REGISTRY` refused reading `shop/base:1`: 404",
        ),
        (
            "OWN",
            Some(Answer::new(200).body("<html>")),
            1,
            "the token server of `REGISTRY` gave an unexpected answer",
        ),
        ("OWN", Some(Answer::new(200).body("{}")), 1, "holds no token"),
        ("OWN", Some(Answer::new(200)), 1, "the answer is not a token"),
        ("OWN", Some(Answer::new(204)), 1, "the answer is not a token"),
        (
            "OWN",
            Some(Answer::new(302).header("Location", "/sign-in")),
            1,
            "nothing is known against your credential",
        ),
        (
            "OWN",
            Some(Answer::new(302)),
            1,
            "the token server of `REGISTRY` gave an unexpected answer",
        ),
        (
            "OWN",
            Some(Answer::new(410)),
            1,
            "nothing is known against your credential",
        ),
        (
            "OWN",
            Some(Answer::new(501)),
            6,
            "could not look at the credential while reading `shop/base:1`: 501",
        ),
        (
            "OTHER",
            Some(Answer::new(503)),
            6,
            ", the token server of `REGISTRY`, could not look at the credential while reading `shop/base:1`: 503",
        ),
        ("OTHER", Some(Answer::new(500)), 6, "the fault is that of `127.0.0.1:"),
        (
            "OTHER",
            Some(Answer::new(429)),
            5,
            "` limits how much may be asked of it",
        ),
        (
            "OTHER",
            Some(Answer::new(502).header("Content-Type", "text/html").body("<html>")),
            1,
            "seems to answer in the place of `127.0.0.1:",
        ),
        (
            "OTHER",
            Some(Answer::new(404)),
            1,
            ", the token server of `REGISTRY`, refused reading",
        ),
        (
            "OTHER",
            Some(Answer::new(200)),
            1,
            ", the token server of `REGISTRY`, gave an unexpected answer",
        ),
    ] {
        let emulator = filled(Setup::shop());
        let other = Emulator::start(Setup::shop().named("127.0.0.1"));
        if realm != "OWN" {
            let realm = realm.replace("OTHER", &format!("{}/token", other.origin()));
            emulator.settings(|settings| settings.realm = Some(realm));
        }
        if let Some(answer) = answer {
            let server = if realm == "OTHER" { &other } else { &emulator };
            server.script(on("GET", "/token"), 100, answer);
        }
        let outcome = pull(&emulator).var("NO_PROXY", "*").run().fails(status);
        let host = emulator.host();
        blames_nobody_else(outcome.says(&says.replace("REGISTRY", host)));
    }
}

#[test]
fn a_token_is_found_in_either_field() {
    for (answer, good) in [
        (r#"{"token":"","access_token":"TOKEN","expires_in":"soon"}"#, true),
        (r#"{"token":null,"access_token":"TOKEN","expires_in":-5}"#, true),
        (r#"{"access_token":"TOKEN","expires_in":1.5}"#, true),
        (r#"{"token":"TOKEN","expires_in":null,"issued_at":7}"#, true),
        (r#"{"token":"TOKEN","access_token":""}"#, true),
        (r#"{"access_token":"TOKEN","token_type":"bearer","scope":"x"}"#, true),
        (r#" {"token":" TOKEN\n","refresh_token":"x"} "#, true),
        (r#"{"token":{"a":1},"access_token":"TOKEN","expires_in":{"a":1}}"#, true),
        (r#"{"token":7,"access_token":"TOKEN","expires_in":true}"#, true),
        (r#"{"token":"TOKEN","expires_in":99999999999999999999999}"#, true),
        (r#"{"token":"TOKEN","expires_in":1e400}"#, true),
        (r#"{"token":"TO\u0000KEN"}"#, false),
        (r#"{"Token":"TOKEN"}"#, false),
        (r#"{"errors":[],"token":null}"#, false),
        ("TOKEN", false),
        ("null", false),
        (r#"{"token":"","access_token":""}"#, false),
        (r#"{"token":["TOKEN"]}"#, false),
        ("[]", false),
    ] {
        let emulator =
            filled(Setup::shop().with(|settings| settings.token_form = crate::support::emulator::TokenForm::Opaque));
        // One that the emulator takes.
        pull(&emulator).run().succeeds();
        let token = emulator.last_token().unwrap();
        let body = answer.replace("TOKEN", &token);
        emulator.script(on("GET", "/token"), 100, Answer::new(200).body(body));
        let outcome = pull(&emulator).hidden(&token).run();
        assert_eq!(outcome.status == 0, good, "{answer}: {}", outcome.output);
    }
}

/// Bitbucket's own name, which only the CONNECT proxy knows.
fn behind_proxy() -> Emulator {
    filled(Setup::shop().behind_proxy("crg.apkg.io", Authority::shared()))
}

#[test]
fn a_proxy_is_found_however_it_is_written() {
    let emulator = behind_proxy();
    let bare = emulator.proxy().replace("http://", "");
    for (name, value) in [
        ("HTTPS_PROXY", format!("http://{bare}")),
        ("HTTPS_PROXY", format!("  http://{bare}/ \n")),
        ("HTTPS_PROXY", bare.clone()),
        ("HTTPS_PROXY", format!("HTTP://{bare}")),
        ("https_proxy", format!("http://{bare}")),
        ("ALL_PROXY", format!("http://{bare}")),
    ] {
        let pipe = pull(&emulator).unset("REGISTRY").unset("HTTPS_PROXY");
        pipe.var(name, &value).run().succeeds();
    }
}

#[test]
fn a_proxy_that_cannot_be_read_is_a_mistake() {
    for value in [
        "http://",
        "http://:3128",
        "http://proxy.example:port",
        "socks5://127.0.0.1:1080",
        "$HTTPS_PROXY",
        "http://robot:s3cr3t/word@proxy.example:3128",
        "http://a b",
    ] {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
            let emulator = behind_proxy();
            let pipe = pull(&emulator).unset("REGISTRY").unset("HTTPS_PROXY");
            let outcome = pipe.var(name, value).run().fails(2).no_connection();
            outcome
                .says(&format!("`{name}`: "))
                .never_says("s3cr3t")
                .says("http://host:port");
        }
    }
}

#[test]
fn a_proxy_that_fails_is_named() {
    let emulator = behind_proxy();
    for (proxy, says) in [
        (
            "http://127.0.0.1:9",
            "the proxy `127.0.0.1:9` on the way to `crg.apkg.io` did not answer",
        ),
        (
            "http://proxy.invalid:3128",
            "the proxy `proxy.invalid:3128` on the way to `crg.apkg.io` did not answer",
        ),
    ] {
        let outcome = pull(&emulator)
            .unset("REGISTRY")
            .var("HTTPS_PROXY", proxy)
            .run()
            .fails(6);
        blames_nobody_else(outcome.says(says).says("check `HTTPS_PROXY`"));
    }
    // One that makes no connection there.
    let outcome = pull(&emulator).var("REGISTRY", "elsewhere.apkg.io").run().fails(6);
    blames_nobody_else(outcome.says("it made no connection").says("`NO_PROXY`"));
}

#[test]
fn who_is_asked_without_the_proxy() {
    let emulator = filled(Setup::shop().behind_proxy("registry.invalid", Authority::shared()));
    for (exempt, direct) in [
        ("localhost", false),
        (".registry.invalid", false),
        ("registry.invalid:8443", false),
        ("egistry.invalid", false),
        ("*.registry.invalid", false),
        ("*", true),
        ("localhost,*", true),
        ("*.invalid", true),
        ("invalid", true),
        ("REGISTRY.INVALID:443", true),
        ("example.com, registry.invalid", true),
    ] {
        emulator.forget_requests();
        let pipe = pull(&emulator).var("CREDENTIAL", "api-token").var("NO_PROXY", exempt);
        let outcome = pipe.var("IMAGES", "registry.invalid/shop/base:1").run();
        if direct {
            outcome.fails(6).no_connection().says("its name could not be resolved");
        } else {
            outcome.succeeds();
        }
    }
}

#[test]
fn a_certificate_of_the_servers_own_is_trusted_as_it_is() {
    for (own, good, says) in [
        (Own::Usual, true, ""),
        (Own::NoAuthority, true, ""),
        (
            Own::Expired,
            false,
            "its certificate is not valid: it expired on 2020-01-02",
        ),
        (
            Own::OtherName,
            false,
            "it is for `registry.example.org`, which is another name",
        ),
        (Own::NoNames, false, "it does not name this host"),
        (Own::ForClients, false, "it is not made for a server"),
    ] {
        let emulator = filled(Setup::shop().identity(ServerIdentity::self_signed(own)));
        let outcome = pull(&emulator).run();
        if good {
            outcome.succeeds();
        } else {
            outcome.fails(6).says(says).says("nothing was sent").never_says("Error");
        }
    }
    // Another of the same name, and none.
    let emulator = filled(Setup::shop().identity(ServerIdentity::self_signed(Own::Usual)));
    let other = ServerIdentity::self_signed(Own::Usual).certificate_pem;
    for trusted in [&other, &Authority::shared().pem()] {
        let outcome = pull(&emulator).var("CA_CERTIFICATE", trusted).run().fails(6);
        outcome.says("no secure connection to").says("`CA_CERTIFICATE`");
        let signed = emulator
            .journal()
            .iter()
            .any(|entry| entry.service == Service::Registry);
        assert!(!signed, "{:#?}", emulator.journal());
    }
}

/// Names that mean this machine lead to it, whatever a name server says: here there is none.
#[test]
fn a_name_below_localhost_is_this_machine() {
    let emulator = filled(Setup::shop().named("registry.localhost"));
    pull(&emulator).in_step(None).run().succeeds();
}
