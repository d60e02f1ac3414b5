use super::*;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use std::io::Write as _;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A frame that decoders skip (RFC 8878, 3.1.2).
fn skipped(length: u32, content: &[u8]) -> Vec<u8> {
    [&0x184D_2A50_u32.to_le_bytes(), &length.to_le_bytes(), content].concat()
}

/// Gives a few bytes at a time.
struct Slow(io::Cursor<Vec<u8>>);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(251);
        self.0.read(&mut buffer[..length])
    }
}

fn read(stored: &[u8], diff_id: &Digest, slowly: bool) -> Result<Vec<u8>, String> {
    let source = io::Cursor::new(stored.to_vec());
    let source: Box<dyn Read + Send> = if slowly {
        Box::new(Slow(source))
    } else {
        Box::new(source)
    };
    let mut proof = Proof::new(source, diff_id.clone());
    let mut bytes = Vec::new();
    match proof.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => {
            proof.read(&mut [0; 8]).expect_err("after an error comes no end");
            Err(error.to_string())
        }
    }
}

/// A layer's tar, as text that compresses and noise that does not.
fn layer() -> Vec<u8> {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    [b"layer ".repeat(10_000), noise.take(180_000).collect()].concat()
}

fn altered(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x55;
    bytes
}

/// What may be stored in place of a layer, and whether it is that layer.
fn stored(layer: &[u8]) -> Vec<(&'static str, Vec<u8>, bool)> {
    let (first, rest) = layer.split_at(70_001);
    let other = b"another layer".repeat(1000);
    let empty = Vec::new();
    let (gzipped, zstded) = (gzip(layer), zstd(layer));
    vec![
        ("plain", layer.to_vec(), true),
        ("plain, another", other.clone(), false),
        ("plain, cut", layer[..layer.len() - 1].to_vec(), false),
        ("plain and more", [layer, b"x"].concat(), false),
        ("gzip", gzipped.clone(), true),
        ("gzip in two members", [gzip(first), gzip(rest)].concat(), true),
        (
            "gzip and an empty member",
            [gzipped.clone(), gzip(&empty)].concat(),
            true,
        ),
        ("gzip, another", gzip(&other), false),
        ("gzip, changed", altered(&gzipped, 100_000), false),
        ("gzip, another checksum", altered(&gzipped, gzipped.len() - 6), false),
        ("gzip, another length", altered(&gzipped, gzipped.len() - 2), false),
        ("gzip, cut in its trailer", gzipped[..gzipped.len() - 3].to_vec(), false),
        (
            "gzip, cut before its trailer",
            gzipped[..gzipped.len() - 8].to_vec(),
            false,
        ),
        ("gzip, cut", gzipped[..50_000].to_vec(), false),
        ("gzip, its first bytes", gzipped[..5].to_vec(), false),
        ("gzip of the first part", gzip(first), false),
        (
            "gzip and another member",
            [gzipped.clone(), gzip(&other)].concat(),
            false,
        ),
        (
            "gzip and a cut member",
            [&gzip(first), &gzip(rest)[..20]].concat(),
            false,
        ),
        ("gzip and zeros", [gzipped.clone(), vec![0; 512]].concat(), false),
        ("gzip and a byte", [gzipped.clone(), vec![0x1f]].concat(), false),
        ("gzip and text", [gzipped.clone(), other.clone()].concat(), false),
        ("gzip twice", gzip(&gzipped), false),
        ("zstd", zstded.clone(), true),
        ("zstd in two frames", [zstd(first), zstd(rest)].concat(), true),
        (
            "zstd with frames to skip",
            [
                skipped(3, b"abc"),
                zstd(first),
                skipped(0, b""),
                zstd(rest),
                skipped(2, b"xy"),
            ]
            .concat(),
            true,
        ),
        ("zstd, another", zstd(&other), false),
        ("zstd, changed", altered(&zstded, 100_000), false),
        ("zstd, cut", zstded[..50_000].to_vec(), false),
        ("zstd, cut by a byte", zstded[..zstded.len() - 1].to_vec(), false),
        ("zstd of the first part", zstd(first), false),
        ("zstd and another frame", [zstded.clone(), zstd(&other)].concat(), false),
        (
            "zstd and a cut frame",
            [&zstd(first), &zstd(rest)[..20]].concat(),
            false,
        ),
        (
            "zstd and a frame to skip, cut",
            [zstded.clone(), skipped(9, b"abc")].concat(),
            false,
        ),
        ("zstd and zeros", [zstded.clone(), vec![0; 512]].concat(), false),
        ("zstd and a gzip member", [zstd(first), gzip(rest)].concat(), false),
        ("bzip2", b"BZh91AY&SY".to_vec(), false),
        ("nothing", empty, false),
    ]
}

#[test]
fn only_the_layer_of_the_configuration_is_read_to_its_end() {
    let layer = layer();
    for (name, stored, sound) in stored(&layer) {
        let diff_id = Digest::of(&layer);
        for slowly in [false, true] {
            match read(&stored, &diff_id, slowly) {
                Ok(bytes) => {
                    assert!(sound, "{name} is taken");
                    assert!(bytes == stored, "{name}: the bytes are as they were stored");
                }
                Err(error) => assert!(!sound, "{name}: {error}"),
            }
        }
    }
    let nothing = Digest::of(b"");
    assert_eq!(read(b"", &nothing, false), Ok(Vec::new()));
    assert_eq!(read(&gzip(b""), &nothing, false), Ok(gzip(b"")));
    let sha512 = Digest::from_sha512(&<sha2::Sha512 as sha2::Digest>::digest(&layer));
    assert_eq!(read(&gzip(&layer), &sha512, false), Ok(gzip(&layer)));
}

#[test]
fn what_is_wrong_with_a_layer_is_told() {
    let layer = layer();
    // A frame that states a window of 2 GiB: no content, one empty last block.
    let window = [&[0x28, 0xb5, 0x2f, 0xfd, 0, (31 - 10) << 3, 1, 0, 0][..]].concat();
    for (stored, text) in [
        (gzip(b"x"), "where the image's configuration states sha256:"),
        (
            gzip(&layer)[..1000].to_vec(),
            "its gzip stream cannot be read, ends early, or",
        ),
        ([gzip(&layer), vec![0; 9]].concat(), "or other bytes follow it"),
        (
            zstd(&layer)[..1000].to_vec(),
            "its zstd stream cannot be read, ends early",
        ),
        (
            [zstd(&layer), skipped(9, b"abc")].concat(),
            "its zstd stream cannot be read, ends early, or",
        ),
        (window, "needs a window of 2048 MiB, and 128 MiB is the most"),
        (b"\xfd7zXZ\0".to_vec(), "it is compressed with xz"),
    ] {
        let error = read(&stored, &Digest::of(&layer), false).expect_err(text);
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn who_stops_reading_stops_the_thread() {
    let layer = layer();
    let mut proof = Proof::new(Box::new(io::Cursor::new(gzip(&layer))), Digest::of(&layer));
    proof.read_exact(&mut [0; 1000]).unwrap();
    drop(proof);
}
