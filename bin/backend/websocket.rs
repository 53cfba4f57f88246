//! An echo over WebSocket (RFC 6455), frame by frame: what comes in goes back, unmasked.

use base64::Engine as _;
use sha1::{Digest as _, Sha1};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The largest frame that is echoed; it is held whole.
const MAX_FRAME_BYTES: u64 = 16 << 20;

const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const CLOSE: u8 = 0x8;

/// Accepts the upgrade and echoes until the client closes. `received` holds what came right
/// behind the request.
pub(crate) fn serve(stream: &mut TcpStream, received: &mut Vec<u8>, key: &str) -> io::Result<()> {
    let digest = Sha1::new()
        .chain_update(key.trim())
        .chain_update(GUID)
        .finalize();
    let accept = base64::engine::general_purpose::STANDARD.encode(digest);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.set_read_timeout(None)?;
    let early = std::mem::take(received);
    let mut input = io::Cursor::new(early).chain(stream.try_clone()?);
    loop {
        let (first, payload) = read_frame(&mut input)?;
        let first = if first & 0x0f == PING {
            first & 0xf0 | PONG
        } else {
            first
        };
        write_frame(stream, first, &payload)?;
        if first & 0x0f == CLOSE {
            return Ok(());
        }
    }
}

/// The first byte of a frame (final bit and opcode) and its payload.
fn read_frame(input: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let [first, second] = read_array(input)?;
    let length = match second & 0x7f {
        126 => u64::from(u16::from_be_bytes(read_array(input)?)),
        127 => u64::from_be_bytes(read_array(input)?),
        length => u64::from(length),
    };
    if second & 0x80 == 0 || length > MAX_FRAME_BYTES {
        return Err(ErrorKind::InvalidData.into());
    }
    let mask: [u8; 4] = read_array(input)?;
    let mut payload = Vec::new();
    input.take(length).read_to_end(&mut payload)?;
    if payload.len() as u64 != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    payload
        .iter_mut()
        .zip(mask.iter().cycle())
        .for_each(|(byte, mask)| *byte ^= mask);
    Ok((first, payload))
}

fn read_array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn write_frame(stream: &mut TcpStream, first: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame)
}
