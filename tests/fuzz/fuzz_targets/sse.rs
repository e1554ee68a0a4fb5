//! The SSE framer: the raw bytes of the events are the bytes that came, and cuts change nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::protocol::ReadError;
use servanda::protocol::sse::Framer;

fn events(data: &[u8], step: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ReadError> {
    let mut framer = Framer::new(1 << 20);
    let mut out = Vec::new();
    for piece in data.chunks(step) {
        framer.push(piece);
        while let Some(event) = framer.next()? {
            out.push((event.raw().to_vec(), event.data().to_vec()));
        }
    }
    while let Some(event) = framer.finish()? {
        out.push((event.raw().to_vec(), event.data().to_vec()));
    }
    Ok(out)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (step, data) = input;
    let whole = events(data, data.len().max(1));
    let pieces = events(data, usize::from(step).max(1));
    match (&whole, &pieces) {
        (Ok(a), Ok(b)) => assert_eq!(a, b),
        (Err(_), Err(_)) => {}
        _ => panic!("cuts decide: {whole:?} {pieces:?}"),
    }
    if let Ok(events) = whole {
        assert_eq!(events.iter().flat_map(|(raw, _)| raw.iter().copied()).collect::<Vec<u8>>(), data);
    }
});
