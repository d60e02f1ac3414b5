//! One header of a tar: read in the forms that writers of images use (V7, ustar, GNU, PAX), written in GNU's.
//!
//! Own code: an archive is indexed in one pass of seeks and laid out before its content is there, which no tar library
//! does; what remains of one is this page. POSIX.1-2017, "pax Interchange Format"; GNU tar manual, "Basic Tar Format".

use std::borrow::Cow;

/// Headers and content take whole blocks of so many bytes.
pub(super) const BLOCK: usize = 512;
/// The same as an amount in a file.
const BLOCK_BYTES: u64 = 512;
/// Where the fields lie.
const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const UID: std::ops::Range<usize> = 108..116;
const GID: std::ops::Range<usize> = 116..124;
const SIZE: std::ops::Range<usize> = 124..136;
const MTIME: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: std::ops::Range<usize> = 157..257;
const MAGIC: std::ops::Range<usize> = 257..265;
const PREFIX: std::ops::Range<usize> = 345..500;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    HardLink,
    SymbolicLink,
    Folder,
    /// The next entry's long name (GNU).
    LongName,
    /// The next entry's long link target (GNU).
    LongLink,
    /// Records about the next entry (PAX).
    Records,
    /// Records about all that follow (PAX); nothing that concerns us can be in them.
    GlobalRecords,
    /// A file with holes.
    Sparse,
    /// A device, a pipe: nothing that has content.
    Special,
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Bytes that follow the header; 0 for what has no content.
    pub(super) size: u64,
    pub(super) link: String,
}

/// Reads a header; `None` for the block of zeros that ends an archive.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Option<Header>, &'static str> {
    if block.iter().all(|b| *b == 0) {
        return Ok(None);
    }
    if !checksum_holds(block) {
        return Err("it has no tar header there");
    }
    let mut name = text(&block[NAME]).into_owned();
    let is_ustar = block[MAGIC].starts_with(b"ustar\0");
    let prefix = text(&block[PREFIX]);
    if is_ustar && !prefix.is_empty() {
        name = format!("{prefix}/{name}");
    }
    let kind = match block[TYPE] {
        b'0' | 0 | b'7' if name.ends_with('/') => Kind::Folder,
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::SymbolicLink,
        b'5' | b'D' => Kind::Folder,
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        b'x' | b'X' => Kind::Records,
        b'g' => Kind::GlobalRecords,
        b'S' => Kind::Sparse,
        b'3' | b'4' | b'6' => Kind::Special,
        _ => return Err("it has an entry of an unknown type"),
    };
    let size = number(&block[SIZE]).ok_or("its size is no number")?;
    let has_content = !matches!(kind, Kind::HardLink | Kind::SymbolicLink | Kind::Folder | Kind::Special);
    Ok(Some(Header {
        name,
        kind,
        size: if has_content { size } else { 0 },
        link: text(&block[LINK]).into_owned(),
    }))
}

/// The records of a PAX header that concern us.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<String>,
    pub(super) link: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) sparse: bool,
}

/// Reads `LENGTH KEY=VALUE\n` records; of equal keys the last counts.
pub(super) fn parse_records(mut bytes: &[u8]) -> Result<Records, &'static str> {
    const BAD: &str = "its PAX records cannot be read";
    let mut records = Records::default();
    while !bytes.is_empty() && bytes[0] != 0 {
        let space = bytes.iter().take(20).position(|b| *b == b' ').ok_or(BAD)?;
        let length: usize = std::str::from_utf8(&bytes[..space])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or(BAD)?;
        let record = bytes
            .get(space + 1..length)
            .and_then(|record| record.strip_suffix(b"\n"))
            .ok_or(BAD)?;
        let equals = record.iter().position(|b| *b == b'=').ok_or(BAD)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let value = || Some(String::from_utf8_lossy(value).into_owned()).filter(|value| !value.is_empty());
        match key {
            b"path" => records.path = value(),
            b"linkpath" => records.link = value(),
            b"size" => records.size = Some(value().and_then(|digits| digits.parse().ok()).ok_or(BAD)?),
            _ if key.starts_with(b"GNU.sparse.") => records.sparse = true,
            _ => {}
        }
        bytes = &bytes[length..];
    }
    Ok(records)
}

/// `size` bytes in whole blocks; `None` beyond what a file can have.
pub(super) fn padded(size: u64) -> Option<u64> {
    size.checked_next_multiple_of(BLOCK_BYTES)
}

/// The header of a file (mode 0644) or, for a name that ends with `/`, of a folder (0755), owned by root and of the year
/// 1970: the same content gives the same archive. A name too long for one block takes three.
pub(super) fn header(name: &str, size: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK);
    if name.len() > NAME.len() {
        bytes.extend(block("././@LongLink", b'L', 0, name.len() as u64 + 1));
        bytes.extend(name.as_bytes());
        // At least one zero ends the name.
        bytes.resize((bytes.len() + 1).next_multiple_of(BLOCK), 0);
    }
    if name.ends_with('/') {
        bytes.extend(block(name, b'5', 0o755, 0));
    } else {
        bytes.extend(block(name, b'0', 0o644, size));
    }
    bytes
}

fn block(name: &str, kind: u8, mode: u64, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let length = name.len().min(NAME.len());
    block[..length].copy_from_slice(&name.as_bytes()[..length]);
    for (field, value) in [(MODE, mode), (UID, 0), (GID, 0), (SIZE, size), (MTIME, 0)] {
        write_number(&mut block[field], value);
    }
    block[TYPE] = kind;
    block[MAGIC].copy_from_slice(b"ustar  \0");
    let sum = format!("{:06o}\0 ", checksum(&block).0);
    block[CHECKSUM].copy_from_slice(sum.as_bytes());
    block
}

