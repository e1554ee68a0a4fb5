//! The adapter of `/v1/responses`: bodies both ways, and streams cut anywhere.
#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use servanda::protocol::lines::Cutter;
use servanda::protocol::sse::Framer;

fuzz_target!(|input: (u8, &[u8])| {
    let adapter = wire::at("/v1/responses");
    wire::bodies(adapter, input.1);
    wire::streams(adapter, || Cutter::Events(Framer::new(1 << 20)), input.1, input.0);
});
