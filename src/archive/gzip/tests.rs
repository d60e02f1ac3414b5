use super::*;
use flate2::read::MultiGzDecoder;
use proptest::prelude::*;
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
    Gzip::new(source, Digest::of(bytes), &Compressors::on_threads(threads))
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
        let mut decoder = MultiGzDecoder::new(&compressed[..]);
        decoder.read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{length}");
        assert!(decoder.into_inner().is_empty(), "{length}: more than gzip members");
        for threads in [2, 3, 16] {
            assert!(gzip(&bytes, threads) == compressed, "{length} on {threads}");
        }
    }
}

#[test]
fn layers_side_by_side_have_the_bytes_of_each_alone() {
    let layers: Vec<Vec<u8>> = (0..4).map(|number| sample((2 + 3 * number) * BLOCK + number)).collect();
    let compressors = Compressors::on_threads(2);
    let mut readers: Vec<(Gzip, Vec<u8>)> = layers
        .iter()
        .map(|layer| {
            let source = io::Cursor::new(layer.clone());
            (Gzip::new(source, Digest::of(layer), &compressors), Vec::new())
        })
        .collect();
    // All begin before one ends, and who waits for its turn to be read holds up no other.
    while readers.iter_mut().rev().any(|(gzip, compressed)| {
        let taken = gzip.take(1000).read_to_end(compressed).unwrap();
        taken > 0
    }) {}
    for (layer, (_, compressed)) in layers.iter().zip(readers) {
        assert!(gzip(layer, 1) == compressed, "{} B", layer.len());
    }
}

#[test]
fn a_layer_that_nobody_reads_holds_up_no_other() {
    let compressors = Compressors::on_threads(1);
    let bytes = sample(20 * BLOCK);
    let of_bytes = || Gzip::new(io::Cursor::new(bytes.clone()), Digest::of(&bytes), &compressors);
    let mut left = of_bytes();
    left.read_exact(&mut [0; 10]).unwrap();
    let mut compressed = Vec::new();
    of_bytes().read_to_end(&mut compressed).unwrap();
    assert!(gzip(&bytes, 1) == compressed);
}

/// Bytes of many kinds, the same on every run.
fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let mut number: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        number.to_le_bytes()[3]
    };
    let mut of =
        |length: usize, each: &dyn Fn(u8, usize) -> u8| (0..length).map(|at| each(next(), at)).collect::<Vec<u8>>();
    let long = 3 * BLOCK + 77;
    let fibonacci = |byte: u8, _| byte.trailing_ones().to_le_bytes()[0] * 3;
    let mut kinds = vec![
        ("noise", of(long, &|byte, _| byte)),
        ("zeros", vec![0; long]),
        ("one byte, then another", [vec![1; BLOCK], vec![2; BLOCK + 1]].concat()),
        (
            "hexadecimal",
            of(long, &|byte, _| b"0123456789abcdef"[usize::from(byte & 15)]),
        ),
        ("base64", of(long, &|byte, _| b'0' + (byte & 63))),
        ("rarer and rarer bytes", of(long, &fibonacci)),
        ("two bytes", of(long, &|byte, _| byte & 1)),
        ("all bytes in order", of(long, &|_, at| at.to_le_bytes()[0])),
        (
            "repeats of every distance",
            of(long, &|_, at| (at % (1 + at / 700)).to_le_bytes()[0]),
        ),
        (
            "noise, then zeros",
            [of(BLOCK / 2, &|byte, _| byte), vec![0; BLOCK]].concat(),
        ),
        ("words", sample(long)),
    ];
    let noise = of(40_000, &|byte, _| byte);
    kinds.push(("noise that comes again just within reach", noise[..32 * 1024].repeat(3)));
    kinds.push((
        "noise that comes again just out of reach",
        noise[..=32 * 1024].repeat(3),
    ));
    for length in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 257, 258, 259, 266, 267] {
        kinds.push(("little noise", noise[..length].to_vec()));
        kinds.push(("little, all the same", vec![7; length]));
        kinds.push(("little, twice", noise[..length].repeat(2)));
    }
    kinds
}

#[test]
fn bytes_of_every_kind_come_back() {
    for (kind, bytes) in kinds() {
        let compressed = gzip(&bytes, 2);
        let mut back = Vec::new();
        MultiGzDecoder::new(&compressed[..]).read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{kind} of {}", bytes.len());
    }
}

/// zlib's default is what other tools make of a layer; noise and what is as good as noise may be stored.
#[test]
fn no_kind_of_bytes_gets_much_larger_than_zlib_makes_it() {
    for (kind, bytes) in kinds() {
        let mut zlib = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        zlib.write_all(&bytes).unwrap();
        let (zlib, ours) = (zlib.finish().unwrap().len(), gzip(&bytes, 2).len());
        // A match has to be one of the last two with the same four bytes, of which there are only sixteen here.
        let allowed = if kind == "two bytes" { 5 } else { 20 };
        // A few bytes for codes of their own, which zlib has fixed ones for.
        let most = zlib + zlib / allowed + 100 * (1 + bytes.len() / BLOCK);
        assert!(ours <= most, "{kind} of {}: {ours} where zlib has {zlib}", bytes.len());
    }
}

proptest! {
    #[test]
    fn every_input_comes_back(pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 1_usize..300), 0..40)) {
        let bytes: Vec<u8> = pieces.iter().flat_map(|(piece, times)| piece.repeat(*times)).collect();
        let mut back = Vec::new();
        MultiGzDecoder::new(&gzip(&bytes, 1)[..]).read_to_end(&mut back).unwrap();
        assert!(back == bytes);
    }
}

#[test]
fn cutting_into_blocks_costs_next_to_nothing() {
    let bytes = sample(40 * BLOCK);
    let mut whole = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(3));
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
    MultiGzDecoder::new(&compressed[..]).read_to_end(&mut back).unwrap();
    assert!(back == bytes);
}

#[test]
fn a_layer_of_another_digest_has_no_end() {
    for length in [0, 10, 2 * BLOCK] {
        let source = io::Cursor::new(sample(length));
        let mut gzip = Gzip::new(source, Digest::of(b"another"), &Compressors::default());
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
    let mut gzip = Gzip::new(Failing(100), Digest::of(b""), &Compressors::default());
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
        &Compressors::default(),
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
