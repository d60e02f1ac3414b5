//! The least that it takes: the same blobs, the largest first, by the same requests, with no digest computed, no retries, and
//! from a file to the socket within the kernel. What is slower than this has something to gain; what should be faster than
//! this cannot.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

/// First argument of a bench that is the floor; then come operation, list of blobs, and two repositories as `HOST/PATH`.
pub(crate) const FLOOR: &str = "--floor";
/// From a registry into files.
pub(crate) const PULL: &str = "pull";
/// From files into a registry.
pub(crate) const PUSH: &str = "push";
/// From one registry into another.
pub(crate) const ACROSS: &str = "across";
/// From one repository into another of the same registry.
pub(crate) const COPY: &str = "copy";
/// The variable with the value of `Authorization`.
pub(crate) const TOKEN: &str = "FLOOR_TOKEN";

/// Blobs at a time: of a few large ones, of many small ones, of those that do not move.
const AT_A_TIME: [usize; 3] = [4, 8, 16];
const BUFFER: usize = 256 * 1024;

/// A blob of the list: digest, bytes, and where a layout has it.
struct Blob {
    digest: String,
    size: u64,
    file: PathBuf,
}

/// A repository and a connection to its registry.
struct Peer<'a> {
    host: &'a str,
    path: &'a str,
    stream: TcpStream,
}

struct Answer {
    status: u16,
    location: Option<String>,
    /// Of the body, what came with the head.
    begun: Vec<u8>,
    length: u64,
}

/// Does it; a failure ends the process with 1.
pub(crate) fn run(arguments: &[String]) {
    let [operation, list, from, to] = arguments else {
        panic!("operation, list and two repositories, not {arguments:?}");
    };
    let list = std::fs::read_to_string(list).unwrap();
    let blobs: VecDeque<Blob> = list.lines().filter_map(parsed).collect();
    let at_a_time = match (operation.as_str(), blobs.len()) {
        (COPY, count) => AT_A_TIME[2].min(count),
        (_, ..16) => AT_A_TIME[0],
        _ => AT_A_TIME[1],
    };
    let left = Mutex::new(blobs);
    let token = std::env::var(TOKEN).unwrap();
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                let (mut from, mut to) = (Peer::connect(from), Peer::connect(to));
                loop {
                    let next = left.lock().unwrap().pop_front();
                    let Some(blob) = next else { break };
                    match operation.as_str() {
                        PULL => pull(&blob, &mut from, &token),
                        PUSH => push(&blob, &mut to, &token),
                        COPY => mount(&blob, from.path, &mut to, &token),
                        _ => across(&blob, (&mut from, &mut to), &token),
                    }
                    .unwrap_or_else(|error| panic!("{}: {error}", blob.digest));
                }
            });
        }
    });
}

fn parsed(line: &str) -> Option<Blob> {
    let mut words = line.split(' ');
    Some(Blob {
        digest: words.next()?.to_owned(),
        size: words.next()?.parse().ok()?,
        file: words.next()?.into(),
    })
}

fn pull(blob: &Blob, from: &mut Peer, token: &str) -> io::Result<()> {
    let answer = from.read(blob, token)?;
    let mut file = File::create(blob.digest.replace(':', "-"))?;
    file.write_all(&answer.begun)?;
    pass(&mut from.stream, &mut file, answer.length - answer.begun.len() as u64)
}

fn push(blob: &Blob, to: &mut Peer, token: &str) -> io::Result<()> {
    to.begin(blob, token)?;
    // From file to socket, which std has the kernel do.
    io::copy(&mut File::open(&blob.file)?, &mut to.stream)?;
    to.answer(201).map(|_| ())
}

fn mount(blob: &Blob, from: &str, to: &mut Peer, token: &str) -> io::Result<()> {
    let path = to.path;
    let line = format!("POST /v2/{path}/blobs/uploads/?mount={}&from={from}", blob.digest);
    to.send(&line, 0, token)?;
    to.answer(201).map(|_| ())
}

fn across(blob: &Blob, (from, to): (&mut Peer, &mut Peer), token: &str) -> io::Result<()> {
    let answer = from.read(blob, token)?;
    to.begin(blob, token)?;
    to.stream.write_all(&answer.begun)?;
    let left = answer.length - answer.begun.len() as u64;
    pass(&mut from.stream, &mut to.stream, left)?;
    to.answer(201).map(|_| ())
}

fn pass(from: &mut impl Read, to: &mut impl Write, mut left: u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    while left > 0 {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all(&buffer[..count])?;
        left -= count as u64;
    }
    Ok(())
}

impl<'a> Peer<'a> {
    fn connect(repository: &'a str) -> Self {
        let (host, path) = repository.split_once('/').expect("HOST/PATH");
        let stream = TcpStream::connect(host).expect("the registry");
        stream.set_nodelay(true).expect("a socket's option");
        Self { host, path, stream }
    }

    fn send(&mut self, line: &str, length: u64, token: &str) -> io::Result<()> {
        let host = self.host;
        let kind = "application/octet-stream";
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        self.stream.write_all(head.as_bytes())
    }

    fn read(&mut self, blob: &Blob, token: &str) -> io::Result<Answer> {
        self.send(&format!("GET /v2/{}/blobs/{}", self.path, blob.digest), 0, token)?;
        self.answer(200)
    }

    /// Opens a session and sends the head of the request that fills it.
    fn begin(&mut self, blob: &Blob, token: &str) -> io::Result<()> {
        self.send(&format!("POST /v2/{}/blobs/uploads/", self.path), 0, token)?;
        let location = self.answer(202)?.location.unwrap_or_default();
        let at = location.find("/v2/").ok_or(io::ErrorKind::InvalidData)?;
        self.send(
            &format!("PUT {}&digest={}", &location[at..], blob.digest),
            blob.size,
            token,
        )
    }

    fn answer(&mut self, expected: u16) -> io::Result<Answer> {
        let mut bytes = vec![0; 16 * 1024];
        let mut filled = 0;
        let end = loop {
            let count = self.stream.read(&mut bytes[filled..])?;
            filled += count;
            if let Some(at) = bytes[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned()))
        };
        let answer = Answer {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or(0),
            location: field("Location"),
            begun: bytes[end..filled].to_vec(),
            length: field("Content-Length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0),
        };
        if answer.status != expected {
            return Err(io::Error::other(format!("status {}", answer.status)));
        }
        Ok(answer)
    }
}
