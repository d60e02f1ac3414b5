//! What a registry answers `prune`.

use super::{Case, Run, stocked};
use crate::support::emulator::{Answer, Deletes, Emulator, Setup, on};
use crate::support::image::Image;
use crate::support::shop::prune;

const DENIED: &str = "requested access to the resource is denied";

pub(super) const CASES: &[Case] = &[
    Case {
        see: "refused deleting `…`: 405 UNSUPPORTED, “…”<br>\
              the registry deletes neither tags nor images on request; these would go: …",
        status: 5,
        runs: || {
            let emulator = shop(Setup::shop().with(|settings| settings.deletes = Deletes::Nothing));
            vec![pruned(&emulator)]
        },
    },
    Case {
        see: "grants no `delete` on `…` (with the built-in credential)",
        status: 5,
        runs: || vec![pruned(&shop(Setup::shop().built_in_only_reads()))],
    },
    Case {
        see: "refused deleting …: 403 DENIED, “…” (with the built-in credential)<br>\
              your workspace may have a rule that makes tags like this immutable (workspace settings → Container settings): …",
        status: 5,
        runs: || {
            let emulator = shop(Setup::shop());
            emulator.script(on("DELETE", "/manifests/"), 99, Answer::error(403, "DENIED", DENIED));
            vec![pruned(&emulator)]
        },
    },
    Case {
        see: "`…` answered that it deleted `…`, and still has it",
        status: 1,
        runs: || {
            let emulator = shop(Setup::shop().with(|settings| settings.deletes = Deletes::Claims));
            vec![pruned(&emulator)]
        },
    },
    Case {
        see: "lists tags of which it is not known which image they are",
        status: 1,
        runs: || {
            let emulator = shop(Setup::shop().with(|settings| {
                settings.deletes = Deletes::Digests(405);
                settings.ghosts = vec!["ghost".to_owned()];
            }));
            vec![pruned(&emulator)]
        },
    },
    Case {
        see: "`…` has more than …, and what stays depends on all of it",
        status: 1,
        runs: || {
            let emulator = shop(Setup::shop());
            let nested = (0..18).fold(Image::small("nested"), |within, _| Image::index(vec![within]));
            emulator.put_image("shop/api", "nested", &nested);
            vec![pruned(&emulator)]
        },
    },
];

fn shop(setup: Setup) -> Emulator {
    let emulator = stocked(setup);
    for tag in ["2", "3", "4"] {
        emulator.put_image("shop/api", tag, &Image::small(tag));
    }
    emulator
}

fn pruned(emulator: &Emulator) -> Run {
    prune(emulator, "api").run().into()
}
