//! A DNS server of one name, for what a container's `/etc/resolv.conf` points to.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The length of a message's header, in bytes (RFC 1035, 4.1.1).
const HEADER: usize = 12;
/// The type of a question for an IPv4 address.
const TYPE_A: u16 = 1;
/// Resolvers repeat a question by themselves (Go's does at once); what follows so soon is the same lookup.
const SAME_LOOKUP: Duration = Duration::from_millis(100);

/// What a server was asked; it lives as long as the process.
#[derive(Clone, Default)]
pub struct Lookups(Arc<Mutex<Vec<(Instant, bool)>>>);

impl Lookups {
    /// Lookups that failed, and the first one that did not.
    pub fn until_answered(&self) -> usize {
        let asked = self.0.lock().unwrap();
        let failed: Vec<Instant> = asked.iter().filter(|(_, fails)| *fails).map(|(at, _)| *at).collect();
        let again = failed.windows(2).filter(|pair| pair[1] - pair[0] > SAME_LOOKUP).count();
        usize::from(!failed.is_empty()) + again + usize::from(failed.len() < asked.len())
    }
}

/// Answers on port 53 of `address` that `name` is at `address`, and that there is nothing else; until the process ends.
pub fn start(address: Ipv4Addr, name: &str) {
    start_late(address, name, Duration::ZERO);
}

/// The same, but for so long from the first question on it answers with a failure of its own.
pub fn start_late(address: Ipv4Addr, name: &str, fails_for: Duration) -> Lookups {
    let socket = UdpSocket::bind((address, 53)).expect("port 53 of an address of the tests' own");
    let wanted = labels(name);
    let lookups = Lookups::default();
    let told = lookups.clone();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        let mut first = None;
        while let Ok((length, client)) = socket.recv_from(&mut question) {
            let now = Instant::now();
            let fails = now - *first.get_or_insert(now) < fails_for;
            told.0.lock().unwrap().push((now, fails));
            answer(&socket, client, &question[..length], &wanted, address, fails);
        }
    });
    lookups
}

fn answer(socket: &UdpSocket, client: SocketAddr, question: &[u8], wanted: &[u8], address: Ipv4Addr, fails: bool) {
    let end = HEADER + wanted.len();
    let known = question
        .get(HEADER..end)
        .is_some_and(|asked| !fails && asked.eq_ignore_ascii_case(wanted));
    let Some(name_end) = question.iter().skip(HEADER).position(|&byte| byte == 0) else {
        return;
    };
    let Some(asked) = question.get(..HEADER + name_end + 5) else {
        return;
    };
    let is_a = asked[asked.len() - 4..asked.len() - 2] == TYPE_A.to_be_bytes();
    let mut message = asked.to_vec();
    // A response, recursion available; SERVFAIL, or NXDOMAIN for every other name.
    let code = match (fails, known) {
        (true, _) => 0x82,
        (false, true) => 0x80,
        (false, false) => 0x83,
    };
    message[2..4].copy_from_slice(&[0x81, code]);
    message[6..12].copy_from_slice(&[0, u8::from(known && is_a), 0, 0, 0, 0]);
    if known && is_a {
        // The name of the question, type A, class IN, a minute, four bytes.
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend_from_slice(&address.octets());
    }
    // A client that is gone asks again.
    let _ = socket.send_to(&message, client);
}

/// A name as labels with their lengths, and the root's at the end.
fn labels(name: &str) -> Vec<u8> {
    let mut labels = Vec::new();
    for label in name.split('.') {
        labels.push(u8::try_from(label.len()).expect("a short label"));
        labels.extend_from_slice(label.as_bytes());
    }
    labels.push(0);
    labels
}
