//! Codings undone: whole and in pieces alike, never above the ceiling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::protocol::encoding::{Ceiling, Coding, Decoder, decode};
use servanda::protocol::{Code, ReadError};

const CEILING: Ceiling = Ceiling { bytes: 1 << 20, ratio: 200, ratio_floor: 1 << 16 };

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (coding, step, data) = input;
    let coding = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd][usize::from(coding % 4)];
    let whole = decode(coding, data, CEILING);
    let pieces = || {
        let mut decoder = Decoder::new(coding, CEILING)?;
        let mut out = Vec::new();
        for piece in data.chunks(usize::from(step).max(1)) {
            out.extend_from_slice(&decoder.push(piece)?);
        }
        decoder.finish()?;
        Ok::<_, ReadError>(out)
    };
    let pieces = pieces();
    match (&whole, &pieces) {
        (Ok(a), Ok(b)) => assert_eq!(a, b),
        (Err(_), Err(_)) => {}
        // The ratio is looked at after each piece, so that only its verdict may differ.
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => assert_eq!(error.code, Code::RatioTooHigh),
    }
    for out in [whole, pieces].into_iter().flatten() {
        assert!(out.len() <= CEILING.bytes);
    }
});
