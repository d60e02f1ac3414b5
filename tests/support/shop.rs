//! The shop: the registry that most tests begin with, and the runs that most of them vary.

use super::emulator::{Emulator, Setup};
use super::image::Image;
use super::pipe::Pipe;

/// The registry of [`Setup::shop`], with an image in each of two packages.
pub(crate) fn shop() -> Emulator {
    stocked(Setup::shop())
}

/// A registry with `shop/api:1` and `shop/base:1`.
pub(crate) fn stocked(setup: Setup) -> Emulator {
    let emulator = Emulator::start(setup);
    emulator.put_image("shop/api", "1", &Image::small("api"));
    emulator.put_image("shop/base", "1", &Image::small("base"));
    emulator
}

/// Gives an image of the shop another tag; without a credential.
pub(crate) fn retag(emulator: &Emulator) -> Pipe<'_> {
    in_shop(emulator)
        .var("ACTION", "retag")
        .var("SOURCE", "api:1")
        .var("TAGS", "2")
}

/// Pulls an image of the shop into a layout; without a credential.
pub(crate) fn pull<'a>(emulator: &'a Emulator, image: &str) -> Pipe<'a> {
    in_shop(emulator).var("IMAGES", image).var("TO", "oci:out")
}

/// Copies an image of the shop, as a person.
pub(crate) fn copy<'a>(emulator: &'a Emulator, source: &str) -> Pipe<'a> {
    in_shop(emulator)
        .api_token()
        .var("ACTION", "copy")
        .var("SOURCE", source)
}

/// Looks through a package of the shop as the step that owns it; deletes what the two newest images leave.
pub(crate) fn prune<'a>(emulator: &'a Emulator, images: &str) -> Pipe<'a> {
    in_shop(emulator)
        .built_in()
        .var("ACTION", "prune")
        .var("IMAGES", images)
        .var("KEEP", "2")
        .var("DRY_RUN", "false")
}

/// A run in the workspace of the shop.
pub(crate) fn in_shop(emulator: &Emulator) -> Pipe<'_> {
    Pipe::new().workspace("shop").registry(emulator).var("RETRIES", "0")
}
