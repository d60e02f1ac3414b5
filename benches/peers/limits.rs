//! What this machine can do at most: no program can be faster than these.

use crate::fixture::mega;
use crate::proxy::{self, Conditions};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes moved for a measurement.
const AMOUNT: u64 = 340_000_000;
/// Bytes at a time.
const PIECE: usize = 256 * 1024;
/// Measurements of each limit.
const RUNS: usize = 3;

/// A limit by name, in megabytes (10^6) a second.
pub(crate) type Limit = (&'static str, f64);

/// Measures all.
pub(crate) fn measure(folder: &Path) -> Vec<Limit> {
    let unlimited = Conditions {
        delay: Duration::ZERO,
        rate: None,
    };
    let mut limits = vec![
        ("SHA-256 on one core, sha2 as in crg-pipe", median(sha256)),
        ("loopback, one connection", median(|| through_loopback(None))),
        (
            "the same through the bench's proxy without limits",
            median(|| through_loopback(Some(unlimited))),
        ),
        ("writing a file of 340 MB, then sync", median(|| disk(folder))),
    ];
    if let Some(openssl) = openssl() {
        limits.insert(1, ("SHA-256 on one core, openssl speed", openssl));
    }
    limits
}

fn median(measure: impl Fn() -> Duration) -> f64 {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| measure()).collect();
    times.sort_unstable();
    mega(AMOUNT) / times[RUNS / 2].as_secs_f64()
}

fn sha256() -> Duration {
    let piece = vec![7; PIECE];
    let start = Instant::now();
    let mut hash = Sha256::new();
    for_each_piece(|length| hash.update(&piece[..length]));
    std::hint::black_box(hash.finalize());
    start.elapsed()
}

fn disk(folder: &Path) -> Duration {
    let path = folder.join("disk");
    let piece = vec![7; PIECE];
    let start = Instant::now();
    let mut file = File::create(&path).unwrap();
    for_each_piece(|length| file.write_all(&piece[..length]).unwrap());
    file.sync_all().unwrap();
    let took = start.elapsed();
    std::fs::remove_file(&path).unwrap();
    took
}

fn through_loopback(conditions: Option<Conditions>) -> Duration {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let direct = listener.local_addr().unwrap();
    let address = conditions.map_or(direct, |conditions| proxy::start(direct, conditions));
    let sender = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let piece = vec![7; PIECE];
        for_each_piece(|length| stream.write_all(&piece[..length]).unwrap());
    });
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    let mut piece = vec![0; PIECE];
    let mut left = AMOUNT;
    while left > 0 {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "the connection broke off");
        left -= length as u64;
    }
    let took = start.elapsed();
    sender.join().unwrap();
    took
}

fn for_each_piece(mut take: impl FnMut(usize)) {
    let mut left = AMOUNT;
    while left > 0 {
        let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        take(length);
        left -= length as u64;
    }
}

/// The last column of its table, in thousands of bytes a second.
fn openssl() -> Option<f64> {
    let output = Command::new("openssl")
        .args(["speed", "-seconds", "1", "-bytes", "262144", "-evp", "sha256"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("sha256"))?;
    let number = line.split_whitespace().last()?.strip_suffix('k')?;
    number.parse::<f64>().ok().map(|thousands| thousands / 1000.0)
}
