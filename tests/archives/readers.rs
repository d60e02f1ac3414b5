//! What is written whole and yet not read by every program: told in the log.

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Pipe;

fn start() -> Emulator {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/api", "1", &Image::small("readers"));
    emulator
}

fn pull<'a>(emulator: &'a Emulator, image: &str, to: &str) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .var("IMAGES", image)
        .var("TO", to)
}

#[test]
fn what_skopeo_and_others_cannot_read_is_told() {
    let emulator = start();
    let docker = ImageBuilder::new("docker").docker().build();
    emulator.put_image("shop/web", "1", &docker);
    emulator.put_image("shop/web", "multi", &Image::docker_list(vec![docker]));
    emulator.put_image("shop/api", "_x", &Image::small("odd name"));
    let types = "has Docker's media types: in `";
    let name = "can choose no such name";
    for (image, to, told) in [
        ("web:1", "oci:out", Some(types)),
        ("web:multi", "oci-archive:out.tar", Some(types)),
        ("web:1", "docker-archive:out.tar", None),
        ("api:1", "oci:out", None),
        ("api:_x", "oci:out", Some(name)),
        ("api:_x", "oci:out:x", None),
        ("api:_x", "docker-archive:out.tar", None),
    ] {
        let mut outcome = pull(&emulator, image, to).run().succeeds();
        for warning in [types, name] {
            outcome = if told == Some(warning) {
                outcome.says(warning)
            } else {
                outcome.never_says(warning)
            };
        }
    }
}

#[test]
fn a_docker_archive_with_zstd_is_told_to_need_a_new_docker() {
    let emulator = start();
    let manifest = String::from_utf8(emulator.manifest("shop/api", "1").unwrap().to_vec()).unwrap();
    for (to, told) in [("docker-archive:out.tar", true), ("oci-archive:out.tar", false)] {
        let zstd = Answer::new(200)
            .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
            .body(manifest.replace("tar+gzip", "tar+zstd"));
        emulator.script(on("GET", "/manifests/1").signed_in(), 1, zstd);
        let outcome = pull(&emulator, "api:1", to).run().succeeds();
        let says = format!(
            "WARNING: `{}/shop/api:1` has layers compressed with zstd, which `docker load` reads from Docker 23 on",
            emulator.host()
        );
        if told {
            outcome.says(&says);
        } else {
            outcome.never_says("zstd");
        }
    }
}
