//! Holes cost an archive nothing, so what they may add up to has a bound.

use super::super::super::sparse::LARGEST_SPARSE;
use super::*;

/// PAX records, each with its length before it.
fn records(records: &[(&str, String)]) -> Vec<u8> {
    let record = |(key, value): &(&str, String)| {
        let rest = format!(" {key}={value}\n");
        let digits = (1..4).find(|digits| (rest.len() + digits).to_string().len() == *digits);
        format!("{}{rest}", rest.len() + digits.unwrap())
    };
    records.iter().map(record).collect::<String>().into_bytes()
}

/// A tar of one layer of this size that is a hole, in each of the forms.
fn hollow(size: u64) -> [(&'static str, Vec<u8>); 4] {
    let said = |said: &[(&str, String)], content: &[u8]| {
        let about = tar::EntryType::XHeader;
        let raw = Raw::default().entry("about", about, "", &records(said));
        raw.file("layer.tar", content).end()
    };
    let mut old = tar::Header::new_gnu();
    old.set_path("layer.tar").unwrap();
    old.set_entry_type(tar::EntryType::GNUSparse);
    old.set_size(0);
    old.as_gnu_mut().unwrap().set_real_size(size);
    old.set_cksum();
    let mut map = b"0\n".to_vec();
    map.resize(BLOCK, 0);
    let is = |key, value: u64| (key, value.to_string());
    [
        ("old", [old.as_bytes().as_slice(), &[0; 2 * BLOCK]].concat()),
        (
            "0.0",
            said(
                &[
                    is("GNU.sparse.size", size),
                    is("GNU.sparse.offset", size),
                    is("GNU.sparse.numbytes", 0),
                ],
                b"",
            ),
        ),
        (
            "0.1",
            said(
                &[is("GNU.sparse.size", size), ("GNU.sparse.map", format!("{size},0"))],
                b"",
            ),
        ),
        (
            "1.0",
            said(
                &[
                    is("GNU.sparse.major", 1),
                    is("GNU.sparse.minor", 0),
                    is("GNU.sparse.realsize", size),
                ],
                &map,
            ),
        ),
    ]
}

#[test]
fn a_file_of_holes_has_a_bound() {
    for (size, fits) in [
        (0, true),
        (LARGEST_SPARSE, true),
        (LARGEST_SPARSE + 1, false),
        (u64::MAX >> 1, false),
    ] {
        for (form, bytes) in hollow(size) {
            match scan(&bytes) {
                Ok(index) => {
                    assert!(fits, "{form} of {size}");
                    let found = index.find("layer.tar").unwrap();
                    assert!(matches!(found, Some(FoundFile::Sparse(_))), "{form}: {found:?}");
                }
                Err(kind) => {
                    assert!(!fits, "{form} of {size}: {kind:?}");
                    let said = kind.of("x.tar".as_ref()).to_string();
                    let expected =
                        "`the size of layer.tar with its holes` is more than the 1099511627776 that are read";
                    assert!(said.contains(expected), "{form}: {said}");
                }
            }
        }
    }
}
