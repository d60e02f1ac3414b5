//! tmp
use crate::failure::{Failure, Kind};
use std::path::Path;
#[derive(Debug)]
pub struct OutputError(String);
impl std::fmt::Display for OutputError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl From<OutputError> for Failure {
    fn from(e: OutputError) -> Self {
        Failure::new(Kind::Other, e.0, "")
    }
}
pub fn write_atomically(path: &Path, bytes: &[u8], _mode: u32) -> Result<(), OutputError> {
    std::fs::write(path, bytes).map_err(|e| OutputError(e.to_string()))
}
