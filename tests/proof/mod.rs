//! The support itself, proven by clients that are not ours: what they take for a registry, the pipe may be tested
//! against.

mod api;
mod curl;
mod distribution;
mod engine;
mod pipe;
mod skopeo;
mod wire;
