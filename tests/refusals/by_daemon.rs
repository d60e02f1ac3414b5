//! What the step's Docker daemon cannot do, and what it relays of a registry's refusal.

use super::{Case, Run, pull, retag, shop};
use crate::support::emulator::{Answer, on};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};

pub(super) const CASES: &[Case] = &[
    Case {
        see: "no Docker daemon at `…`: nothing listens there<br>no Docker daemon at `…`: there is no such socket",
        status: 6,
        runs: || {
            let emulator = shop();
            ["tcp://127.0.0.1:9", "unix:///nowhere/docker.sock"]
                .map(|host| {
                    let pipe = pull(&emulator, "api:1").unset("TO").built_in();
                    pipe.docker_host(host).run().into()
                })
                .into()
        },
    },
    Case {
        see: "the step's Docker daemon has no image `…`",
        status: 4,
        runs: || {
            let emulator = shop();
            let pipe = retag(&emulator).built_in().engine(Engine::shared());
            let pipe = pipe.var("ACTION", "push").var("SOURCE", "nobody/built:this");
            vec![pipe.run().into()]
        },
    },
    Case {
        see: "the registry refused access: pulling `…`; the daemon's words: …",
        status: 3,
        runs: || vec![pulled("denied", Answer::error(403, "DENIED", "no blobs for you"))],
    },
    Case {
        see: "the registry does not accept the credential: pulling `…`; the daemon's words: …",
        status: 3,
        runs: || {
            vec![pulled(
                "unauthorized",
                Answer::error(401, "UNAUTHORIZED", "authentication required"),
            )]
        },
    },
    Case {
        see: "the registry got too many requests: pulling `…`; the daemon's words: …",
        status: 5,
        runs: || {
            vec![pulled(
                "limited",
                Answer::error(429, "TOOMANYREQUESTS", "too many requests"),
            )]
        },
    },
    Case {
        see: "the registry does not let the tag be overwritten: pushing `…`; the daemon's words: …",
        status: 5,
        runs: || {
            let emulator = shop();
            emulator.put_image("shop/api", "immutable", &Image::small("refusals other"));
            let built = ImageBuilder::new("refusals built").docker().build();
            Engine::shared()
                .docker_reading(&["load"], &built.docker_archive(&["api:refusals-immutable"]))
                .succeeds();
            let refused = Answer::error(400, "TAG_IMMUTABLE", "tag immutable is immutable");
            emulator.script(on("PUT", "/manifests/immutable").signed_in(), 9, refused);
            let pipe = retag(&emulator).built_in().engine(Engine::shared());
            let pipe = pipe.var("ACTION", "push").var("SOURCE", "api:refusals-immutable");
            vec![pipe.var("TARGET", "api").var("TAGS", "immutable").run().into()]
        },
    },
];

/// A `pull` into the daemon, which is answered so when it asks for the blobs.
fn pulled(tag: &str, answer: Answer) -> Run {
    let emulator = shop();
    emulator.put_image("shop/api", tag, &Image::small(&format!("refusals {tag}")));
    emulator.script(on("GET", "/v2/shop/api/blobs/").signed_in(), 99, answer);
    let pipe = pull(&emulator, &format!("api:{tag}")).unset("TO");
    pipe.engine(Engine::shared()).built_in().run().into()
}
