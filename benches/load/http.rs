//! Just enough of HTTP/1.1: whole requests over one connection that stays open, and whole answers.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

/// A connection that stays open.
pub(crate) struct Http {
    stream: TcpStream,
    address: SocketAddr,
    request: Vec<u8>,
    received: Vec<u8>,
}

/// What is the same in each request of a kind: the head, up to the length of the body.
pub(crate) struct Head(String);

/// An answer.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: String,
}

impl Head {
    /// A POST of a body of some type, with a key where there is one.
    pub(crate) fn post((address, key): (SocketAddr, &str), path: &str, content_type: &str) -> Self {
        let shown = if key.is_empty() { String::new() } else { format!("authorization: Bearer {key}\r\n") };
        Self(format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\n{shown}accept: application/json\r\n\
             content-type: {content_type}\r\ncontent-length: "
        ))
    }

    /// A GET.
    pub(crate) fn get(address: SocketAddr, path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: "))
    }
}

impl Http {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, request: Vec::new(), received: Vec::new() })
    }

    /// Sends a request and waits for all of its answer.
    pub(crate) async fn send(&mut self, head: &Head, body: &[u8]) -> Result<Answer, Failure> {
        self.request.clear();
        self.request.extend_from_slice(head.0.as_bytes());
        self.request.extend_from_slice(body.len().to_string().as_bytes());
        self.request.extend_from_slice(b"\r\n\r\n");
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(format!("{} closed the connection in the middle of an answer", self.address).into());
            }
            if let Some(answer) = Answer::parse(&self.received)? {
                return Ok(answer);
            }
        }
    }
}

impl Answer {
    /// The answer that these bytes are, or nothing when there are more to come.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let (head, rest) = bytes.split_at(end);
        let head = std::str::from_utf8(head)?.to_ascii_lowercase();
        let status = head.split(' ').nth(1).ok_or("an answer without a status")?.parse()?;
        let rest = rest.get(4..).unwrap_or_default();
        let body = match (header(&head, "content-length"), header(&head, "transfer-encoding")) {
            (Some(length), _) => rest.get(..length.parse()?).map(<[u8]>::to_vec),
            (None, Some("chunked")) => dechunk(rest)?,
            (None, _) => return Err(format!("an answer of unknown length: {head}").into()),
        };
        body.map(|body| Ok(Self { status, body: String::from_utf8(body)? })).transpose()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The body that these chunks are, or nothing when there are more to come.
fn dechunk(mut chunks: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(chunks, b"\r\n") else { return Ok(None) };
        let (size, rest) = chunks.split_at(end);
        let size = usize::from_str_radix(std::str::from_utf8(size)?.trim(), 16)?;
        // Behind the size and behind the chunk stands an end of line.
        let (Some(chunk), Some(next)) = (rest.get(2..size + 2), rest.get(size + 4..)) else { return Ok(None) };
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(chunk);
        chunks = next;
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
