//! Every test that needs more than one process: one crate, so that it links once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a test's answer")]

/// A test of a function that takes an engine, for each of these: `function::engine` is its name.
macro_rules! tests {
    ($test:ident: $($engine:ident = $kind:ident),+) => {
        mod $test {
            use crate::support::engine::{Engine, Kind};

            $(#[test]
            fn $engine() {
                super::$test(Engine::shared(Kind::$kind));
            })+
        }
    };
}

/// Tests of functions that take an engine, for both image stores of Docker.
macro_rules! on_docker {
    ($($test:ident),+ $(,)?) => { $(tests!($test: classic = Classic, containerd = Containerd);)+ };
}

/// The same for podman too, which has no network for a step's containers.
macro_rules! on_each_engine {
    ($($test:ident),+ $(,)?) => { $(tests!($test: classic = Classic, containerd = Containerd, podman = Podman);)+ };
}

mod archives;
mod behaviours;
mod check;
mod copy;
mod credentials;
mod demo;
mod diagnosis;
mod discovery;
mod examples;
mod faults;
mod files;
mod hostile;
mod image;
mod insights;
mod live;
mod log;
mod login;
mod mirror;
mod offline;
mod panics;
mod parties;
mod presence;
mod progress;
mod proof;
mod prune;
mod pull;
mod push;
mod ranges;
mod refusals;
mod registries;
mod release;
mod required;
mod retag;
mod rooms;
mod sources;
mod stops;
mod support;
mod tagging;
mod wait;
