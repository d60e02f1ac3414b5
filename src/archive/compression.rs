//! How bytes are compressed, told from the first of them.

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// A plain tar.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// So many of the first bytes tell.
    pub(super) const MAGIC: usize = 6;

    /// What the first bytes say, zeros where there are fewer.
    ///
    /// # Errors
    /// The name of a compression that no layer may have.
    pub(super) fn of(magic: [u8; Self::MAGIC]) -> Result<Self, &'static str> {
        match magic {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            // A zstd stream may begin with a frame to be skipped (RFC 8878, 3.1.2), as pzstd writes them.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Err("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Err("xz"),
            _ => Ok(Self::None),
        }
    }
}
