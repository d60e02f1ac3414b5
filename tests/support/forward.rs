//! One address of an engine's bridge for several emulators, which are told apart by the name in the client's greeting.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Takes connections until it is dropped: the bridge of the next engine may have the same address.
pub struct Forwarded {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the one that takes them. Where there is no way to it any more, it has nobody to keep out either.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// Hands connections to ports of loopback: each to that of the first name that the client's TLS greeting holds, else to the
/// last one.
pub fn forward(listen: (IpAddr, u16), ports: Vec<(&'static str, u16)>) -> io::Result<Forwarded> {
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let thread = std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if over.load(Ordering::SeqCst) {
                return;
            }
            let mut greeting = [0; 4096];
            let greeting = match client.peek(&mut greeting) {
                Ok(length) => &greeting[..length],
                Err(_) => continue,
            };
            let named = |name: &str| greeting.windows(name.len()).any(|bytes| bytes == name.as_bytes());
            let port = ports.iter().find(|(name, _)| named(name)).or(ports.last());
            let &(_, port) = port.expect("a port to forward to");
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
                continue;
            };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || {
                    // Either side may end the connection at any time.
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    Ok(Forwarded {
        address,
        is_over,
        thread: Some(thread),
    })
}