/// Octal digits, or base 256 where they do not suffice (from 8 GiB on).
fn write_number(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let octal = format!("{value:0digits$o}");
    if octal.len() == digits {
        field[..digits].copy_from_slice(octal.as_bytes());
    } else {
        let start = field.len() - 8;
        field[0] = 0x80;
        field[start..].copy_from_slice(&value.to_be_bytes());
    }
}

fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        // Base 256; a negative one (0xff…) or one of more than 64 bits is no size.
        let (high, low) = field.split_at(field.len() - 8);
        let high_is_zero = high
            .iter()
            .enumerate()
            .all(|(at, b)| *b == if at == 0 { 0x80 } else { 0 });
        return high_is_zero.then(|| low.iter().fold(0, |value, b| value << 8 | u64::from(*b)));
    }
    let digits = text(field);
    let digits = digits.trim_matches(' ');
    if digits.is_empty() {
        return Some(0);
    }
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| u64::from_str_radix(digits, 8).ok())?
}

/// Up to the first zero.
fn text(field: &[u8]) -> Cow<'_, str> {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end])
}

/// Some old writers summed signed bytes.
fn checksum_holds(block: &[u8; BLOCK]) -> bool {
    let (unsigned, signed) = checksum(block);
    number(&block[CHECKSUM]).is_some_and(|stated| stated == unsigned || i64::try_from(stated) == Ok(signed))
}

fn checksum(block: &[u8; BLOCK]) -> (u64, i64) {
    let bytes = block
        .iter()
        .enumerate()
        .map(|(at, b)| if CHECKSUM.contains(&at) { b' ' } else { *b });
    bytes.fold((0, 0), |(unsigned, signed), b| {
        (unsigned + u64::from(b), signed + i64::from(b.cast_signed()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(bytes: &[u8]) -> &[u8; BLOCK] {
        bytes.first_chunk().unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        for size in [0, 1, 0o777_7777_7777, 0o1_0000_0000_0000, u64::MAX >> 1] {
            let read = parse(first(&header("blobs/sha256/x", size))).unwrap().unwrap();
            assert_eq!(
                (read.name.as_str(), read.kind, read.size),
                ("blobs/sha256/x", Kind::File, size)
            );
        }
        let read = parse(first(&header("blobs/", 0))).unwrap().unwrap();
        assert_eq!((read.name.as_str(), read.kind), ("blobs/", Kind::Folder));
        let long = "n".repeat(600);
        let bytes = header(&long, 7);
        assert_eq!(bytes.len(), 4 * BLOCK);
        let read = parse(first(&bytes)).unwrap().unwrap();
        assert_eq!((read.kind, read.size), (Kind::LongName, 601));
    }

    #[test]
    fn each_type_of_entry_is_told() {
        for (name, byte, kind) in [
            ("x", 0, Kind::File),
            ("x/", b'0', Kind::Folder),
            ("x", b'1', Kind::HardLink),
            ("x", b'2', Kind::SymbolicLink),
            ("x", b'3', Kind::Special),
            ("x", b'D', Kind::Folder),
            ("x", b'K', Kind::LongLink),
            ("x", b'L', Kind::LongName),
            ("x", b'S', Kind::Sparse),
            ("x", b'X', Kind::Records),
            ("x", b'g', Kind::GlobalRecords),
        ] {
            let read = parse(&block(name, byte, 0o644, 0)).unwrap().unwrap();
            assert_eq!(read.kind, kind, "{}", char::from(byte));
        }
    }

    #[test]
    fn a_header_of_another_writer_is_the_same() {
        let mut theirs = tar::Header::new_gnu();
        theirs.set_path("blobs/sha256/x").unwrap();
        theirs.set_size(12345);
        theirs.set_mode(0o644);
        theirs.set_uid(0);
        theirs.set_gid(0);
        theirs.set_mtime(0);
        theirs.set_cksum();
        // It leaves what is no device without numbers, as this does; its checksum has another number of digits.
        let ours = header("blobs/sha256/x", 12345);
        assert_eq!(parse(theirs.as_bytes()), parse(first(&ours)));
        assert_eq!(theirs.as_bytes()[..148], ours[..148]);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        assert_eq!(parse(&[0; BLOCK]), Ok(None));
        assert!(parse(&[b'x'; BLOCK]).is_err());
        let mut altered = block("x", b'0', 0o644, 0);
        altered[0] = b'y';
        assert_eq!(parse(&altered), Err("it has no tar header there"));
        let mut negative = block("x", b'0', 0o644, 0);
        negative[SIZE].copy_from_slice(&[0xff; 12]);
        let sum = format!("{:06o}\0 ", checksum(&negative).0);
        negative[CHECKSUM].copy_from_slice(sum.as_bytes());
        assert_eq!(parse(&negative), Err("its size is no number"));
    }

    #[test]
    fn records_are_read_by_their_length() {
        let records = parse_records(b"14 path=a\nb=c\n14 linkpath=d\n15 size=123456\n22 GNU.sparse.major=1\n").unwrap();
        assert_eq!(
            records,
            Records {
                path: Some("a\nb=c".to_owned()),
                link: Some("d".to_owned()),
                size: Some(123_456),
                sparse: true
            }
        );
        for bad in [
            &b"x"[..],
            b"99 path=a\n",
            b"3 a=\n",
            b"0 \n",
            b"18446744073709551616 a=b\n",
            b" a=b\n",
        ] {
            assert!(parse_records(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), BLOCK), records in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut block: [u8; BLOCK] = bytes.try_into().unwrap();
            let sum = format!("{:06o}\0 ", checksum(&block).0);
            block[CHECKSUM].copy_from_slice(sum.as_bytes());
            let _ = parse(&block);
            let _ = parse_records(&records);
        }
    }
}
