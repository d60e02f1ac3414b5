//! Tars that chance makes, and what a reader that is not ours sees in them.

use super::*;

/// Name, type, link, content, and the size that the header states if it is another.
type Entry = (String, u8, String, Vec<u8>, Option<u64>);

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (
        prop::sample::select(vec!["a", "./a", "/a", "a/", "b", "b/a", "c/../a", "x"]),
        prop::sample::select(b"000000001257DVLxgXZS\0".to_vec()),
        prop::sample::select(vec!["", "a", "b", "../a"]),
        prop_oneof![
            Just(Vec::new()),
            Just(b"content".to_vec()),
            Just(Raw::default().file("a", b"inner").0),
            prop::sample::select(vec![
                &b"9 path=a\n"[..],
                b"11 path=a/\n",
                b"9 path=b\n",
                b"9 size=7\n",
                b"12 size=512\n",
                b"a\0",
                b"a/\0",
            ])
            .prop_map(<[u8]>::to_vec),
        ],
        prop::option::weighted(0.1, prop::sample::select(vec![0, 7, 512, 1024])),
    );
    prop::collection::vec(
        entry.prop_map(|(name, kind, link, content, size)| (name.to_owned(), kind, link.to_owned(), content, size)),
        1..5,
    )
}

proptest! {
    /// Whatever is read here under a name, another reader finds under it too, and nothing else.
    #[test]
    fn what_is_read_is_what_another_reader_sees(entries in entries()) {
        let mut raw = Raw::default();
        for (name, kind, link, content, size) in &entries {
            let start = raw.0.len();
            raw = raw.entry(name, tar::EntryType::new(*kind), link, content);
            if let Some(size) = size {
                let mut header = tar::Header::from_byte_slice(&raw.0[start..start + BLOCK]).clone();
                header.set_size(*size);
                header.set_cksum();
                raw.0[start..start + BLOCK].copy_from_slice(header.as_bytes());
            }
        }
        let bytes = raw.end();
        super::super::super::properties::agrees(&bytes);
    }
}
