use super::*;
use flate2::read::GzDecoder;
use std::io::Write as _;

/// Bytes that compress about as well as a layer does, the same on every run.
fn sample(length: usize) -> Vec<u8> {
    let words = ["usr/", "lib/", "share/", "\0\0\0\0\0\0", "root", "0000644", "\u{7f}ELF"];
    let mut number: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(length + 32);
    while bytes.len() < length {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        bytes.extend(words[usize::try_from(number % 7).unwrap()].as_bytes());
        bytes.extend(&number.to_le_bytes()[..3]);
    }
    bytes.truncate(length);
    bytes
}

fn gzip(bytes: &[u8], threads: usize) -> Vec<u8> {
    let source = io::Cursor::new(bytes.to_vec());
    let mut compressed = Vec::new();
    Gzip::on_threads(source, Digest::of(bytes), threads)
        .read_to_end(&mut compressed)
        .unwrap();
    compressed
}

#[test]
fn every_length_comes_back_and_no_number_of_threads_changes_a_byte() {
    for length in [0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 20 * BLOCK + 17] {
        let bytes = sample(length);
        let compressed = gzip(&bytes, 1);
        let mut back = Vec::new();
        let mut decoder = GzDecoder::new(&compressed[..]);
        decoder.read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{length}");
        assert!(decoder.into_inner().is_empty(), "{length}: more than one member");
        for threads in [2, 3, 16] {
            assert!(gzip(&bytes, threads) == compressed, "{length} on {threads}");
        }
    }
}

#[test]
fn a_used_compressor_is_as_good_as_a_new_one() {
    let bytes = sample(12 * BLOCK);
    let mut used = Compress::new(Level::new(LEVEL), false);
    let mut buffer = vec![0; BLOCK / 4];
    for (number, block) in bytes.chunks(BLOCK - 7777).enumerate() {
        let mut new = Compress::new(Level::new(LEVEL), false);
        let dictionary = &bytes[..number * 3000];
        let [used, new] =
            [&mut used, &mut new].map(|compress| deflate(compress, &mut buffer, dictionary, block).unwrap());
        assert!(used.bytes == new.bytes, "{number}");
    }
}

#[test]
fn cutting_into_blocks_costs_next_to_nothing() {
    let bytes = sample(40 * BLOCK);
    let mut whole = flate2::write::GzEncoder::new(Vec::new(), Level::new(LEVEL));
    whole.write_all(&bytes).unwrap();
    let whole = whole.finish().unwrap().len();
    let ours = gzip(&bytes, 2).len();
    assert!(ours < whole + whole / 100, "{ours} where one block has {whole}");
}

#[test]
fn bytes_that_do_not_compress_grow_little() {
    let bytes: Vec<u8> = (0..5000u64)
        .flat_map(|n| <sha2::Sha256 as sha2::Digest>::digest(n.to_le_bytes()))
        .collect();
    let compressed = gzip(&bytes, 2);
    assert!(
        compressed.len() < bytes.len() + bytes.len() / 500,
        "{}",
        compressed.len()
    );
    let mut back = Vec::new();
    GzDecoder::new(&compressed[..]).read_to_end(&mut back).unwrap();
    assert!(back == bytes);
}

#[test]
fn a_layer_of_another_digest_has_no_end() {
    for length in [0, 10, 2 * BLOCK] {
        let source = io::Cursor::new(sample(length));
        let mut gzip = Gzip::new(source, Digest::of(b"another"));
        let error = io::copy(&mut gzip, &mut io::sink()).expect_err("wrong digest");
        gzip.read(&mut [0]).expect_err("not to be taken for an end");
        let inner = error.get_ref().unwrap().downcast_ref::<WrongDiffId>().unwrap();
        assert_eq!(inner.found, Digest::of(&sample(length)));
    }
}

#[test]
fn a_failure_to_read_is_passed_on() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(ErrorKind::UnexpectedEof)?;
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }
    let mut gzip = Gzip::new(Failing(100), Digest::of(b""));
    let error = io::copy(&mut gzip, &mut io::sink()).expect_err("failing");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

/// An endless source shows it: were anything not bounded, this would not end.
#[test]
fn who_stops_reading_stops_the_threads() {
    struct Endless {
        _held: Arc<()>,
    }
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }
    let held = Arc::new(());
    let mut gzip = Gzip::new(
        Endless {
            _held: Arc::clone(&held),
        },
        Digest::of(b""),
    );
    gzip.read_exact(&mut [0; 2000]).unwrap();
    assert_eq!(Arc::strong_count(&held), 2);
    drop(gzip);
    let start = std::time::Instant::now();
    while Arc::strong_count(&held) > 1 {
        assert!(start.elapsed().as_secs() < 30, "the reading thread goes on");
        thread::sleep(std::time::Duration::from_millis(5));
    }
}
