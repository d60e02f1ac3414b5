//! The manifest of an image, out of what the daemon exports: containerd's image store tells it nowhere else before Docker 28.
//!
//! An export is a tar of an OCI layout, whose files are in the order of their names. It is read no further than to the
//! manifest, and nothing else of it is kept. Pure: bytes in, the manifest out.

use crate::names::Digest;
use crate::registry::manifest::LARGEST;

const BLOCK: usize = 512;
/// Most files that are passed over; an image has two for each layer at most.
const MOST_FILES: usize = 1 << 16;
/// Largest PAX records of one file, in bytes.
const LARGEST_RECORDS: usize = 1 << 20;
const NO_TAR: Garbled = "it is no tar archive";

/// Why an export does not have the manifest.
pub(super) type Garbled = &'static str;

/// What looks for one blob in an export.
#[derive(Debug)]
pub(super) struct BlobSearch {
    name: String,
    at: At,
    files: usize,
    /// The size of the next file, where records before it state one.
    stated: Option<u64>,
}

/// What the next bytes are.
#[derive(Debug)]
enum At {
    Header(Vec<u8>),
    /// So many bytes of no interest.
    Passed(u64),
    /// PAX records of the next file with their padding, and how long they are without.
    Records(Vec<u8>, usize),
    /// What is looked for, and how long it is.
    Found(Vec<u8>, usize),
}

impl BlobSearch {
    /// For the manifest of this digest.
    pub(super) fn new(digest: &Digest) -> Self {
        Self {
            name: format!("blobs/{}", digest.as_str().replace(':', "/")),
            at: At::Header(Vec::new()),
            files: 0,
            stated: None,
        }
    }

