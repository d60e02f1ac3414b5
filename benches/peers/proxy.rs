//! A slow network before a registry: a reverse proxy that holds each request back and limits each connection.
//!
//! It reads no more of HTTP than where requests begin; answers pass unread. A thread for each direction of each
//! connection, so that it is not what limits: its own throughput stands in the results.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;
/// How far a connection may fall behind its rate and still make up for it: sleeping is not exact.
const SLACK: Duration = Duration::from_millis(10);

/// What the network does to what passes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    /// Before each request.
    pub(crate) delay: Duration,
    /// Bytes a second, for each connection and direction.
    pub(crate) rate: Option<u32>,
}

/// Starts one on a free port, for as long as the process lives.
pub(crate) fn start(target: SocketAddr, conditions: Conditions) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A client that goes away in the middle is no fault of the network.
            thread::spawn(move || drop(serve(client, target, conditions)));
        }
    });
    address
}

fn serve(client: TcpStream, target: SocketAddr, conditions: Conditions) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let mut pace = Pace::new(conditions.rate);
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from_server.read(&mut piece) {
            if to_client.write_all(&piece[..length]).is_err() {
                break;
            }
            pace.passed(length);
        }
        let _ = to_client.shutdown(Shutdown::Write);
    });
    let requests = Requests {
        client: BufReader::with_capacity(PIECE, client),
        server: &server,
        pace: Pace::new(conditions.rate),
    };
    let ended = requests.pass(conditions.delay);
    let _ = server.shutdown(Shutdown::Write);
    ended
}

/// One connection's requests, one after the other.
struct Requests<'a> {
    client: BufReader<TcpStream>,
    server: &'a TcpStream,
    pace: Pace,
}

impl Requests<'_> {
    fn pass(mut self, delay: Duration) -> io::Result<()> {
        while let Some(&first) = self.client.fill_buf()?.first() {
            if !first.is_ascii_uppercase() {
                // No HTTP: a client that tries TLS first.
                return self.body(u64::MAX);
            }
            let head = self.head()?;
            thread::sleep(delay);
            self.server.write_all(&head)?;
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if header("transfer-encoding:") == Some("chunked") {
                self.chunks()?;
            } else if let Some(length) = header("content-length:") {
                self.body(length.parse().map_err(io::Error::other)?)?;
            }
        }
        Ok(())
    }

    /// A request up to its empty line.
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if self.client.read_until(b'\n', &mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(head)
    }

    fn chunks(&mut self) -> io::Result<()> {
        loop {
            let mut line = String::new();
            self.client.read_line(&mut line)?;
            self.server.write_all(line.as_bytes())?;
            let digits = line.trim().split(';').next().unwrap_or_default();
            let length = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
            // The line's end after the chunk goes with it; after the last one come trailers, which nobody sends.
            self.body(length + 2)?;
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn body(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let piece = self.client.fill_buf()?;
            if piece.is_empty() {
                return Ok(());
            }
            let length = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            self.server.write_all(&piece[..length])?;
            self.client.consume(length);
            self.pace.passed(length);
            left -= length as u64;
        }
        Ok(())
    }
}

/// Keeps to a rate.
struct Pace {
    rate: Option<u32>,
    due: Instant,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self {
            rate,
            due: Instant::now(),
        }
    }

    fn passed(&mut self, bytes: usize) {
        let Some(rate) = self.rate else { return };
        let now = Instant::now();
        if self.due + SLACK < now {
            self.due = now;
        }
        #[allow(clippy::cast_precision_loss, reason = "at most the length of a piece")]
        let takes = Duration::from_secs_f64(bytes as f64 / f64::from(rate));
        self.due += takes;
        thread::sleep(self.due.saturating_duration_since(now));
    }
}
