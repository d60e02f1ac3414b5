//! One large blob on a slow connection: fetched in several ranges at once where the registry honours `Range`, and in one
//! stream where it does not, or refuses it.

use crate::support::image::{Image, ImageBuilder, digest};
use crate::support::pipe::Pipe;
use bytes::Bytes;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// So much of a large blob comes on a connection before it stands still, in bytes.
const FIRST: usize = 1 << 20;
/// More than this is a large blob.
const LARGE: usize = 2 * FIRST;

/// What a registry makes of `Range`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ranges {
    Honoured,
    Ignored,
    /// 416.
    Refused,
    /// As parts that do not tell the whole size, each of less than was asked for.
    Untold,
}

/// A registry of one image, without sign-in, that stands still amid each answer with a large blob until so many requests
/// for it are there. What would ask for less than that never ends.
struct Slow {
    documents: HashMap<String, (String, Bytes)>,
    ranges: Ranges,
    until: usize,
    /// First and last byte of each request for a large blob; none where it asked for all.
    asked: Mutex<Vec<Option<(usize, usize)>>>,
    more: Condvar,
}

impl Slow {
    /// Gives it and its port. It lives as long as the test process.
    fn start(image: &Image, ranges: Ranges, until: usize) -> (Arc<Self>, u16) {
        let blobs = image.blobs().iter();
        let mut documents: HashMap<_, _> = blobs
            .map(|blob| {
                let document = ("application/octet-stream".to_owned(), blob.bytes.clone());
                (format!("/v2/shop/base/blobs/{}", blob.digest()), document)
            })
            .collect();
        let manifest = (image.media_type().to_owned(), image.bytes().clone());
        for name in ["1", image.digest().as_str()] {
            documents.insert(format!("/v2/shop/base/manifests/{name}"), manifest.clone());
        }
        documents.insert("/v2/".to_owned(), ("application/json".to_owned(), "{}".into()));
        let slow = Arc::new(Self {
            documents,
            ranges,
            until,
            asked: Mutex::default(),
            more: Condvar::new(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::clone(&slow);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                // A client that has enough of an answer closes the connection.
                std::thread::spawn(move || drop(server.serve(&client)));
            }
        });
        (slow, port)
    }

    fn asked(&self) -> Vec<Option<(usize, usize)>> {
        self.asked.lock().unwrap().clone()
    }

    fn serve(&self, client: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client);
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                // A try of TLS is no line of text, which is an error here.
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                match line.trim_end() {
                    "" => break,
                    line => head.push(line.to_owned()),
                }
            }
            self.answer(client, &head)?;
        }
    }

    fn answer(&self, mut client: &TcpStream, head: &[String]) -> std::io::Result<()> {
        let path = head[0].split(' ').nth(1).unwrap_or_default();
        let Some((media_type, bytes)) = self.documents.get(path) else {
            return client.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        };
        let range = head.iter().find_map(|line| {
            let (name, value) = line.split_once(": bytes=")?;
            let (first, last) = value.split_once('-')?;
            name.eq_ignore_ascii_case("range")
                .then(|| (first.parse().unwrap(), last.parse().unwrap_or(bytes.len() - 1)))
        });
        if range.is_some() && self.ranges == Ranges::Refused {
            return client.write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n");
        }
        let part = range.filter(|_| matches!(self.ranges, Ranges::Honoured | Ranges::Untold));
        let (first, mut last) = part.unwrap_or((0, bytes.len() - 1));
        let status = match part {
            Some(_) if self.ranges == Ranges::Untold => {
                last = last.min(first + FIRST - 1);
                format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/*")
            }
            Some(_) => format!(
                "206 Partial Content\r\nContent-Range: bytes {first}-{last}/{}",
                bytes.len()
            ),
            None => "200 OK".to_owned(),
        };
        let body = &bytes[first..=last];
        let length = body.len();
        write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
        )?;
        if head[0].starts_with("HEAD ") {
            return Ok(());
        }
        if bytes.len() < LARGE {
            return client.write_all(body);
        }
        let mut asked = self.asked.lock().unwrap();
        asked.push(range);
        self.more.notify_all();
        drop(asked);
        let (before, after) = body.split_at(length.min(FIRST));
        client.write_all(before)?;
        let asked = self.asked.lock().unwrap();
        drop(self.more.wait_while(asked, |asked| asked.len() < self.until).unwrap());
        client.write_all(after)
    }
}

/// Pulls an image with a layer of 18 MiB into a layout; gives the requests for the layer, after a look at what arrived.
fn pull(ranges: Ranges, until: usize) -> (Vec<Option<(usize, usize)>>, usize) {
    let image = ImageBuilder::new("ranges").layers(1, 18 << 20).build();
    let (slow, port) = Slow::start(&image, ranges, until);
    // Not in the clone, where all files are searched for secrets, which takes long.
    let folder = tempfile::tempdir().unwrap();
    Pipe::new()
        .workspace("shop")
        .api_token()
        .var("REGISTRY", &format!("localhost:{port}"))
        .var("IMAGES", "base:1")
        .var("TO", &format!("oci:{}", folder.path().join("out").display()))
        .run()
        .succeeds();
    for blob in image.blobs() {
        let name = blob.digest().replace(':', "/");
        let arrived = std::fs::read(folder.path().join("out/blobs").join(name)).unwrap();
        assert_eq!(digest(&arrived), blob.digest());
    }
    let largest = image.blobs().iter().map(|blob| blob.bytes.len()).max().unwrap();
    (slow.asked(), largest)
}

#[test]
fn a_large_blob_comes_in_several_ranges_at_once() {
    let (asked, size) = pull(Ranges::Honoured, 3);
    assert_eq!(asked[0], None, "nothing is cut before it is slow");
    let mut begins: Vec<usize> = asked[1..].iter().map(|range| range.unwrap().0).collect();
    begins.sort_unstable();
    begins.dedup();
    assert_eq!(begins.len(), asked.len() - 1, "no part twice: {asked:?}");
    assert!(begins[0] >= FIRST && begins.len() >= 2, "{asked:?}");
    assert!(asked[1..].iter().any(|range| range.unwrap().1 == size - 1), "{asked:?}");
}

#[test]
fn where_ranges_are_ignored_a_blob_comes_in_one_stream() {
    let (asked, _) = pull(Ranges::Ignored, 2);
    // The first one brings it; the second one found out that it must.
    assert!(matches!(asked.as_slice(), [None, Some(_)]), "{asked:?}");
}

#[test]
fn where_ranges_are_refused_a_blob_comes_in_one_stream() {
    let (asked, _) = pull(Ranges::Refused, 2);
    assert_eq!(asked, [None, None]);
}

#[test]
fn a_part_that_does_not_tell_the_whole_size_is_gone_on_from() {
    let (asked, _) = pull(Ranges::Untold, 3);
    let begins: Vec<usize> = asked[1..].iter().map(|range| range.unwrap().0).collect();
    assert!(begins.len() > 5, "each part is short: {begins:?}");
}