    /// Takes the next bytes in; gives the manifest once it is whole.
    pub(super) fn take(&mut self, mut chunk: &[u8]) -> Result<Option<Vec<u8>>, Garbled> {
        while !chunk.is_empty() {
            match &mut self.at {
                At::Header(block) => {
                    chunk = fill(block, BLOCK, chunk);
                    if block.len() == BLOCK {
                        let block = std::mem::take(block);
                        self.at = self.after(&block)?;
                    }
                }
                At::Passed(left) => {
                    let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(chunk.len());
                    chunk = &chunk[passed..];
                    *left -= passed as u64;
                    if *left == 0 {
                        self.at = At::Header(Vec::new());
                    }
                }
                At::Records(bytes, size) => {
                    chunk = fill(bytes, size.next_multiple_of(BLOCK), chunk);
                    if bytes.len() == size.next_multiple_of(BLOCK) {
                        self.stated = stated_size(&bytes[..*size])?;
                        self.at = At::Header(Vec::new());
                    }
                }
                At::Found(bytes, size) => {
                    chunk = fill(bytes, *size, chunk);
                    if bytes.len() == *size {
                        return Ok(Some(std::mem::take(bytes)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// What follows a header (POSIX `ustar`; Go writes the size of a file over 8 GiB into a PAX record, and 0 into its header).
    fn after(&mut self, block: &[u8]) -> Result<At, Garbled> {
        self.files += 1;
        if block.iter().all(|byte| *byte == 0) || self.files > MOST_FILES {
            return Err("its manifest is not in it");
        }
        if &block[257..262] != b"ustar" {
            return Err(NO_TAR);
        }
        let size = number(&block[124..136]).ok_or(NO_TAR)?;
        if block[156] == b'x' {
            let size = usize::try_from(size)
                .ok()
                .filter(|size| (1..=LARGEST_RECORDS).contains(size));
            return Ok(At::Records(Vec::new(), size.ok_or(NO_TAR)?));
        }
        let size = self.stated.take().unwrap_or(size);
        let name = block[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        match usize::try_from(size) {
            Ok(size @ 1..=LARGEST) if name == self.name.as_bytes() => Ok(At::Found(Vec::new(), size)),
            _ if name == self.name.as_bytes() => Err("its manifest is none"),
            _ if size == 0 => Ok(At::Header(Vec::new())),
            _ => Ok(At::Passed(size.next_multiple_of(BLOCK as u64))),
        }
    }
}

/// Fills `into` up to `length`, and gives what is left of the chunk.
fn fill<'a>(into: &mut Vec<u8>, length: usize, chunk: &'a [u8]) -> &'a [u8] {
    let (now, rest) = chunk.split_at(chunk.len().min(length - into.len()));
    into.extend_from_slice(now);
    rest
}

/// The size of the next file as PAX records (`LENGTH KEY=VALUE\n`) state it, if one does.
fn stated_size(mut records: &[u8]) -> Result<Option<u64>, Garbled> {
    let decimal = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
    let mut size = None;
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or(NO_TAR)?;
        let length = decimal(&records[..space]).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(NO_TAR)?;
        let record = records
            .get(space + 1..length)
            .and_then(|record| record.strip_suffix(b"\n"));
        if let Some(value) = record.ok_or(NO_TAR)?.strip_prefix(b"size=") {
            let stated = decimal(value).filter(|size| *size < 1 << 62);
            size = Some(stated.ok_or(NO_TAR)?);
        }
        records = &records[length..];
    }
    Ok(size)
}

/// A number of at most 62 bits in octal digits, or in base 256 where its first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    let number = if let (0x80, rest) = field.split_first()? {
        let add = |sum: u64, byte: &u8| Some(sum.checked_mul(256)? | u64::from(*byte));
        rest.iter().try_fold(0, add)?
    } else {
        let text = std::str::from_utf8(field).ok()?;
        u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()?
    };
    (number < 1 << 62).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An export with these files.
    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            archive.append_data(&mut header, name, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn found(tar: &[u8], pieces: usize, digest: &Digest) -> Result<Option<Vec<u8>>, Garbled> {
        let mut search = BlobSearch::new(digest);
        for piece in tar.chunks(pieces) {
            if let Some(found) = search.take(piece)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    #[test]
    fn the_manifest_is_found_wherever_it_is_and_however_it_comes() {
        let manifest = b"{\"manifests\":[]}";
        let digest = Digest::of(manifest);
        let name = format!("blobs/{}", digest.as_str().replace(':', "/"));
        let (empty, layer) = (("blobs/empty", &b""[..]), ("blobs/sha256/0", &[7; 1500][..]));
        let own = (name.as_str(), &manifest[..]);
        for files in [
            vec![own],
            vec![empty, layer, own],
            vec![own, layer],
            vec![layer, layer, own, layer],
        ] {
            for pieces in [1, 100, 512, 513, usize::MAX] {
                let found = found(&tar(&files), pieces, &digest);
                assert_eq!(found, Ok(Some(manifest.to_vec())), "{files:?} by {pieces}");
            }
        }
    }

    /// PAX records about the next file.
    fn records(text: &str) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_path("PaxHeaders.0/layer").unwrap();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(text.len() as u64);
        header.set_cksum();
        let mut bytes = [header.as_bytes(), text.as_bytes()].concat();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    #[test]
    fn a_layer_over_8_gib_has_its_size_in_a_record() {
        const SIZE: usize = (8 << 30) + 1;
        let manifest = b"{\"manifests\":[]}";
        let digest = Digest::of(manifest);
        let name = format!("blobs/{}", digest.as_str().replace(':', "/"));
        let mut search = BlobSearch::new(&digest);
        let before = records(&format!("19 size={SIZE}\n30 mtime=1350244992.023960108\n"));
        let layer = tar(&[("blobs/sha256/0", b"")]);
        for piece in [&before[..], &layer[..BLOCK]] {
            assert_eq!(search.take(piece), Ok(None));
        }
        let zeros = vec![0; 64 << 20];
        let mut left = SIZE.next_multiple_of(BLOCK);
        while left > 0 {
            let piece = &zeros[..left.min(zeros.len())];
            assert_eq!(search.take(piece), Ok(None));
            left -= piece.len();
        }
        let found = search.take(&tar(&[(&name, manifest)]));
        assert_eq!(found, Ok(Some(manifest.to_vec())));
    }

    #[test]
    fn records_say_how_long_the_next_file_is_and_only_that_one() {
        let manifest = b"{\"manifests\":[]}";
        let digest = Digest::of(manifest);
        let name = format!("blobs/{}", digest.as_str().replace(':', "/"));
        let (layer, last) = (tar(&[("blobs/sha256/0", b"")]), tar(&[(&name, manifest)]));
        let right = Ok(Some(manifest.to_vec()));
        for (text, content, expected) in [
            ("12 size=600\n", 1024, &right),
            ("9 size=0\n", 0, &right),
            ("10 path=a\n", 0, &right),
            ("10 path=a\n12 size=600\n", 1024, &right),
            // It would swallow the manifest.
            ("12 size=600\n", 0, &Err("its manifest is not in it")),
            ("99 size=600\n", 0, &Err(NO_TAR)),
            ("0 size=600\n", 0, &Err(NO_TAR)),
            ("12 size=60x\n", 0, &Err(NO_TAR)),
            ("12size=600\n", 0, &Err(NO_TAR)),
            ("28 size=9223372036854775807\n", 0, &Err(NO_TAR)),
            ("", 0, &Err(NO_TAR)),
        ] {
            let (before, content) = (records(text), vec![0; content]);
            let bytes = [&before[..], &layer[..BLOCK], &content, &last].concat();
            for pieces in [1, 511, usize::MAX] {
                assert_eq!(found(&bytes, pieces, &digest), *expected, "{text} by {pieces}");
            }
        }
        let mut large = records("12 size=600\n");
        large[124..136].copy_from_slice(b"00007777777\0");
        assert_eq!(found(&large, 700, &digest), Err(NO_TAR));
    }

    #[test]
    fn what_has_no_manifest_is_told() {
        let digest = Digest::of(b"manifest");
        let name = format!("blobs/{}", digest.as_str().replace(':', "/"));
        let large = tar(&[(&name, &vec![0; LARGEST + 1])]);
        let mut negative = tar(&[(&name, b"manifest")]);
        negative[124..136].copy_from_slice(&[0xff; 12]);
        let mut huge = negative.clone();
        huge[124..136].copy_from_slice(b"\x80\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff");
        for (bytes, expected) in [
            (tar(&[("index.json", b"{}")]), Err("its manifest is not in it")),
            (large, Err("its manifest is none")),
            (tar(&[(&name, b"")]), Err("its manifest is none")),
            (negative, Err(NO_TAR)),
            (huge, Err(NO_TAR)),
            (b"{\"message\":\"no\"}".repeat(100), Err(NO_TAR)),
            (tar(&[(&name, b"manifest")])[..515].to_vec(), Ok(None)),
        ] {
            assert_eq!(found(&bytes, 1000, &digest), expected);
        }
        let mut search = BlobSearch::new(&digest);
        let file = tar(&[("x", b"")]);
        let ends = (0..=MOST_FILES).any(|_| search.take(&file[..BLOCK]).is_err());
        assert!(ends, "files without end");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), at in 0..12_usize, digit: u8) {
            let digest = Digest::of(b"manifest");
            let _ = found(&bytes, 700, &digest);
            let mut tar = tar(&[("x", &bytes)]);
            tar[124 + at] = digit;
            let _ = found(&tar, 700, &digest);
        }
    }
}
