mod chance;
mod holes;

use super::super::header::{self, BLOCK};
use super::super::properties::Memory;
use super::*;
use proptest::prelude::*;
use std::io;

fn scan(bytes: &[u8]) -> Result<TarIndex, ArchiveErrorKind> {
    TarIndex::scan(&mut Memory(bytes))
}

/// A tar of files and links, with names that a well-behaved builder would not write.
#[derive(Default)]
struct Raw(Vec<u8>);

impl Raw {
    fn entry(mut self, name: &str, kind: tar::EntryType, link: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, tar::EntryType::Regular, "", content)
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.entry(name, tar::EntryType::Symlink, target, b"")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 2 * BLOCK]);
        self.0
    }
}

/// A header about the next entry whose mark of a dialect was taken out.
fn unmarked(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Raw::default()
        .entry("other", tar::EntryType::new(kind), "", content)
        .file("x", b"")
        .end();
    bytes[257..265].fill(0);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

fn content<'a>(bytes: &'a [u8], index: &TarIndex, name: &str) -> Option<&'a [u8]> {
    let FoundFile::Whole(extent) = index.find(name).unwrap()? else {
        panic!("{name} has holes");
    };
    let start = usize::try_from(extent.offset).unwrap();
    Some(&bytes[start..start + usize::try_from(extent.size).unwrap()])
}

#[test]
fn files_are_found_by_name_and_through_links() {
    let bytes = Raw::default()
        .file("./manifest.json", b"[1]")
        .entry("a/", tar::EntryType::Directory, "", b"")
        .file("a/layer.tar", &[b'x'; 513])
        .link("b/layer.tar", "../a/layer.tar")
        .link("c/layer.tar", "../b//./layer.tar")
        .entry("d.tar", tar::EntryType::Link, "./a/layer.tar", b"")
        .file("/e.tar", b"e")
        .file("x/../f.tar", b"f")
        .entry("device", tar::EntryType::Char, "", b"")
        .link("loop", "loop")
        .link("nowhere", "gone")
        .end();
    let index = scan(&bytes).unwrap();
    assert_eq!(content(&bytes, &index, "manifest.json"), Some(&b"[1]"[..]));
    for name in ["a/layer.tar", "b/layer.tar", "./c/layer.tar", "d.tar"] {
        assert_eq!(content(&bytes, &index, name), Some(&[b'x'; 513][..]), "{name}");
    }
    assert_eq!(content(&bytes, &index, "e.tar"), Some(&b"e"[..]));
    assert_eq!(content(&bytes, &index, "f.tar"), Some(&b"f"[..]));
    assert_eq!(index.find("none").unwrap(), None);
    for (name, fact) in [
        ("a", "it is not a file"),
        ("device", "is a device or a pipe"),
        ("loop", "without end"),
        ("nowhere", "does not have `gone`"),
        ("../x", "outside"),
        ("/e.tar", "outside"),
        ("a/../e.tar", "outside"),
    ] {
        let error = index.find(name).expect_err(name).of("x.tar".as_ref());
        assert!(error.to_string().contains(fact), "{name}: {error}");
    }
}

