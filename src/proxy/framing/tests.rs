//! What is beyond doubt passes, everything else is refused, however the bytes are cut.

use proptest::prelude::*;

use super::*;

const HEAD: &str = "POST /a HTTP/1.1\r\nHost: h\r\n";

/// What a connection with these bytes is refused for, fed in pieces of `step`.
fn refused(text: &str, step: usize) -> Option<&'static str> {
    let mut framing = Framing::default();
    text.as_bytes().chunks(step).find_map(|piece| framing.read(piece).err()).map(|r| r.reason)
}

fn fine(text: &str) {
    for step in [1, 2, 3, 7, text.len()] {
        assert_eq!(refused(text, step), None, "{text:?} by {step}");
    }
}

fn bad(text: &str, reason: &str) {
    for step in [1, 2, 3, 7, text.len()] {
        assert_eq!(refused(text, step), Some(reason), "{text:?} by {step}");
    }
}

#[test]
fn what_is_beyond_doubt_passes() {
    fine("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    fine(&format!("{HEAD}Content-Length: 3\r\n\r\nabc{HEAD}content-length:0\r\n\r\nGET / HTTP/1.0\r\n\r\n"));
    fine(&format!(
        "{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n{HEAD}\r\n"
    ));
    fine(&format!("{HEAD}Transfer-Encoding:Chunked\r\n\r\n0\r\n\r\n\r\n{HEAD}\r\n"));
    fine("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\n\n \r");
}

#[test]
fn two_framings_of_one_message_are_refused() {
    bad(&format!("{HEAD}Content-Length: 3\r\nContent-Length: 4\r\n\r\n"), "two lengths");
    bad(&format!("{HEAD}Content-Length: 3\r\nCONTENT-LENGTH: 3\r\n\r\nabc"), "two lengths");
    bad(&format!("{HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), "a length beside a transfer coding");
    bad(&format!("{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"), "a length beside a transfer coding");
    bad(&format!("{HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), "two transfer codings");
    for coding in [
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked\t",
        "chunked ",
        "\tchunked",
        "  chunked",
        "xchunked",
        "",
        "\"chunked\"",
    ] {
        bad(&format!("{HEAD}Transfer-Encoding: {coding}\r\n\r\n"), "a transfer coding that is not chunked alone");
    }
    bad("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "a transfer coding on HTTP/1.0");
    for length in ["-1", "+3", "3, 3", "0x3", "", "3 3", "9999999999999999999999"] {
        bad(&format!("{HEAD}Content-Length: {length}\r\n\r\n"), "a length that is no number");
    }
}

#[test]
fn lines_end_in_one_way() {
    bad("GET / HTTP/1.1\nHost: h\n\n", "a line ends without CR LF");
    bad(&format!("{HEAD}X: a\rContent-Length: 3\r\n\r\n"), "a line contains CR or NUL");
    bad(&format!("{HEAD}X: a\r\n b\r\n\r\n"), "a folded line");
    bad("GET / HTTP/1.1\r\n Host: h\r\n\r\n", "a folded line");
    bad(&format!("{HEAD}Content-Length : 3\r\n\r\n"), "white space in a field name");
    bad(&format!("{HEAD}Transfer-Encoding : chunked\r\n\r\n"), "white space in a field name");
    bad(&format!("{HEAD}Nonsense\r\n\r\n"), "a field has no colon");
}

#[test]
fn chunks_are_as_long_as_they_say() {
    let chunked = |body: &str| format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}");
    for size in ["", "g", "-1", "0x3", " 3", "3 ", "+3", "1000000000000000"] {
        bad(&chunked(&format!("{size}\r\n")), "a chunk size that is no number");
    }
    bad(&chunked("3\nabc\r\n"), "a line ends without CR LF");
    bad(&chunked("3\r\nabc\n"), "a line ends without CR LF");
    bad(&chunked("0\r\n X: y\r\n\r\n"), "a folded line");
    // What follows a chunk must be its line end: refused as soon as that is impossible or the line ends.
    for step in [1, 2, 100] {
        assert!(refused(&chunked("3\r\nabcd\r\n0\r\n\r\n"), step).is_some());
    }
    assert!(refused(&chunked(&format!("1;{}\r\n", "x".repeat(5000))), 7).is_some());
}

proptest! {
    #[test]
    fn cuts_change_nothing(cuts in prop::collection::vec(1usize..40, 1..40), pick in 0usize..4) {
        let text = [
            format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n{HEAD}Content-Length: 2\r\n\r\nok"),
            format!("{HEAD}Content-Length: 2\r\n\r\nok{HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"),
            format!("{HEAD}X: y\r\n z\r\n\r\n"),
        ][pick].clone();
        let whole = refused(&text, text.len());
        let mut framing = Framing::default();
        let mut rest = text.as_bytes();
        let mut seen = None;
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() && seen.is_none() {
            let (now, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            seen = framing.read(now).err().map(|r| r.reason);
            rest = later;
        }
        prop_assert_eq!(seen, whole);
    }
}
