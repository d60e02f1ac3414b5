//! The CONNECT proxy through which clients reach the names that this emulator stands in for.

use super::journal::{Entry, Journal, Service};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest head of a request that is read, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// Which `host:port` leads where; others are refused with 502.
pub(super) type Names = Vec<(String, SocketAddr)>;

/// Serves one client.
pub(super) async fn serve(mut client: TcpStream, names: Arc<Names>, journal: Arc<Journal>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // A byte at a time: what follows the head is the tunnel's.
        let byte = client.read_u8().await?;
        head.push(byte);
        if head.len() > LONGEST_HEAD {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let found = names.iter().find(|(name, _)| method == "CONNECT" && name == target);
    let authorization = head.lines().find_map(|line| {
        line.strip_prefix("Proxy-Authorization: ")?
            .split(' ')
            .next()
            .map(str::to_owned)
    });
    journal.add(Entry {
        service: Service::Proxy,
        method: method.to_owned(),
        path: target.to_owned(),
        authorization,
        host: None,
        user_agent: None,
        accept_encoding: None,
        range: None,
        at: std::time::Instant::now(),
        status: if found.is_some() { 200 } else { 502 },
        received: 0,
        sent: 0,
    });
    let Some((_, address)) = found else {
        client
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await?;
        return client.shutdown().await;
    };
    let mut server = TcpStream::connect(address).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
