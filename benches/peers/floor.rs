//! The least that it takes: the same requests for the same image, the largest blob first, with no retries, and from a file to
//! the socket within the kernel. What is slower than this has something to gain; what should be faster than this cannot.
//!
//! It computes no digest, or where it is asked to that of every blob: the least that it takes to check all of them. Where it is
//! asked to prove layers, it also inflates each and computes the digest of that, which is the image's `diff_id`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::write::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

/// First argument of a bench that is the floor; then come what it checks, operation, list of blobs, list of manifests, the
/// image as `HOST/PATH:TAG` and its target.
pub(crate) const FLOOR: &str = "--floor";
/// It computes the digests of blobs.
pub(crate) const CHECKING: &str = "checking";
/// It computes those of layers as they are inflated, too.
pub(crate) const PROVING: &str = "proving";
/// It computes none.
pub(crate) const TRUSTING: &str = "trusting";
/// From a registry into files.
pub(crate) const PULL: &str = "pull";
/// From files into a registry.
pub(crate) const PUSH: &str = "push";
/// From one registry into another.
pub(crate) const ACROSS: &str = "across";
/// From one repository into another of the same registry.
pub(crate) const COPY: &str = "copy";
/// The variable with `USER:PASSWORD`.
pub(crate) const CREDENTIAL: &str = "FLOOR_CREDENTIAL";

/// At a time: blobs where the first is large, blobs where none is, and what has no body of weight.
const AT_A_TIME: [usize; 3] = [3, 8, 16];
const LARGE: u64 = 1024 * 1024;
const BUFFER: usize = 256 * 1024;
/// How a compressed layer begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What it computes of a blob.
#[derive(Clone, Copy, PartialEq)]
enum Checks {
    Nothing,
    Digest,
    /// Its digest, and that of what it inflates to.
    Layer,
}

/// Takes what a layer inflates to.
struct DiffId(Sha256);

impl io::Write for DiffId {
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        self.0.update(plain);
        Ok(plain.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line of a list: digest, bytes, and where a layout has it.
struct Content {
    digest: String,
    size: u64,
    file: PathBuf,
}

/// An image in a registry, and what lets one in there.
struct Place {
    host: String,
    path: String,
    tag: String,
    authorization: String,
}

/// A connection to the registry of a place.
struct Connection<'a> {
    place: &'a Place,
    stream: TcpStream,
}

struct Answer {
    status: u16,
    head: String,
    /// Of the body, what came with the head.
    begun: Vec<u8>,
    length: u64,
}

/// Does it; a failure ends the process with 1.
pub(crate) fn run(arguments: &[String]) {
    let [checking, operation, blobs, manifests, from, to] = arguments else {
        panic!("not {arguments:?}");
    };
    let checks = match checking.as_str() {
        CHECKING => Checks::Digest,
        PROVING => Checks::Layer,
        _ => Checks::Nothing,
    };
    let operation = operation.as_str();
    let (blobs, manifests) = (read(blobs), read(manifests));
    let (mut from, mut to) = (Place::of(from), Place::of(to));
    match operation {
        PULL => from.authorization = from.sign_in(&[(&from, "pull")]),
        PUSH => to.authorization = to.sign_in(&[(&to, "pull,push")]),
        COPY => {
            to.authorization = to.sign_in(&[(&from, "pull"), (&to, "pull,push")]);
            from.authorization.clone_from(&to.authorization);
        }
        _ => thread::scope(|scope| {
            scope.spawn(|| from.authorization = from.sign_in(&[(&from, "pull")]));
            to.authorization = to.sign_in(&[(&to, "pull,push")]);
        }),
    }
    let documents: Vec<Vec<u8>> = if operation == PUSH {
        manifests.iter().map(|one| std::fs::read(&one.file).unwrap()).collect()
    } else {
        let documents = Mutex::new(vec![Vec::new(); manifests.len()]);
        side_by_side(
            AT_A_TIME[2],
            manifests.iter().enumerate().collect(),
            (&from, &from),
            |(at, one), (from, _)| {
                let document = from.manifest(&one.digest)?;
                if operation == PULL {
                    std::fs::write(one.digest.replace(':', "-"), &document)?;
                }
                documents.lock().unwrap()[at] = document;
                Ok(())
            },
        );
        documents.into_inner().unwrap()
    };
    let at_a_time = match (operation, blobs.first().map_or(0, |blob| blob.size)) {
        (COPY, _) => AT_A_TIME[2],
        (_, LARGE..) => AT_A_TIME[0],
        _ => AT_A_TIME[1],
    };
    side_by_side(
        at_a_time,
        blobs.iter().collect(),
        (&from, &to),
        |blob, (from, to)| match operation {
            PULL => pull(blob, from, checks),
            PUSH => push(blob, to, checks),
            COPY => mount(blob, from.place, to),
            _ => across(blob, (from, to), checks),
        },
    );
    if operation == PULL {
        return;
    }
    let (root, children) = documents.split_last().expect("a manifest");
    side_by_side(
        AT_A_TIME[2],
        children.iter().zip(&manifests).collect(),
        (&to, &to),
        |(document, one), (_, to)| to.put_manifest(&one.digest, document),
    );
    to.connect().put_manifest(&to.tag, root).expect("the tag");
}

/// Does all of them, so many at a time, each with connections of its own, in order.
fn side_by_side<T: Send>(
    at_a_time: usize,
    all: VecDeque<T>,
    (from, to): (&Place, &Place),
    one: impl Fn(T, (&mut Connection<'_>, &mut Connection<'_>)) -> io::Result<()> + Sync,
) {
    let count = at_a_time.min(all.len());
    let left = Mutex::new(all);
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                let (mut from, mut to) = (from.connect(), to.connect());
                loop {
                    let next = left.lock().unwrap().pop_front();
                    let Some(next) = next else { break };
                    one(next, (&mut from, &mut to)).unwrap();
                }
            });
        }
    });
}

