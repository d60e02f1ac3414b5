//! An index whose entries name no platforms: each one's configuration tells for which it is.

use super::{platform, pull};
use crate::support::emulator::{Emulator, Setup};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};

on_each_engine!(an_index_that_names_no_platforms_is_pulled_by_its_configurations);

fn an_index_that_names_no_platforms_is_pulled_by_its_configurations(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let arm = ImageBuilder::new("pull unnamed")
        .platform("linux", "arm64", Some("v8"))
        .build();
    let amd = Image::small("pull unnamed");
    let index = Image::index(vec![
        Image::attestation_of(&amd),
        arm.clone().silent(),
        amd.clone().silent(),
    ]);
    emulator.put_image("shop/base", "unnamed", &index);
    let name = format!("{}/shop/base:unnamed", emulator.host());
    for (wanted, found, image) in [
        (None, "linux/amd64", &amd),
        (Some("linux/arm64"), "linux/arm64", &arm),
        (Some("linux/amd64"), "linux/amd64", &amd),
    ] {
        let run = pull(engine, &emulator, "base:unnamed").api_token();
        let run = match wanted {
            Some(platform) => run.var("PLATFORM", platform),
            None => run,
        };
        run.run().succeeds().says(&image.digest()[..19]);
        assert_eq!(platform(engine, &name).as_deref(), Some(found), "{wanted:?}");
        assert_eq!(engine.config_digest(&name), Some(image.config_digest()), "{wanted:?}");
    }
    pull(engine, &emulator, "base:unnamed")
        .api_token()
        .var("PLATFORM", "linux/s390x")
        .run()
        .fails(4)
        .says("is not there for linux/s390x")
        .says("it is there for linux/arm64, linux/amd64;");
}
