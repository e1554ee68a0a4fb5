//! The framing rules, each cut, and rewriting.

use proptest::prelude::*;

use super::*;

/// Every event of `bytes` when it comes in pieces cut at `cuts`.
fn frames(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Event>, ReadError> {
    let mut framer = Framer::new(1 << 20);
    let mut out = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let cut = cut.clamp(at, bytes.len());
        framer.push(&bytes[at..cut]);
        at = cut;
        while let Some(event) = framer.next()? {
            out.push(event);
        }
    }
    while let Some(event) = framer.finish()? {
        out.push(event);
    }
    Ok(out)
}

fn shape(events: &[Event]) -> Vec<(Vec<u8>, Vec<u8>, Vec<Line>, bool)> {
    events.iter().map(|e| (e.raw().to_vec(), e.data().to_vec(), e.lines().to_vec(), e.ended())).collect()
}

fn datas(bytes: &[u8]) -> Vec<String> {
    frames(bytes, &[])
        .unwrap()
        .iter()
        .filter(|e| e.has_data() && e.ended())
        .map(|e| String::from_utf8(e.data().to_vec()).unwrap())
        .collect()
}

#[test]
fn whatwg_examples() {
    assert_eq!(datas(b"data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    assert_eq!(
        datas(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
        ["first event", "second event", " third event"]
    );
    assert_eq!(datas(b"data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(datas(b"data:test\n\ndata: test\n\n"), ["test", "test"]);
}

#[test]
fn line_ends_and_the_mark() {
    let plain = datas(b"data: a\ndata: b\n\ndata: c\n\n");
    assert_eq!(datas(b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"), plain);
    assert_eq!(datas(b"data: a\rdata: b\r\rdata: c\r\r"), plain);
    assert_eq!(datas(b"data: a\ndata: b\r\n\rdata: c\r\n\n"), plain);
    assert_eq!(datas(b"\xEF\xBB\xBFdata: a\ndata: b\n\ndata: c\n\n"), plain);
    assert_eq!(datas(b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\n").len(), 0, "only one mark counts");
}

#[test]
fn a_comment_does_not_wait() {
    let mut framer = Framer::new(1024);
    framer.push(b": keep-alive\n");
    assert_eq!(framer.next().unwrap().unwrap().raw().as_ref(), b": keep-alive\n");
    framer.push(b"data: x\n: inside\n");
    assert!(framer.next().unwrap().is_none());
    framer.push(b"\n");
    assert_eq!(framer.next().unwrap().unwrap().raw().as_ref(), b"data: x\n: inside\n\n");
}

#[test]
fn the_last_event_may_lack_its_blank_line() {
    let events = frames(b"data: a\n\ndata: 4111", &[]).unwrap();
    assert_eq!(events.len(), 2);
    assert!(!events[1].ended());
    assert_eq!(events[1].data(), b"4111");
}

#[test]
fn an_event_over_the_ceiling_is_an_error() {
    for step in [1, 7, 1000] {
        let mut framer = Framer::new(64);
        let mut failed = None;
        for chunk in [b"data: ".to_vec(), vec![b'x'; 200]].concat().chunks(step) {
            framer.push(chunk);
            if let Err(error) = framer.next() {
                failed = Some(error.code);
                break;
            }
        }
        assert_eq!(failed, Some(Code::EventTooLarge));
    }
}

#[test]
fn rewriting_changes_only_the_text() {
    let event = &frames(b"id: 7\r\ndata: {\"t\":\"a\\u0034111 b\"}\r\n\r\n", &[]).unwrap()[0];
    let at = event.data().windows(4).position(|w| w == b"a\\u0").unwrap();
    let place = Place { at: at..at + 12, within: Within::Json };
    assert_eq!(event.text(&place).as_str(), "a4111 b");
    let out = event.rewrite(&[Change { place: &place, at: 1..5, with: "[\"x\"]" }]);
    assert_eq!(out.as_ref(), b"id: 7\r\ndata: {\"t\":\"a[\\\"x\\\"] b\"}\r\n\r\n");
    assert_eq!(event.rewrite(&[]), event.raw());
}

#[test]
fn rewriting_over_lines() {
    let event = &frames(b"data: one 41\nid: 1\ndata:11 two\ndata: three\n\n", &[]).unwrap()[0];
    let place = Place { at: 0..event.data().len(), within: Within::Data };
    let out = event.rewrite(&[Change { place: &place, at: 4..9, with: "[x]" }]);
    assert_eq!(out.as_ref(), b"data: one [x] two\ndata: three\nid: 1\n\n");
    let out = event.rewrite(&[Change { place: &place, at: 0..3, with: "a\r\nevent: evil" }]);
    assert_eq!(datas(&out), ["a\nevent: evil 41\n11 two\nthree"]);
    let comment = &frames(b"data: x\n: 4111\n\n", &[]).unwrap()[0];
    let line = &comment.lines()[1];
    let place = Place { at: line.value.clone(), within: Within::Line };
    assert_eq!(comment.text(&place).as_str(), "4111");
    let out = comment.rewrite(&[Change { place: &place, at: 0..4, with: "a\ndata: b" }]);
    assert_eq!(out.as_ref(), b"data: x\n: a data: b\n\n");
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let bits = prop_oneof![
        Just(&b"\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"data"[..]),
        Just(&b":"[..]),
        Just(&b" "[..]),
        Just(&b"event"[..]),
        Just(&b"id: 1"[..]),
        Just(&b"retry"[..]),
        Just(&b"\xEF\xBB\xBF"[..]),
        Just(&b"{\"a\":\"b\"}"[..]),
        Just("é".as_bytes()),
    ];
    prop::collection::vec(bits, 0..40).prop_map(|bits| bits.concat())
}

proptest! {
    #[test]
    fn every_cut_gives_the_same_events(bytes in stream(), cuts in prop::collection::vec(0usize..120, 0..6)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let whole = frames(&bytes, &[]).unwrap();
        prop_assert_eq!(whole.iter().flat_map(|e| e.raw().to_vec()).collect::<Vec<u8>>(), bytes.clone());
        prop_assert_eq!(shape(&whole), shape(&frames(&bytes, &cuts).unwrap()));
        let every: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(shape(&whole), shape(&frames(&bytes, &every).unwrap()));
    }
}