#[test]
fn long_names_and_large_sizes_of_each_dialect() {
    let long = format!("{}/layer.tar", "d".repeat(300));
    let mut gnu = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    gnu.append_data(&mut header, &long, &b"gnu"[..]).unwrap();
    let bytes = gnu.into_inner().unwrap();
    assert_eq!(content(&bytes, &scan(&bytes).unwrap(), &long), Some(&b"gnu"[..]));

    let mut pax = tar::Builder::new(Vec::new());
    pax.append_pax_extensions([("path", long.as_bytes()), ("size", b"3"), ("mtime", b"1.5")])
        .unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("short").unwrap();
    header.set_size(3);
    header.set_cksum();
    let mut bytes = pax.into_inner().unwrap();
    bytes.truncate(bytes.len() - 2 * BLOCK);
    bytes.extend(header.as_bytes());
    bytes.extend(b"pax");
    bytes.resize(bytes.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    assert_eq!(content(&bytes, &scan(&bytes).unwrap(), &long), Some(&b"pax"[..]));

    let ustar = format!("{}/{}", "p".repeat(120), "n".repeat(90));
    let mut header = tar::Header::new_ustar();
    header.set_path(&ustar).unwrap();
    header.set_cksum();
    let bytes = [&header.as_bytes()[..], &[0; 2 * BLOCK]].concat();
    assert_eq!(content(&bytes, &scan(&bytes).unwrap(), &ustar), Some(&b""[..]));

    let own = [header::header(&long, 3), b"own".to_vec()].concat();
    assert_eq!(content(&own, &scan(&own).unwrap(), &long), Some(&b"own"[..]));
}

/// An entry of a type with a size, whatever it is, and a file behind it.
fn odd(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    Raw::default()
        .entry(name, tar::EntryType::new(kind), "", content)
        .file("used", b"sound")
        .end()
}

/// PAX records before an entry.
fn with_records(records: &[u8], name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    Raw::default()
        .entry("records", tar::EntryType::new(b'x'), "", records)
        .entry(name, tar::EntryType::new(kind), "", content)
        .file("used", b"sound")
        .end()
}

#[test]
fn an_odd_entry_does_no_harm_where_nobody_uses_it() {
    for bytes in [
        Raw::default().link("mtab", "/proc/mounts").file("used", b"sound").end(),
        Raw::default().link("a/b", "../../x").file("used", b"sound").end(),
        Raw::default()
            .file("../x", b"x")
            .file("a/../../y", b"")
            .file("used", b"sound")
            .end(),
        Raw::default().link("dangling", "nowhere").file("used", b"sound").end(),
        Raw::default()
            .file("other", b"1")
            .file("other", b"2")
            .file("used", b"sound")
            .end(),
        Raw::default()
            .entry("x", tar::EntryType::Link, "../x", b"")
            .file("used", b"sound")
            .end(),
        odd("./", b'D', b"Yused\0\0"),
        odd("label", b'V', b""),
        odd("device", b'3', b""),
        odd("fifo", b'6', b""),
        odd("new", b'Z', b""),
        odd("new", b'7', b"x"),
        odd("folder/", b'0', b""),
        odd("folder/", 0, b""),
        with_records(b"17 comment=words\n", "x", b'5', b""),
    ] {
        assert_eq!(content(&bytes, &scan(&bytes).unwrap(), "used"), Some(&b"sound"[..]));
    }
}

#[test]
fn what_leads_out_is_not_read() {
    for (bytes, name, fact) in [
        (Raw::default().link("a", "/etc/passwd").end(), "a", "link out of"),
        (Raw::default().link("a/b", "../../x").end(), "a/b", "link out of"),
        (
            Raw::default().entry("a", tar::EntryType::Link, "../x", b"").end(),
            "a",
            "link out of",
        ),
        (Raw::default().file("../x", b"").end(), "../x", "lies outside"),
        (
            Raw::default().file("/etc/passwd", b"").end(),
            "/etc/passwd",
            "lies outside",
        ),
    ] {
        let error = scan(&bytes).unwrap().find(name).expect_err(fact).of("x.tar".as_ref());
        assert!(error.to_string().contains(fact), "{error}");
    }
}

/// What publishes one image here and another one elsewhere: the content of an entry may be headers to another reader.
#[test]
fn a_header_about_others_is_read_by_all_or_refused() {
    for bytes in [
        // Records for all behind a header about one: about which one?
        Raw::default()
            .entry("long", tar::EntryType::GNULongName, "", b"a\0")
            .entry("all", tar::EntryType::XGlobalHeader, "", b"")
            .file("x", b"")
            .end(),
        Raw::default()
            .entry("records", tar::EntryType::new(b'x'), "", b"9 path=a\n")
            .entry("all", tar::EntryType::XGlobalHeader, "", b"")
            .file("x", b"")
            .end(),
        // No mark of a dialect: some readers take it for a file then, or for nothing.
        unmarked(b'L', b"a\0"),
        unmarked(b'K', b"a\0"),
        unmarked(b'x', b"9 path=a\n"),
        unmarked(b'g', b"10 uid=123\n"),
    ] {
        let scanned = scan(&bytes);
        assert!(matches!(scanned, Err(ArchiveErrorKind::TwoWays { .. })), "{scanned:?}");
    }
}

#[test]
fn what_readers_take_in_two_ways_is_refused() {
    let inner = Raw::default().file("used", b"other").0;
    let zeros = [0; BLOCK];
    for bytes in [
        // Names that end with `/`, which is told after PAX and long names.
        odd("used/", b'0', &inner),
        odd("used/", 0, &inner),
        odd("used/", b'7', &inner),
        with_records(b"14 path=used/\n", "x", b'0', &inner),
        Raw::default()
            .entry("long", tar::EntryType::GNULongName, "", b"used/\0")
            .file("x", &inner)
            .end(),
        // Types without content that state a size.
        odd("x", b'1', &inner),
        odd("x", b'2', &inner),
        odd("x", b'3', &inner),
        odd("x", b'4', &inner),
        odd("x", b'5', &inner),
        odd("x", b'6', &inner),
        odd("x/", b'5', &inner),
        // Types that are not known.
        odd("x", b'Z', &inner),
        odd("x", b'X', &inner),
        odd("x", b'V', &inner),
        odd("x", b'M', &inner),
        odd("x", b'N', &inner),
        odd("x", b'A', &inner),
        // Two sizes, two names.
        with_records(b"12 size=512\n", "x", b'0', b""),
        with_records(b"9 size=0\n", "x", b'0', &inner),
        with_records(b"12 size=512\n", "x", b'5', b""),
        with_records(b"9 path=a\n9 path=b\n", "x", b'0', b""),
        Raw::default()
            .entry("long", tar::EntryType::GNULongName, "", b"a\0")
            .entry("records", tar::EntryType::new(b'x'), "", b"9 path=b\n")
            .file("x", b"")
            .end(),
        Raw::default()
            .entry("long", tar::EntryType::GNULongName, "", b"a\0")
            .entry("long", tar::EntryType::GNULongName, "", b"b\0")
            .file("x", b"")
            .end(),
        // A second header of its kind.
        Raw::default()
            .entry("long", tar::EntryType::GNULongName, "", b"a\0")
            .entry("long", tar::EntryType::GNULongName, "", b"a\0")
            .file("x", b"")
            .end(),
        Raw::default()
            .entry("records", tar::EntryType::new(b'x'), "", b"")
            .entry("records", tar::EntryType::new(b'x'), "", b"9 path=a\n")
            .file("x", b"")
            .end(),
        Raw::default()
            .entry("long", tar::EntryType::GNULongName, "", b"a\0b\0")
            .file("x", b"")
            .end(),
        Raw::default()
            .entry("all", tar::EntryType::XGlobalHeader, "", b"13 path=used\n")
            .file("x", b"")
            .end(),
        Raw::default()
            .entry("all", tar::EntryType::XGlobalHeader, "", b"9 size=1\n")
            .file("x", b"")
            .end(),
        // One block of zeros ends it to some readers.
        [&inner[..], &zeros, &inner, &zeros, &zeros].concat(),
    ] {
        match scan(&bytes) {
            Err(ArchiveErrorKind::TwoWays { .. }) => {}
            other => panic!("{other:?}: {:?}", String::from_utf8_lossy(&bytes[..BLOCK])),
        }
    }
    // These are told when they are used.
    for bytes in [
        Raw::default().file("used", b"1").file("used", b"22").end(),
        Raw::default().file("used", b"1").file("./used", b"").end(),
        Raw::default().file("used", b"1").file("/used", b"22").end(),
        Raw::default().file("used", b"1").file("x/../used", b"22").end(),
        Raw::default().file("used", b"1").link("used", "other").end(),
        Raw::default().link("used", "other").file("used", b"1").end(),
        Raw::default()
            .file("used", b"1")
            .entry("used/", tar::EntryType::Directory, "", b"")
            .end(),
        odd("./used", b'7', b"other"),
        odd("./used", b'D', b"other"),
    ] {
        let kind = scan(&bytes).unwrap().find("used").expect_err("ambiguous");
        assert!(matches!(kind, ArchiveErrorKind::TwoWays { .. }), "{kind:?}");
    }
    for bytes in [
        Raw::default()
            .link("a", "b")
            .file("b/used", b"1")
            .file("a/used", b"2")
            .end(),
        Raw::default().file("a", b"").file("a/used", b"2").end(),
        Raw::default()
            .file("b/used", b"1")
            .link("b", "c")
            .link("a/used", "../b/used")
            .end(),
    ] {
        let kind = scan(&bytes).unwrap().find("a/used").expect_err("ambiguous");
        assert!(matches!(kind, ArchiveErrorKind::TwoWays { .. }), "{kind:?}");
    }
}

#[test]
fn a_file_system_is_told_from_an_archive() {
    let folders = |names: &[&str]| {
        let entry = |raw: Raw, name: &&str| raw.entry(name, tar::EntryType::Directory, "", b"");
        names.iter().fold(Raw::default(), entry)
    };
    for (bytes, expected) in [
        (folders(&["bin/", "dev/", "etc/"]).end(), true),
        (folders(&["./usr/bin/", "./etc/ssl/"]).end(), true),
        (folders(&["bin/", "blobs/"]).end(), false),
        (folders(&["bin/", "dev/"]).file("manifest.json", b"[]").end(), false),
        (folders(&[]).end(), false),
    ] {
        assert_eq!(scan(&bytes).unwrap().is_file_system(), expected);
    }
}

#[test]
fn an_archive_that_was_cut_says_so() {
    let bytes = Raw::default().file("first", b"1").file("second", &[b'2'; 700]).end();
    for length in [100, 512 + 100, 1024 + 100, 1536 + 100, 1536 + 699] {
        let cut = scan(&bytes[..length]);
        let text = match cut {
            Ok(index) => index.missing("second").of("x.tar".as_ref()).to_string(),
            Err(kind) => kind.of("x.tar".as_ref()).to_string(),
        };
        assert!(text.contains("it was cut short"), "{length}: {text}");
    }
    // Only the padding and the end are missing: all is there.
    assert!(scan(&bytes[..1536 + 700]).unwrap().find("second").unwrap().is_some());
    let whole = scan(&bytes).unwrap().missing("third").of("x.tar".as_ref());
    assert!(!whole.to_string().contains("cut"), "{whole}");
}

#[test]
fn claimed_sizes_are_not_believed() {
    for size in [700, u64::MAX / 2, u64::MAX, u64::MAX - 511] {
        for kind in [
            tar::EntryType::Regular,
            tar::EntryType::GNULongName,
            tar::EntryType::XHeader,
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_path("big").unwrap();
            header.set_entry_type(kind);
            header.set_size(size);
            header.set_cksum();
            let kind = scan(header.as_bytes()).expect_err("not there");
            assert!(
                matches!(
                    kind,
                    ArchiveErrorKind::Damaged { .. } | ArchiveErrorKind::TooLarge { .. }
                ),
                "{kind:?}"
            );
            let said = kind.of("x.tar".as_ref()).to_string();
            assert!(!said.contains("``"), "{said}");
        }
    }
}

#[test]
fn entries_without_end_are_too_many() {
    struct Endless(Vec<u8>);
    impl Tape for Endless {
        fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len();
            buffer.copy_from_slice(&self.0[..length]);
            Ok(length)
        }
        fn pass(&mut self, _: u64, _: u64) -> io::Result<()> {
            Ok(())
        }
    }
    let kind = TarIndex::scan(&mut Endless(header::header("x", 0))).expect_err("endless");
    assert!(matches!(kind, ArchiveErrorKind::TooLarge { .. }), "{kind:?}");
}

proptest! {
    #[test]
    fn no_bytes_break_the_scan(
        name in "(\\./|\\.\\./|/)?[a-z./]{0,40}",
        link in "[a-z./]{0,40}",
        kind in prop::sample::select(b"0125LKxgS73\0ZDV".to_vec()),
        size in any::<u64>(),
        flip in prop::option::of((0usize..2000, any::<u8>())),
        rest in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        let mut bytes = Raw::default().entry(&name, tar::EntryType::new(kind), &link, &rest).0;
        let mut header = tar::Header::from_byte_slice(&bytes[..BLOCK]).clone();
        if size % 2 == 0 {
            header.set_size(size >> (size % 64));
            header.set_cksum();
        }
        bytes[..BLOCK].copy_from_slice(header.as_bytes());
        if let Some((at, byte)) = flip && at < bytes.len() {
            bytes[at] ^= byte;
        }
        if let Ok(index) = scan(&bytes) {
            let _ = index.find(&name);
            if let Ok(Some(FoundFile::Whole(extent))) = index.find(&name) {
                prop_assert!(extent.offset + extent.size <= bytes.len() as u64);
            }
        }
    }
}
