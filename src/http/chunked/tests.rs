//! The chunked coding, at every split.

use super::*;
use crate::http::chunk_writer::write_end;

/// Decodes `input` in pieces of at most `step` bytes: content, and bytes left behind.
fn decode(input: &[u8], step: usize) -> Result<Option<(Vec<u8>, usize)>, Refusal> {
    let (mut scanner, mut content) = (Scanner::default(), Vec::new());
    let (mut start, mut end) = (0, 0);
    loop {
        match scanner.next(&input[start..end])? {
            Piece::Data(range) => {
                content.extend_from_slice(&input[start..end][range.clone()]);
                start += range.end;
            }
            Piece::End(range) => return Ok(Some((content, input.len() - start - range.end))),
            Piece::More { .. } if end == input.len() => return Ok(None),
            Piece::More { consumed } => {
                start += consumed;
                end = (end + step).min(input.len());
            }
        }
    }
}

fn at_every_split(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Refusal> {
    let whole = decode(input, input.len().max(1));
    for step in 1..input.len() {
        let split = decode(input, step);
        assert_eq!(split.is_ok(), whole.is_ok(), "{input:?} by {step}");
        if split.is_ok() {
            assert_eq!(split, whole, "{input:?} by {step}");
        }
    }
    whole
}

#[test]
fn bodies_are_decoded_and_bytes_behind_them_left() {
    let body = b"5 \t;a\r\nhello\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET";
    assert_eq!(
        at_every_split(body),
        Ok(Some((b"hello0123456789".to_vec(), 3)))
    );
    assert_eq!(at_every_split(b"0\r\n\r\n"), Ok(Some((vec![], 0))));
    assert_eq!(at_every_split(b"5\r\nhell"), Ok(None));
    assert_eq!(at_every_split(b"0\r\n"), Ok(None));
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for body in [
        &b"\r\n"[..],
        b";x\r\n",
        b"5 \r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"0x5\r\n",
        b"+5\r\n",
        b"5\nhello\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"5;a\nb\r\n",
        b"5;a\rb\r\n",
        b"5;\0\r\n",
        b"00000000000000005\r\nhello\r\n",
        b"fffffffffffffffff\r\n",
        b"5\r\rhello",
        b"0\r\n\n",
        b"0\r\nA: b\n\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"5_0\r\n",
        b"0\r\nX\r\n",
    ] {
        let read = at_every_split(body);
        let trailers_fail = body == b"0\r\nX\r\n";
        assert!(
            read.is_err() || (trailers_fail && read == Ok(None)),
            "{body:?}: {read:?}"
        );
    }
}

#[test]
fn a_response_may_fill_its_size_lines_up_with_blanks() {
    let read = |body: &[u8]| {
        let piece = Scanner::of_response().next(body);
        piece.map(|piece| match piece {
            Piece::Data(range) => body[range].to_vec(),
            other => panic!("{other:?}"),
        })
    };
    for body in [&b"5   \r\nhello"[..], b"5\t \r\nhello", b"5 ;a=b \r\nhello"] {
        assert_eq!(read(body), Ok(b"hello".to_vec()), "{body:?}");
        let mut bytewise = Scanner::of_response();
        let split = (0..4).try_for_each(|at| bytewise.next(&body[at..=at]).map(drop));
        assert_eq!(split, Ok(()), "{body:?}");
    }
    for body in [
        &b" 5\r\nhello"[..],
        b"5 \nhello",
        b"5 5\r\n",
        b"5 \r5",
        b" \r\n",
    ] {
        assert!(read(body).is_err(), "{body:?}");
    }
}

#[test]
fn a_wrong_byte_behind_data_or_the_last_size_is_refused_when_it_arrives() {
    for body in [&b"1\r\naX"[..], b"1\r\na\rX", b"1\r\na\n", b"0\r\n\rX"] {
        assert!(at_every_split(body).is_err(), "{body:?}");
        let before = &body[..body.len() - 1];
        assert_eq!(at_every_split(before), Ok(None), "{before:?}");
    }
}

#[test]
fn the_largest_size_does_not_wrap() {
    let (mut scanner, input) = (Scanner::default(), b"ffffffffffffffff\r\nab");
    assert_eq!(scanner.next(input), Ok(Piece::Data(18..20)));
    assert_eq!(scanner.next(b"cd"), Ok(Piece::Data(0..2)));
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let extended = [b"1;".as_slice(), &[b'a'; 20_000], b"\r\n"].concat();
    assert!(Scanner::default().next(&extended).is_err());
    let trailers = [b"0\r\nA: ".as_slice(), &[b'a'; 9_000], b"\r\n\r\n"].concat();
    assert!(Scanner::default().next(&trailers).is_err());
}

#[test]
fn a_response_may_fill_up_each_size_line_of_a_body_without_end_and_each_only_so_far() {
    let chunks = |blanks: usize, count| {
        let chunk = format!("1{}\r\na\r\n", " ".repeat(blanks));
        let (mut scanner, body) = (Scanner::of_response(), chunk.repeat(count));
        let (mut start, mut content) = (0, 0);
        while start < body.len() {
            match scanner.next(&body.as_bytes()[start..])? {
                Piece::Data(range) => (start, content) = (start + range.end, content + range.len()),
                Piece::More { consumed } => start += consumed,
                Piece::End(_) => break,
            }
        }
        Ok::<_, Refusal>(content)
    };
    assert_eq!(chunks(15, 10_000), Ok(10_000));
    assert!(chunks(20_000, 1).is_err());
    assert!(chunks(25, 10_000).is_err(), "no size is as long");
}

#[test]
fn framing_fields_do_not_pass_in_trailers() {
    let mut out = Vec::new();
    write_end(
        b"X-Sum: 1\r\nContent-Length: 5\r\nhost: x\r\nCOOKIE: a\r\nContent_Length: 6\r\n\r\n",
        &mut out,
    )
    .expect("valid");
    assert_eq!(out, b"0\r\nX-Sum: 1\r\n\r\n");
    assert!(write_end(b"A b: c\r\n\r\n", &mut Vec::new()).is_err());
}

#[test]
fn a_blank_beyond_the_width_of_the_longest_size_counts_as_an_extension() {
    let body = |blanks: usize| {
        let chunk = format!("1{}\r\na\r\n", " ".repeat(blanks));
        let (mut scanner, body) = (
            Scanner::of_response(),
            chunk.repeat(MAX_EXTENSION_BYTES as usize + 1),
        );
        let mut start = 0;
        while start < body.len() {
            start += match scanner.next(&body.as_bytes()[start..])? {
                Piece::Data(range) => range.end,
                Piece::More { consumed } => consumed,
                Piece::End(_) => break,
            };
        }
        Ok::<_, Refusal>(())
    };
    assert_eq!(body(MAX_SIZE_DIGITS - 1), Ok(()));
    assert!(body(MAX_SIZE_DIGITS).is_err());
}

#[test]
fn what_is_left_of_a_chunk_is_known_from_the_end_of_its_size() {
    for (input, left) in [
        ("5", 0),
        ("5\r", 5),
        ("5;a", 5),
        ("5\r\n", 5),
        ("5\r\nab", 3),
        ("5\r\nabcde", 0),
    ] {
        let mut scanner = Scanner::default();
        let mut start = 0;
        while start < input.len() {
            start += match scanner.next(&input.as_bytes()[start..]).expect(input) {
                Piece::Data(range) => range.end,
                Piece::More { consumed } => consumed,
                Piece::End(_) => panic!("{input} has no end"),
            };
        }
        assert_eq!(scanner.left_in_chunk(), left, "{input}");
    }
}

#[test]
fn what_is_wrong_behind_a_chunk_or_in_a_trailer_section_is_named() {
    let error = |input: &[u8]| {
        let mut scanner = Scanner::default();
        let mut start = 0;
        loop {
            match scanner.next(&input[start..]) {
                Ok(Piece::Data(range)) => start += range.end,
                Ok(piece) => panic!("{piece:?}"),
                Err(refusal) => return refusal.why,
            }
        }
    };
    assert_eq!(error(b"1\r\nab"), "a chunk is longer than its size");
    assert_eq!(error(b"1\r\na\rb"), "a chunk is longer than its size");
    assert_eq!(error(b"x\r\n"), "a chunk size line is malformed");
    assert!(
        write_end(b"A: b\r\n", &mut Vec::new()).is_err(),
        "it has no end"
    );
}
