//! Frames with sums, and the reader of Bedrock over them. Sums that a mutation has broken are put right first, or
//! nothing but the first check would ever be reached.
#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use servanda::protocol::frames::Frames;
use servanda::protocol::lines::Cutter;

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

/// Every whole frame with the sums that belong to it.
fn mended(data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    let mut at = 0;
    while let Some(total) = out.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize) {
        if total < 16 || at + total > out.len() {
            break;
        }
        let sum = crc32(&out[at..at + 8]).to_be_bytes();
        out[at + 8..at + 12].copy_from_slice(&sum);
        let sum = crc32(&out[at..at + total - 4]).to_be_bytes();
        out[at + total - 4..at + total].copy_from_slice(&sum);
        at += total;
    }
    out
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (mend, step, data) = input;
    let bytes = if mend { mended(data) } else { data.to_vec() };
    let adapter = wire::at("/model/m/converse-stream");
    wire::bodies(adapter, data);
    wire::streams(adapter, || Cutter::Frames(Frames::new(1 << 20)), &bytes, step);
});
