//! Archives and layouts of images.
mod error;
mod location;
mod region;
mod tar_header;
mod tar_index;
pub use error::{ArchiveError, Problem};
pub use location::{BadLocation, Location, Transport};
pub use region::{Region, RegionReader};
