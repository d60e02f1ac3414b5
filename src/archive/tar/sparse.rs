//! Files with holes, as GNU tar writes them with `--sparse` and bsdtar without being asked: in the old GNU form, whose map is
//! in the header, and in the PAX forms 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files").

use super::super::source::BlobSource;
use super::header::{BLOCK, number};
use super::records::{Bad, decimal};
use super::scan::Extent;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

/// So many pieces of data a file may have. GNU tar and bsdtar write one for each run of blocks on the disk.
pub(super) const MOST_PIECES: usize = 100_000;
/// So many bytes it may have with its holes, which cost an archive nothing, and those who read it time without end.
pub(super) const LARGEST_SPARSE: u64 = 1 << 40;
/// Where the old form has its pairs, whether more follow, and the size of the whole.
const PAIRS: std::ops::Range<usize> = 386..482;
const IS_EXTENDED: usize = 482;
const REAL_SIZE: std::ops::Range<usize> = 483..495;
/// The same in a block that holds more pairs.
const MORE_PAIRS: std::ops::Range<usize> = 0..504;
const IS_EXTENDED_MORE: usize = 504;
/// One number of a pair.
const NUMBER: usize = 12;

/// What PAX records say of the holes of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<String>,
    pub(super) size: Option<u64>,
    /// Offsets and lengths in turns.
    pub(super) map: Vec<u64>,
}

/// Where the map of a file with holes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MapForm {
    /// In the records.
    Records,
    /// Before the data, in decimal lines.
    Data,
}

impl Stated {
    /// The form; `None` where nothing is said of holes.
    pub(super) fn form(&self) -> Result<Option<MapForm>, Bad> {
        match (self.major, self.minor) {
            (Some(1), Some(0)) if self.map.is_empty() => Ok(Some(MapForm::Data)),
            (None, None) | (Some(0), Some(0 | 1)) if !self.map.is_empty() => Ok(Some(MapForm::Records)),
            _ if *self == Self::default() => Ok(None),
            _ => Err(Bad::Unreadable),
        }
    }
}

/// Where the bytes of a file with holes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Map {
    /// What is stored of it, in the tar.
    offset: u64,
    stored: u64,
    /// Of the whole file.
    size: u64,
    /// Pieces of data: where they are in the file, and how long. In order.
    pieces: Arc<[(u64, u64)]>,
}

impl Map {
    /// What is stored of the file.
    pub(super) fn extent(&self) -> Extent {
        Extent {
            offset: self.offset,
            size: self.stored,
        }
    }

    /// From offsets and lengths in turns; `None` where they are not in order, do not lie in the file, or are not what is
    /// stored.
    pub(super) fn new(offset: u64, stored: u64, size: u64, numbers: &[u64]) -> Option<Self> {
        if !numbers.len().is_multiple_of(2) || numbers.len() / 2 > MOST_PIECES {
            return None;
        }
        let pieces: Arc<[(u64, u64)]> = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        let (mut end, mut sum) = (0_u64, 0_u64);
        for (start, length) in pieces.iter() {
            if *start < end {
                return None;
            }
            end = start.checked_add(*length).filter(|end| *end <= size)?;
            sum += length;
        }
        (sum == stored).then_some(Self {
            offset,
            stored,
            size,
            pieces,
        })
    }
}

/// The numbers of an old header, and whether a block with more follows.
pub(super) fn of_header(block: &[u8; BLOCK]) -> Option<(u64, Vec<u64>, bool)> {
    let size = number(&block[REAL_SIZE])?;
    Some((size, pairs(&block[PAIRS])?, block[IS_EXTENDED] != 0))
}

/// The numbers of a block that follows an old header, and whether another one does.
pub(super) fn of_block(block: &[u8; BLOCK]) -> Option<(Vec<u64>, bool)> {
    Some((pairs(&block[MORE_PAIRS])?, block[IS_EXTENDED_MORE] != 0))
}

/// Up to the first pair that is empty.
fn pairs(bytes: &[u8]) -> Option<Vec<u64>> {
    let used = bytes.chunks_exact(2 * NUMBER).take_while(|pair| pair[0] != 0);
    let numbers = used.flat_map(|pair| pair.chunks_exact(NUMBER)).map(number);
    numbers.collect()
}

/// Reads decimal lines from blocks: how many pairs, then these. Asks for the next block until all are there; gives the
/// numbers.
pub(super) fn of_data<E>(mut next: impl FnMut() -> Result<[u8; BLOCK], E>) -> Result<Option<Vec<u64>>, E> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    loop {
        for byte in next()? {
            if byte != b'\n' {
                line.push(byte);
                if line.len() > 20 {
                    return Ok(None);
                }
                continue;
            }
            let Some(number) = decimal(&line) else {
                return Ok(None);
            };
            line.clear();
            numbers.push(number);
            let wanted = numbers[0]
                .checked_mul(2)
                .filter(|wanted| *wanted <= 2 * MOST_PIECES as u64);
            match wanted {
                None => return Ok(None),
                // The rest of the block is padding.
                Some(wanted) if wanted == numbers.len() as u64 - 1 => return Ok(Some(numbers.split_off(1))),
                Some(_) => {}
            }
        }
    }
}

