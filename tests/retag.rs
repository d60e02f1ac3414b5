//! `retag` against the emulator: what it asks for, what it leaves, what it says.

use crate::support::emulator::{Emulator, Setup};
use crate::support::image::Image;
use crate::support::pipe::Pipe;

fn shop() -> Emulator {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::small("base"));
    emulator
}

#[test]
fn one_tag_costs_three_requests_and_one_token() {
    let emulator = shop();
    let outcome = Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .api_token()
        .var("ACTION", "retag")
        .var("SOURCE", "base:1")
        .var("TAGS", "1.4.2 latest")
        .run();
    outcome.succeeds();
    println!("{}", emulator.requests().join("\n"));
}
