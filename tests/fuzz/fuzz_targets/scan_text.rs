//! The scanner with every shipped pattern: whole and streamed give the same hits, wherever the cuts fall.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use servanda::pact::pack::Packs;
use servanda::scan::span::join_pieces;
use servanda::scan::{Scanner, Scratch, StreamScanner};

static SCANNER: LazyLock<Arc<Scanner>> = LazyLock::new(|| Arc::new(Packs::shipped().scanner().expect("the shipped packs build")));

fuzz_target!(|input: (Vec<u8>, &str)| {
    let (cuts, text) = input;
    let mut scratch = Scratch::new(&SCANNER);
    let mut whole = Vec::new();
    if SCANNER.scan(text, &mut scratch, &mut whole) > 0 {
        return;
    }
    let mut stream = StreamScanner::new(&SCANNER);
    let mut hits = Vec::new();
    let (mut at, mut safe, mut cut) = (0, 0, cuts.iter().cycle());
    while at < text.len() {
        let mut end = (at + usize::from(*cut.next().unwrap_or(&255)) + 1).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let next = stream.push(&text[at..end], &mut hits);
        assert!(next >= safe && next <= end as u64, "decided up to {next}, before {safe}, read {end}");
        (safe, at) = (next, end);
        // What starts before the decided point has been given.
        let given = |start: usize| hits.iter().any(|h| h.start <= start && start < h.end);
        assert!(whole.iter().filter(|h| (h.start as u64) < safe).all(|h| given(h.start)));
    }
    stream.finish(&mut hits);
    join_pieces(&mut hits);
    assert_eq!(hits, whole);
    let mut topics = stream.topics();
    let mut wanted = SCANNER.topics(text, &mut scratch);
    topics.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(topics, wanted);
});
