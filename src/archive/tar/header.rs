//! One header of a tar: read in the forms that writers of images use (V7, ustar, star, GNU, PAX), written in GNU's.
//! POSIX.1-2017, "pax Interchange Format"; GNU tar manual, "Basic Tar Format".

use std::borrow::Cow;
use std::ops::Range;

/// Headers and content take whole blocks of so many bytes.
pub(in super::super) const BLOCK: usize = 512;
/// The same as an amount in a file.
const BLOCK_BYTES: u64 = 512;
/// Where the fields lie.
const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;
/// star keeps times behind a shorter prefix.
const STAR_PREFIX: Range<usize> = 345..476;
const STAR: Range<usize> = 508..512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
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
    /// Records about all that follow (PAX).
    GlobalRecords,
    /// A file with holes, its map in the header (GNU).
    Sparse,
    /// A device or a pipe.
    Special,
    /// A folder with the names of what was in it, as its content (GNU, `--listed-incremental`).
    Dump,
    /// The name of the volume (GNU, `--label`).
    Label,
    /// A file to be laid out in one piece, which Docker does not know.
    Contiguous,
    /// What POSIX and GNU do not know.
    Unknown,
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) kind: EntryKind,
    /// Bytes that follow the header, as it says.
    pub(super) size: u64,
    pub(super) link: String,
}

/// Whether a header has the mark of POSIX's dialect or of GNU's.
pub(super) fn has_dialect(block: &[u8; BLOCK]) -> bool {
    matches!(&block[MAGIC], b"ustar  \0" | b"ustar\x0000")
}

/// Reads a header; `None` for a block of zeros.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Option<Header>, &'static str> {
    if block.iter().all(|b| *b == 0) {
        return Ok(None);
    }
    if !checksum_holds(block) {
        return Err("it has no tar header there");
    }
    let mut name = text(&block[NAME]).into_owned();
    let prefix = match &block[MAGIC] {
        // GNU keeps times there.
        b"ustar  \0" => Cow::Borrowed(""),
        b"ustar\x0000" if block[STAR] == *b"tar\0" => text(&block[STAR_PREFIX]),
        _ => text(&block[PREFIX]),
    };
    if !prefix.is_empty() {
        if block[MAGIC] != *b"ustar\x0000" {
            return Err("its header is of no known form");
        }
        name = format!("{prefix}/{name}");
    }
    let kind = match block[TYPE] {
        b'0' | 0 => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::SymbolicLink,
        b'3' | b'4' | b'6' => EntryKind::Special,
        b'5' => EntryKind::Folder,
        b'7' => EntryKind::Contiguous,
        b'D' => EntryKind::Dump,
        b'K' => EntryKind::LongLink,
        b'L' => EntryKind::LongName,
        // Its map is a field of GNU's form only.
        b'S' if block[MAGIC] != *b"ustar  \0" => return Err("its header is of no known form"),
        b'S' => EntryKind::Sparse,
        b'V' => EntryKind::Label,
        b'g' => EntryKind::GlobalRecords,
        b'x' => EntryKind::Records,
        _ => EntryKind::Unknown,
    };
    Ok(Some(Header {
        name,
        kind,
        size: number(&block[SIZE]).ok_or("its size is not a number")?,
        link: text(&block[LINK]).into_owned(),
    }))
}

/// `size` bytes in whole blocks; `None` beyond what a file can have.
pub(in super::super) fn padded(size: u64) -> Option<u64> {
    size.checked_next_multiple_of(BLOCK_BYTES)
}

