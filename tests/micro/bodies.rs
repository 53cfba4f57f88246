//! Bodies: chunks found in what came, and each framing turned into the one that goes out.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use lb::http::body::{Body, Encoding};
use lb::http::chunked::{Piece, Scanner};
use lb::http::framing::Framing;

/// Content of a body here.
const CONTENT: usize = 64 * 1024;

/// What is read, and so relayed, at a time.
const PIECE: usize = 16 * 1024;

/// How much room there is for what goes out: more than any piece becomes.
const ROOM: usize = 8 * CONTENT;

/// One byte is what a client sends that writes its body byte by byte, or means harm.
const CHUNK_SIZES: [usize; 4] = [1, 16, 1024, 16 * 1024];

/// The content in chunks of this size, with the end.
fn in_chunks(size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..CONTENT / size {
        body.extend(format!("{size:x}\r\n").bytes());
        body.resize(body.len() + size, b'x');
        body.extend(b"\r\n");
    }
    body.extend(b"0\r\n\r\n");
    body
}

#[divan::bench(args = CHUNK_SIZES)]
fn scan_64k_in_chunks_of(bencher: Bencher<'_, '_>, size: usize) {
    let body = in_chunks(size);
    bencher.counter(BytesCount::new(CONTENT)).bench_local(|| {
        let (mut scanner, mut at) = (Scanner::default(), 0);
        loop {
            match scanner.next(black_box(&body[at..])).unwrap() {
                Piece::Data(range) => at += range.end,
                Piece::End(range) => return at + range.end,
                Piece::More { .. } => unreachable!("the body is whole"),
            }
        }
    });
}

/// Relays all of `input` piece by piece, as it comes and goes in a session.
fn relay(mut body: Body, input: &[u8], out: &mut Vec<u8>) -> u64 {
    for piece in input.chunks(PIECE) {
        out.clear();
        body.relay(black_box(piece), out).unwrap();
        black_box(&*out);
    }
    body.content
}

fn bench_relay(bencher: Bencher<'_, '_>, framing: Framing, encoding: Encoding, input: &[u8]) {
    let mut out = Vec::with_capacity(ROOM);
    bencher
        .counter(BytesCount::new(CONTENT))
        .bench_local(|| relay(Body::new(framing, encoding, true), input, &mut out));
}

#[divan::bench]
fn relay_64k_plain(bencher: Bencher<'_, '_>) {
    let framing = Framing::Length(CONTENT as u64);
    bench_relay(bencher, framing, Encoding::Plain, &[b'x'; CONTENT]);
}

#[divan::bench]
fn relay_64k_until_close_as_chunks(bencher: Bencher<'_, '_>) {
    bench_relay(
        bencher,
        Framing::UntilClose,
        Encoding::Chunked,
        &[b'x'; CONTENT],
    );
}

#[divan::bench(args = CHUNK_SIZES)]
fn relay_64k_as_chunks_in_chunks_of(bencher: Bencher<'_, '_>, size: usize) {
    bench_relay(
        bencher,
        Framing::Chunked,
        Encoding::Chunked,
        &in_chunks(size),
    );
}

#[divan::bench(args = CHUNK_SIZES)]
fn relay_64k_plain_in_chunks_of(bencher: Bencher<'_, '_>, size: usize) {
    bench_relay(bencher, Framing::Chunked, Encoding::Plain, &in_chunks(size));
}

/// What most answers are: a head with a few bytes behind it.
#[divan::bench]
fn relay_19_bytes(bencher: Bencher<'_, '_>) {
    let mut out = Vec::with_capacity(ROOM);
    bencher.bench_local(|| {
        out.clear();
        let mut body = Body::new(Framing::Length(19), Encoding::Plain, true);
        body.relay(black_box(b"nineteen bytes long"), &mut out)
    });
}
