//! What goes wrong between the pipe and the registry, and answers that are not taken.

use super::{Case, Run, pull, retag, shop, stocked};
use crate::support::emulator::{Answer, Emulator, Fault, Setup, on};
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

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
        see: "`…` did not answer while …: it was silent for too long<br>\
              `…` did not answer while …: its bytes came so slowly that it would not have ended<br>\
              `…` did not answer while …: the connection broke…",
        status: 6,
        runs: || {
            let meets = |fault| {
                let emulator = shop();
                emulator.script(on("GET", "/manifests/").signed_in(), 1, fault);
                retag(&emulator).built_in().var("TIMEOUT", "1").run().into()
            };
            let emulator = shop();
            let impatient = retag(&emulator).built_in().var("TIMEOUT", "1");
            let dripping = impatient.var("REGISTRY", &drip().to_string()).run();
            vec![meets(Fault::Silence), dripping.into(), meets(Fault::Reset)]
        },
    },
    Case {
        see: "no secure connection to `…` while …: its certificate is signed by an authority that is not trusted here",
        status: 6,
        runs: || {
            let emulator = stocked(Setup::shop().tls(Authority::shared()));
            vec![retag(&emulator).built_in().unset("CA_CERTIFICATE").run().into()]
        },
    },
    Case {
        see: "no secure connection to `…` while …: its certificate is not valid: …",
        status: 6,
        runs: || {
            // Its certificate is for other addresses than the one that it is reached by.
            let other = Ipv4Addr::new(127, 0, 0, 2);
            let emulator = stocked(Setup::shop().listen(other.into()).tls(Authority::shared()));
            let address = format!("{other}:{}", emulator.port());
            vec![retag(&emulator).built_in().var("REGISTRY", &address).run().into()]
        },
    },
    Case {
        see: "no secure connection to `…` while …: TLS failed: …",
        status: 6,
        runs: || {
            let emulator = stocked(Setup::shop().named("registry.example.org"));
            vec![retag(&emulator).built_in().var("CREDENTIAL", "built-in").run().into()]
        },
    },
    Case {
        see: "`…`, where `…` keeps its blobs, did not answer while …: …",
        status: 6,
        runs: || {
            vec![blob(
                &shop(),
                Answer::new(307).header("Location", "http://127.0.0.1:9/x"),
            )]
        },
    },
    Case {
        see: "`…`, where `…` keeps its blobs, refused …: …",
        status: 1,
        runs: || {
            let storage = Emulator::start(Setup::shop().named("127.0.0.1"));
            let denied = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
            storage.script(on("GET", "/x"), 100, Answer::new(403).body(denied));
            let there = format!("{}/x", storage.origin());
            vec![blob(&shop(), Answer::new(307).header("Location", &there))]
        },
    },
    Case {
        see: "`…`, the token server of `…`, did not answer while …: …",
        status: 6,
        runs: || {
            let emulator = shop();
            emulator.settings(|settings| settings.realm = Some("http://127.0.0.1:9/token".to_owned()));
            vec![retag(&emulator).built_in().run().into()]
        },
    },
    Case {
        see: "the token server of `…` refused …: …<br>the token server of `…` gave an unexpected answer while …",
        status: 1,
        runs: || {
            let answers = [Answer::new(404), Answer::new(200).body("{}")];
            answers
                .map(|answer| {
                    let emulator = shop();
                    emulator.script(on("GET", "/token"), 1, answer);
                    retag(&emulator).built_in().run().into()
                })
                .into()
        },
    },
    Case {
        see: "the proxy `…` on the way to `…` did not answer while …: …",
        status: 6,
        runs: || {
            let proxies = ["http://127.0.0.1:9".to_owned(), shop().proxy()];
            proxies
                .map(|proxy| {
                    let pipe = Pipe::new().workspace("shop").built_in().var("HTTPS_PROXY", &proxy);
                    let pipe = pipe.var("IMAGES", "api:1").var("TO", "oci:images");
                    pipe.var("RETRIES", "0").run().into()
                })
                .into()
        },
    },
    Case {
        see: "`…` sent a web page in the place of an answer while …<br>… refused …, “a web page instead of an answer”",
        status: 1,
        runs: || {
            let page = |status| {
                Answer::new(status)
                    .header("Content-Type", "text/html")
                    .body("<html>Blocked by your network</html>")
            };
            let storage = Emulator::start(Setup::shop().named("127.0.0.1"));
            storage.script(on("GET", "/x"), 100, page(403));
            let there = Answer::new(307).header("Location", &format!("{}/x", storage.origin()));
            vec![blob(&shop(), page(200)), blob(&shop(), there)]
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
        see: "`…` gave an unexpected answer while …",
        status: 1,
        runs: || {
            vec![read(
                &shop(),
                Answer::new(200).body("<html>Welcome to the hotel's network</html>"),
            )]
        },
    },
    Case {
        see: "`…` sent other bytes than asked for while …: expected …, got …<br>\
              `…` has wrong bytes under the digest …: …",
        status: 1,
        runs: || {
            let emulator = shop();
            let wanted = format!("api@sha256:{}", "0".repeat(64));
            let other = emulator.manifest("shop/api", "1").unwrap();
            emulator.script(on("GET", "/manifests/").signed_in(), 1, Answer::new(200).body(other));
            let image = pull(&emulator, &wanted).built_in().run().into();
            let answer = Answer::new(200).body("not the blob");
            vec![image, blob(&shop(), answer)]
        },
    },
    Case {
        see: "`…` sent more than … bytes while …",
        status: 1,
        runs: || vec![read(&shop(), Answer::new(200).body(vec![b' '; 5 << 20]))],
    },
    Case {
        see: "`…` sent its answer encoded as `…` while …",
        status: 1,
        runs: || {
            let encoded = Answer::new(200).header("Content-Encoding", "br").body("not JSON");
            vec![read(&shop(), encoded)]
        },
    },
    Case {
        see: "what `…` sent while … is too much for one run, which holds … of manifests and lists",
        status: 1,
        runs: || {
            let emulator = shop();
            let mut manifest: serde_json::Value =
                serde_json::from_slice(&emulator.manifest("shop/api", "1").unwrap()).unwrap();
            manifest["annotations"] = serde_json::json!({ "fill": "x".repeat(4_000_000) });
            let answer = Answer::new(200)
                .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
                .body(manifest.to_string());
            emulator.script(on("GET", "/manifests/").signed_in(), 100, answer);
            let images: Vec<String> = (0..12).map(|number| format!("api:{number}")).collect();
            vec![pull(&emulator, &images.join(" ")).built_in().run().into()]
        },
    },
];

/// Where a manifest comes a byte at a time.
fn drip() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().take(4).flatten() {
            let mut first = [0];
            // What begins so is TLS, which is tried first.
            if stream.read(&mut first).is_ok() && first[0] != 0x16 {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                while stream.write_all(b" ").is_ok() {
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    });
    address
}

/// A `pull` in which the registry answers each request for a blob so.
fn blob(emulator: &Emulator, answer: Answer) -> Run {
    emulator.script(on("GET", "/blobs/").signed_in(), 100, answer);
    pull(emulator, "api:1").built_in().run().into()
}

/// A `pull` in which the registry answers the request for the manifest so.
fn read(emulator: &Emulator, answer: Answer) -> Run {
    emulator.script(on("GET", "/manifests/").signed_in(), 1, answer);
    pull(emulator, "api:1").built_in().run().into()
}