/// The header of a file (mode 0644) or, for a name that ends with `/`, of a folder (0755), owned by root and of the year
/// 1970: the same content gives the same archive. A name too long for one block takes three.
pub(in super::super) fn header(name: &str, size: u64) -> Vec<u8> {
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

/// A number of a header, in octal digits or base 256. One that is written so that readers differ in it is none: Go takes
/// digits that come after a zero.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        // A negative one (0xff…) or one of more than 64 bits is no number.
        let (high, low) = field.split_at(field.len() - 8);
        let high_is_zero = high
            .iter()
            .enumerate()
            .all(|(at, b)| *b == if at == 0 { 0x80 } else { 0 });
        return high_is_zero.then(|| low.iter().fold(0, |value, b| value << 8 | u64::from(*b)));
    }
    let is_padding = |b: &u8| matches!(b, b' ' | 0);
    let end = field.iter().rposition(|b| !is_padding(b)).map_or(0, |last| last + 1);
    let start = field[..end].iter().position(|b| *b != b' ').unwrap_or(end);
    field[start..end].iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => Some(value.checked_mul(8)? + u64::from(digit - b'0')),
        _ => None,
    })
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
                ("blobs/sha256/x", EntryKind::File, size)
            );
        }
        let read = parse(first(&header("blobs/", 0))).unwrap().unwrap();
        assert_eq!((read.name.as_str(), read.kind), ("blobs/", EntryKind::Folder));
        let long = "n".repeat(600);
        let bytes = header(&long, 7);
        assert_eq!(bytes.len(), 4 * BLOCK);
        let read = parse(first(&bytes)).unwrap().unwrap();
        assert_eq!((read.kind, read.size), (EntryKind::LongName, 601));
    }

    #[test]
    fn each_type_of_entry_is_told() {
        for (name, byte, kind) in [
            ("x", 0, EntryKind::File),
            ("x/", b'0', EntryKind::File),
            ("x", b'1', EntryKind::HardLink),
            ("x", b'2', EntryKind::SymbolicLink),
            ("x", b'3', EntryKind::Special),
            ("x", b'7', EntryKind::Contiguous),
            ("x", b'D', EntryKind::Dump),
            ("x", b'V', EntryKind::Label),
            ("x", b'x', EntryKind::Records),
            ("x", b'K', EntryKind::LongLink),
            ("x", b'L', EntryKind::LongName),
            ("x", b'S', EntryKind::Sparse),
            ("x", b'X', EntryKind::Unknown),
            ("x", b'g', EntryKind::GlobalRecords),
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
    fn a_number_has_one_meaning() {
        for (field, value) in [
            (&b"00000000010\0"[..], Some(8)),
            (b"         10 ", Some(8)),
            (b"10\0\0\0\0\0\0\0\0\0\0", Some(8)),
            (b"10 \0 \0\0\0\0\0\0\0", Some(8)),
            (b"            ", Some(0)),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", Some(0)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", Some(1 << 63)),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x0000000000010", None),
            (b"1\x0010\0\0\0\0\0\0\0\0", None),
            (b"1 10\0\0\0\0\0\0\0\0", None),
            (b"        +10\0", None),
            (b"        -10\0", None),
            (b"        0x1\0", None),
            (b"        018\0", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn the_prefix_counts_only_where_the_form_is_known() {
        for (magic, star, name) in [
            (b"ustar\x0000", &b"\0\0\0\0"[..], Ok("folder/x")),
            (b"ustar\x0000", b"tar\0", Ok("folder/x")),
            (b"ustar  \0", b"\0\0\0\0", Ok("x")),
            (b"\0\0\0\0\0\0\0\0", b"\0\0\0\0", Err("its header is of no known form")),
            (b"ustar\0\0\0", b"\0\0\0\0", Err("its header is of no known form")),
        ] {
            let mut block = block("x", b'0', 0o644, 0);
            block[MAGIC].copy_from_slice(magic);
            block[PREFIX][..6].copy_from_slice(b"folder");
            block[STAR].copy_from_slice(star);
            let sum = format!("{:06o}\0 ", checksum(&block).0);
            block[CHECKSUM].copy_from_slice(sum.as_bytes());
            assert_eq!(
                parse(&block).map(|read| read.unwrap().name),
                name.map(str::to_owned),
                "{magic:?}"
            );
        }
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
        assert_eq!(parse(&negative), Err("its size is not a number"));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), BLOCK)) {
            let mut block: [u8; BLOCK] = bytes.try_into().unwrap();
            let sum = format!("{:06o}\0 ", checksum(&block).0);
            block[CHECKSUM].copy_from_slice(sum.as_bytes());
            let _ = parse(&block);
        }
    }
}
