//! What goes wrong between the pipe and the registry, and answers that are not taken.

use super::{Case, Run, pull, retag, shop, started};
use crate::support::emulator::{Answer, Emulator, Fault, Setup, on};
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use std::net::Ipv4Addr;

pub(super) const CASES: &[Case] = &[
    Case {
        see: "`…` did not answer while …: its name could not be resolved",
        status: 6,
        runs: || {
            let pipe = Pipe::new()
                .workspace("shop")
                .built_in()
                .unset("HTTPS_PROXY")
                .in_step(None);
            let pipe = pipe.var("IMAGES", "api:1").var("TO", "oci:images");
            vec![pipe.var("RETRIES", "0").run().into()]
        },
    },
    Case {
        see: "`…` did not answer while …: the connection was refused",
        status: 6,
        runs: || vec![retag(&shop()).built_in().var("REGISTRY", "localhost:9").run().into()],
    },
    Case {
        see: "`…` did not answer while …: it was silent for too long<br>`…` did not answer while …: the connection broke…",
        status: 6,
        runs: || {
            let faults = [Fault::Silence, Fault::Reset];
            faults
                .map(|fault| {
                    let emulator = shop();
                    emulator.script(on("GET", "/manifests/").signed_in(), 1, fault);
                    retag(&emulator).built_in().var("TIMEOUT", "1").run().into()
                })
                .into()
        },
    },
    Case {
        see: "no secure connection to `…` while …: its certificate is signed by an authority that is not trusted here",
        status: 6,
        runs: || {
            let emulator = started(Setup::shop().tls(Authority::shared()));
            vec![retag(&emulator).built_in().unset("CA_CERTIFICATE").run().into()]
        },
    },
    Case {
        see: "no secure connection to `…` while …: its certificate is not valid: …",
        status: 6,
        runs: || {
            // Its certificate is for other addresses than the one that it is reached by.
            let other = Ipv4Addr::new(127, 0, 0, 2);
            let emulator = started(Setup::shop().listen(other.into()).tls(Authority::shared()));
            let address = format!("{other}:{}", emulator.port());
            vec![retag(&emulator).built_in().var("REGISTRY", &address).run().into()]
        },
    },
    Case {
        see: "no secure connection to `…` while …: TLS failed: …",
        status: 6,
        runs: || {
            let emulator = started(Setup::shop().named("registry.example.org"));
            vec![retag(&emulator).built_in().var("CREDENTIAL", "built-in").run().into()]
        },
    },
    Case {
        see: "`…` wants the credential sent to `…`, which gets none: …",
        status: 1,
        runs: || {
            let emulator = shop();
            emulator.settings(|settings| settings.realm = Some("http://auth.example.org/token".to_owned()));
            vec![retag(&emulator).built_in().run().into()]
        },
    },
    Case {
        see: "`…` redirected … to `…`, which is not followed: …",
        status: 1,
        runs: || {
            let elsewhere = Answer::new(302).header("Location", "http://example.org/manifest");
            vec![read(&shop(), elsewhere)]
        },
    },
    Case {
        see: "`…` gave an answer that makes no sense while …",
        status: 1,
        runs: || {
            vec![read(
                &shop(),
                Answer::new(200).body("<html>Welcome to the hotel's network</html>"),
            )]
        },
    },
    Case {
        see: "`…` sent other bytes than asked for while …: expected …, got …",
        status: 1,
        runs: || {
            let emulator = shop();
            let wanted = format!("api@sha256:{}", "0".repeat(64));
            let other = emulator.manifest("shop/api", "1").unwrap();
            emulator.script(on("GET", "/manifests/").signed_in(), 1, Answer::new(200).body(other));
            vec![pull(&emulator, &wanted).built_in().run().into()]
        },
    },
    Case {
        see: "`…` sent more than … bytes while …",
        status: 1,
        runs: || vec![read(&shop(), Answer::new(200).body(vec![b' '; 5 << 20]))],
    },
];

/// A `pull` in which the registry answers the request for the manifest so.
fn read(emulator: &Emulator, answer: Answer) -> Run {
    emulator.script(on("GET", "/manifests/").signed_in(), 1, answer);
    pull(emulator, "api:1").built_in().run().into()
}
