//! The upstream of the bench: answers each request with bytes made once. One thread, no HTTP library.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Deltas of one streamed answer.
pub(crate) const DELTAS: usize = 20;
/// Between two deltas.
pub(crate) const GAP: Duration = Duration::from_millis(5);

/// Listens and answers until it is killed.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on http://{}", listener.local_addr().unwrap());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                // A connection that breaks is the client's affair.
                drop(answer(socket).await);
            });
        }
    });
}

async fn answer(mut socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let small = whole(1 << 10);
    let large = whole(16 << 10);
    let mut buffer = Vec::with_capacity(64 << 10);
    loop {
        let (head, total) = loop {
            if let Some(found) = message(&buffer) {
                break found;
            }
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let body = &buffer[head..total];
        if memchr::memmem::find(body, b"\"stream\":true").is_some() {
            stream(&mut socket).await?;
        } else {
            socket.write_all(if body.len() > 8 << 10 { &large } else { &small }).await?;
        }
        buffer.drain(..total);
    }
}

/// End of the head and of the whole message, once it is all there. Plain and chunked bodies.
pub(crate) fn message(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = memchr::memmem::find(buffer, b"\r\n\r\n")? + 4;
    let fields = buffer[..head].to_ascii_lowercase();
    if let Some(at) = memchr::memmem::find(&fields, b"content-length:") {
        let digits = &fields[at + 15..];
        let end = digits.iter().position(|b| *b == b'\r')?;
        let length: usize = std::str::from_utf8(&digits[..end]).ok()?.trim().parse().ok()?;
        return (buffer.len() >= head + length).then_some((head, head + length));
    }
    let end = memchr::memmem::find(&buffer[head - 2..], b"\r\n0\r\n")? + head - 2 + 5;
    let close = memchr::memmem::find(&buffer[end - 2..], b"\r\n\r\n")? + end - 2 + 4;
    Some((head, close))
}

async fn stream(socket: &mut TcpStream) -> std::io::Result<()> {
    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    for at in 0..=DELTAS {
        let delta = if at == 0 {
            r#"{"role":"assistant","content":""}"#.to_owned()
        } else {
            r#"{"content":"some more words, "}"#.to_owned()
        };
        if at > 1 {
            tokio::time::sleep(GAP).await;
        }
        socket.write_all(&chunk(&event(&delta, "null"))).await?;
    }
    let mut end = chunk(&event("{}", "\"stop\""));
    end.extend(chunk("data: [DONE]\n\n"));
    end.extend_from_slice(b"0\r\n\r\n");
    socket.write_all(&end).await
}

fn event(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

/// A whole answer whose body is about `size` bytes.
fn whole(size: usize) -> Vec<u8> {
    let body = format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}}}"#,
        prose(size.saturating_sub(220))
    );
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Harmless words with punctuation and an occasional number, `size` bytes.
pub(crate) fn prose(size: usize) -> String {
    const WORDS: &str = "The parcel left the depot this morning and is on its way to you. It was handed over at gate 12, and the driver \
        expects to arrive in the afternoon. If nobody is at home, a neighbour can take it in; please tell us which one. \
        Returns are free for thirty days when the box has not been opened, and we pay the postage both ways. ";
    WORDS.chars().cycle().take(size).collect()
}