fn read(list: &str) -> Vec<Content> {
    let list = std::fs::read_to_string(list).unwrap();
    let parsed = |line: &str| {
        let mut words = line.split(' ');
        Some(Content {
            digest: words.next()?.to_owned(),
            size: words.next()?.parse().ok()?,
            file: words.next()?.into(),
        })
    };
    list.lines().filter_map(parsed).collect()
}

fn pull(blob: &Content, from: &mut Connection<'_>, checks: Checks) -> io::Result<()> {
    let answer = from.read(blob)?;
    let mut file = File::create(blob.digest.replace(':', "-"))?;
    pass(&answer.begun, &mut from.stream, &mut file, blob, checks)
}

fn push(blob: &Content, to: &mut Connection<'_>, checks: Checks) -> io::Result<()> {
    to.begin(blob)?;
    let mut file = File::open(&blob.file)?;
    if checks == Checks::Nothing {
        // From file to socket, which std has the kernel do.
        io::copy(&mut file, &mut to.stream)?;
    } else {
        pass(&[], &mut file, &mut to.stream, blob, checks)?;
    }
    to.answer(201).map(|_| ())
}

fn mount(blob: &Content, from: &Place, to: &mut Connection<'_>) -> io::Result<()> {
    let line = format!(
        "POST /v2/{}/blobs/uploads/?mount={}&from={}",
        to.place.path, blob.digest, from.path
    );
    to.send(&line, &[], None)?;
    to.answer(201).map(|_| ())
}

fn across(blob: &Content, (from, to): (&mut Connection<'_>, &mut Connection<'_>), checks: Checks) -> io::Result<()> {
    let answer = from.read(blob)?;
    to.begin(blob)?;
    pass(&answer.begun, &mut from.stream, &mut to.stream, blob, checks)?;
    to.answer(201).map(|_| ())
}