/// A file with holes.
#[derive(Debug, Clone)]
pub struct Sparse {
    stored: Arc<BlobSource>,
    map: Map,
}

impl Sparse {
    pub(super) fn new(stored: BlobSource, map: Map) -> Self {
        let stored = Arc::new(stored);
        Self { stored, map }
    }

    /// In bytes, holes too.
    pub(in super::super) fn size(&self) -> u64 {
        self.map.size
    }

    pub(in super::super) fn reader(&self) -> impl Read + Send + use<> {
        Padded {
            stored: self.stored.reader(),
            map: self.map.clone(),
            piece: 0,
            at: 0,
        }
    }
}

/// Reads the pieces, and zeros where there are holes.
struct Padded {
    stored: Box<dyn Read + Send>,
    map: Map,
    piece: usize,
    at: u64,
}

impl Read for Padded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((start, length)) = self.map.pieces.get(self.piece).copied()
            && self.at >= start + length
        {
            self.piece += 1;
        }
        let piece = self.map.pieces.get(self.piece).copied();
        let (is_hole, end) = match piece {
            Some((start, _)) if self.at < start => (true, start),
            Some((start, length)) => (false, start + length),
            None => (true, self.map.size),
        };
        let left = usize::try_from(end - self.at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = if is_hole {
            buffer[..left].fill(0);
            left
        } else {
            match self.stored.read(&mut buffer[..left])? {
                0 if left > 0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => read,
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_in_order_within_the_file_and_of_what_is_stored() {
        for (stored, size, numbers, sound) in [
            (6, 20, &[0, 2, 5, 4][..], true),
            (0, 20, &[20, 0], true),
            (0, 20, &[], true),
            (6, 20, &[0, 2, 5, 3], false),
            (6, 20, &[5, 4, 0, 2], false),
            (6, 20, &[0, 4, 3, 2], false),
            (6, 20, &[0, 2, 17, 4], false),
            (6, 20, &[0, 2, 5], false),
            (6, u64::MAX, &[0, 2, u64::MAX, 4], false),
        ] {
            assert_eq!(Map::new(0, stored, size, numbers).is_some(), sound, "{numbers:?}");
        }
    }

    #[test]
    fn holes_read_as_zeros() {
        for (size, numbers, stored, expected) in [
            (8, &[2, 3][..], "abc", "\0\0abc\0\0\0"),
            (4, &[0, 1, 2, 2], "abc", "a\0bc"),
            (4, &[0, 2, 2, 2], "abcd", "abcd"),
            (3, &[], "", "\0\0\0"),
            (3, &[3, 0], "", "\0\0\0"),
            (0, &[], "", ""),
        ] {
            let map = Map::new(0, stored.len() as u64, size, numbers).unwrap();
            let sparse = Sparse::new(BlobSource::Bytes(stored.into()), map.clone());
            assert_eq!(io::read_to_string(sparse.reader()).unwrap(), expected);
            let mut bytewise = String::new();
            let mut reader = sparse.reader();
            let mut byte = [0];
            while reader.read(&mut byte).unwrap() > 0 {
                bytewise.push(char::from(byte[0]));
            }
            assert_eq!(bytewise, expected);
        }
        let map = Map::new(0, 3, 8, &[2, 3]).unwrap();
        let short = Sparse::new(BlobSource::Bytes("ab".into()), map);
        io::read_to_string(short.reader()).expect_err("too little is stored");
    }

    #[test]
    fn lines_before_the_data_are_read() {
        let read = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
            let mut blocks = bytes
                .chunks_exact(BLOCK)
                .map(|block| <[u8; BLOCK]>::try_from(block).unwrap());
            of_data(|| blocks.next().ok_or("cut"))
        };
        assert_eq!(read("0\n"), Ok(Some(vec![])));
        assert_eq!(read("2\n0\n5\n10\n0\n"), Ok(Some(vec![0, 5, 10, 0])));
        let long = format!("200\n{}", "1\n1\n".repeat(200));
        assert_eq!(
            read(&long).map(|numbers| numbers.map(|numbers| numbers.len())),
            Ok(Some(400))
        );
        assert_eq!(read(&long[..BLOCK]), Err("cut"));
        for bad in [
            "\n",
            "x\n",
            "1\n-1\n",
            "200000\n1\n",
            "18446744073709551615\n",
            "1\n1\n",
        ] {
            assert_eq!(read(bad), Ok(None), "{bad:?}");
        }
    }
}
