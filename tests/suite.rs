//! Every test that needs more than one process: one crate, so that it links once.