/// All of a blob, of which a part is there already.
fn pass(begun: &[u8], from: &mut impl Read, to: &mut impl io::Write, blob: &Content, checks: Checks) -> io::Result<()> {
    let mut hasher = (checks != Checks::Nothing).then(Sha256::new);
    let mut layer = None;
    let mut left = blob.size;
    let mut give = |piece: &[u8]| {
        if checks == Checks::Layer && left == blob.size && piece.starts_with(&GZIP) {
            layer = Some(MultiGzDecoder::new(DiffId(Sha256::new())));
        }
        if let Some(layer) = &mut layer {
            layer.write_all(piece)?;
        }
        left -= piece.len() as u64;
        if let Some(hasher) = &mut hasher {
            hasher.update(piece);
        }
        to.write_all(piece).map(|()| left)
    };
    let mut left = give(begun)?;
    let mut buffer = vec![0; BUFFER];
    while left > 0 {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = give(&buffer[..count])?;
    }
    if let Some(layer) = layer {
        std::hint::black_box(layer.finish()?.0.finalize());
    }
    let found = hasher.map(|hasher| {
        let mut hex = String::from("sha256:");
        for byte in hasher.finalize() {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    });
    match found {
        Some(found) if blob.digest != found => Err(io::ErrorKind::InvalidData.into()),
        _ => Ok(()),
    }
}

impl Place {
    /// `HOST/PATH:TAG`.
    fn of(image: &str) -> Self {
        let (host, rest) = image.split_once('/').expect("HOST/PATH:TAG");
        let (path, tag) = rest.rsplit_once(':').expect("HOST/PATH:TAG");
        Self {
            host: host.to_owned(),
            path: path.to_owned(),
            tag: tag.to_owned(),
            authorization: String::new(),
        }
    }

    fn connect(&self) -> Connection<'_> {
        let stream = TcpStream::connect(&self.host).expect("the registry");
        stream.set_nodelay(true).expect("a socket's option");
        Connection { place: self, stream }
    }

    /// Asks for the tag, and as that is refused, for a token with these rights; gives the value of `Authorization`.
    fn sign_in(&self, rights: &[(&Self, &str)]) -> String {
        let mut connection = self.connect();
        let line = format!("HEAD /v2/{}/manifests/{}", self.path, self.tag);
        let asked = connection.send(&line, &[], None).and_then(|()| connection.answer(401));
        let challenge = asked.expect("a challenge");
        let parameter = |name: &str| {
            let (_, value) = challenge.head.split_once(&format!("{name}=\""))?;
            value.split_once('"').map(|(value, _)| value.to_owned())
        };
        let realm = parameter("realm").expect("a realm");
        let (host, path) = realm
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .expect("a realm");
        let mut scopes = String::new();
        for (place, rights) in rights {
            let _ = write!(scopes, "&scope=repository:{}:{rights}", place.path);
        }
        let service = parameter("service").unwrap_or_default().replace(' ', "%20");
        let credential = std::env::var(CREDENTIAL).expect("a credential");
        let realm = Self {
            host: host.to_owned(),
            path: String::new(),
            tag: String::new(),
            authorization: format!("Basic {}", STANDARD.encode(credential)),
        };
        let mut connection = realm.connect();
        let line = format!("GET /{path}?service={service}{scopes}");
        let answer = connection.send(&line, &[], None).and_then(|()| connection.answer(200));
        let body = answer.and_then(|answer| connection.body(&answer)).expect("a token");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("a token");
        format!("Bearer {}", body["token"].as_str().expect("a token"))
    }
}

impl Connection<'_> {
    fn send(&mut self, line: &str, body: &[u8], kind: Option<&str>) -> io::Result<()> {
        self.send_head(line, body.len() as u64, kind)?;
        self.stream.write_all(body)
    }

    fn send_head(&mut self, line: &str, length: u64, kind: Option<&str>) -> io::Result<()> {
        let Place {
            host, authorization, ..
        } = self.place;
        let authorization = match authorization.as_str() {
            "" => String::new(),
            authorization => format!("Authorization: {authorization}\r\n"),
        };
        let kind = kind.unwrap_or("application/octet-stream");
        let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\n{authorization}Accept: {accept}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        self.stream.write_all(head.as_bytes())
    }

    fn read(&mut self, blob: &Content) -> io::Result<Answer> {
        self.send(&format!("GET /v2/{}/blobs/{}", self.place.path, blob.digest), &[], None)?;
        self.answer(200)
    }

    fn manifest(&mut self, digest: &str) -> io::Result<Vec<u8>> {
        self.send(&format!("GET /v2/{}/manifests/{digest}", self.place.path), &[], None)?;
        let answer = self.answer(200)?;
        self.body(&answer)
    }

    fn put_manifest(&mut self, reference: &str, document: &[u8]) -> io::Result<()> {
        let parsed: serde_json::Value = serde_json::from_slice(document)?;
        let line = format!("PUT /v2/{}/manifests/{reference}", self.place.path);
        self.send(&line, document, parsed["mediaType"].as_str())?;
        self.answer(201).map(|_| ())
    }

    /// Opens a session and sends the head of the request that fills it.
    fn begin(&mut self, blob: &Content) -> io::Result<()> {
        self.send(&format!("POST /v2/{}/blobs/uploads/", self.place.path), &[], None)?;
        let location = self.answer(202)?.field("Location").unwrap_or_default();
        let at = location.find("/v2/").ok_or(io::ErrorKind::InvalidData)?;
        self.send_head(
            &format!("PUT {}&digest={}", &location[at..], blob.digest),
            blob.size,
            None,
        )
    }

    /// The whole body of an answer.
    fn body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        let mut body = answer.begun.clone();
        let left = answer.length - body.len() as u64;
        (&mut self.stream).take(left).read_to_end(&mut body)?;
        Ok(body)
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
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer {
            status: status.unwrap_or(0),
            head,
            begun: bytes[end..filled].to_vec(),
            length: 0,
        };
        answer.length = answer
            .field("Content-Length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        if answer.status != expected {
            return Err(io::Error::other(format!("status {}", answer.status)));
        }
        Ok(answer)
    }
}

impl Answer {
    fn field(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned()))
    }
}
