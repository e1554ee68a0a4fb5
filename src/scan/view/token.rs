//! Runs that look encoded, undone while they arrive: base64 and base64url with or without padding, base32, hex
//! with and without separators (RFC 4648; `69:67`, `69-67`, `0x69, 0x67`).
//!
//! A decoder follows a run as long as what comes out is text, and gives up at the first byte that is none, which
//! is soon: three bytes in four of anything else are no printable ASCII. Promises: what is decoded depends on the text before
//! it alone, and every decoded byte knows the bytes it came from.

use crate::scan::byteset::letters_digits_and;
use crate::scan::check;

/// Decoded bytes before anybody looks at them: fewer hold nothing that is worth hiding.
const OPEN_MIN: usize = 8;

/// Shortest run that holds so many.
const RUN_MIN: usize = 11;

/// Decoded bytes of a line after which base64 may be wrapped (RFC 2045 wraps after 57, RFC 7468 after 48).
const LINE_MIN: usize = 45;

/// How a run is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Base64,
    Base32,
    Hex,
    /// Hex behind a `0x`, or with one before every byte.
    Prefixed,
}

/// All that are tried.
pub(super) const CODINGS: [Coding; 4] = [Coding::Base64, Coding::Base32, Coding::Hex, Coding::Prefixed];

/// What a decoder is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing.
    #[default]
    Idle,
    /// A run, of which too little has been decoded yet.
    Begun,
    /// A run whose text is looked at.
    Open,
    /// Such a run that has ended.
    Ended,
}

/// What stands between two bytes of hex.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Between {
    #[default]
    Unknown,
    Nothing,
    Sign(u8),
}

/// One decoder at its run.
#[derive(Debug)]
pub(super) struct Decoder {
    coding: Coding,
    pub(super) phase: Phase,
    /// Where its run begins, in the text that is decoded.
    pub(super) start: usize,
    /// Bits that make no byte yet, how many, and where they begin.
    bits: u32,
    waiting: u32,
    from: usize,
    /// What stands between two bytes of hex.
    between: Between,
    /// Of a prefix or a separator, what has been seen.
    step: u8,
    /// Decoded bytes that are no whole character yet.
    partial: Vec<u8>,
    /// Decoded text that nobody has taken yet.
    pub(super) text: String,
    /// Where each decoded byte begins and ends, from the byte `forgotten` on.
    places: Vec<(usize, usize)>,
    forgotten: usize,
}

/// What a byte is to a run.
enum Fed {
    Taken,
    /// The run ends before it, or what came out is no text.
    Ends,
}

impl Decoder {
    pub(super) fn new(coding: Coding) -> Self {
        Self {
            coding,
            phase: Phase::Idle,
            start: 0,
            bits: 0,
            waiting: 0,
            from: 0,
            between: Between::Unknown,
            step: 0,
            partial: Vec::new(),
            text: String::new(),
            places: Vec::new(),
            forgotten: 0,
        }
    }

    /// Begins a run.
    pub(super) fn begin(&mut self, start: usize) {
        self.stop();
        self.phase = Phase::Begun;
        (self.start, self.from) = (start, start);
    }

    /// Has no run.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Idle;
        (self.bits, self.waiting, self.step, self.forgotten) = (0, 0, 0, 0);
        self.between = Between::Unknown;
        self.partial.clear();
        self.text.clear();
        self.places.clear();
    }

    /// Takes the next byte, which stands at `at`; the run may end before it.
    pub(super) fn feed(&mut self, byte: u8, at: usize) {
        let fed = match self.coding {
            Coding::Base64 => self.base64(byte, at),
            Coding::Base32 => self.base32(byte, at),
            Coding::Hex => self.hex(byte, at),
            Coding::Prefixed => self.prefixed(byte, at),
        };
        match fed {
            Fed::Taken if self.phase == Phase::Begun && self.decoded() >= OPEN_MIN => self.phase = Phase::Open,
            Fed::Taken => {}
            Fed::Ends => self.end(),
        }
    }

    /// The run has ended.
    pub(super) fn end(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Ended;
        } else {
            self.stop();
        }
    }

    fn has_begun(&self) -> bool {
        self.forgotten + self.places.len() > 0
    }

    /// How many bytes of text have been decoded.
    pub(super) fn decoded(&self) -> usize {
        self.forgotten + self.places.len() - self.partial.len()
    }

    /// Where the decoded bytes from `start` to `end` came from.
    pub(super) fn place(&self, start: usize, end: usize) -> (usize, usize) {
        let at = |index: usize| self.places.get(index.saturating_sub(self.forgotten));
        let begin = at(start).map_or(self.from, |place| place.0);
        (begin, end.checked_sub(1).and_then(at).map_or(begin, |place| place.1))
    }

    /// Forgets where the decoded bytes before `start` came from.
    pub(super) fn forget(&mut self, start: usize) {
        let old = start.saturating_sub(self.forgotten).min(self.places.len());
        // Moving a few at each step costs more than keeping them for a while.
        if old > self.places.len() / 2 {
            self.places.drain(..old);
            self.forgotten += old;
        }
    }

    /// Adds bits; gives out the byte they fill.
    fn add(&mut self, value: u32, bits: u32, at: usize) -> Fed {
        if self.waiting == 0 {
            self.from = if self.has_begun() { at } else { self.start };
        }
        self.bits = self.bits << bits | value;
        self.waiting += bits;
        if self.waiting < 8 {
            return Fed::Taken;
        }
        self.waiting -= 8;
        let byte = u8::try_from(self.bits >> self.waiting & 0xFF).unwrap_or_default();
        self.bits &= (1 << self.waiting) - 1;
        self.places.push((self.from, at + 1));
        self.from = if self.waiting > 0 { at } else { at + 1 };
        self.emit(byte)
    }

    fn emit(&mut self, byte: u8) -> Fed {
        if self.partial.is_empty() && byte.is_ascii() {
            if byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r') {
                return Fed::Ends;
            }
            self.text.push(char::from(byte));
            return Fed::Taken;
        }
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                self.text.push_str(text);
                self.partial.clear();
                Fed::Taken
            }
            Err(error) if error.error_len().is_none() => Fed::Taken,
            Err(_) => Fed::Ends,
        }
    }

    fn base64(&mut self, byte: u8, at: usize) -> Fed {
        match check::base64_digit(byte) {
            Some(value) => self.add(u32::from(value), 6, at),
            None if matches!(byte, b'\r' | b'\n') && self.decoded() >= LINE_MIN => Fed::Taken,
            None => Fed::Ends,
        }
    }

    fn base32(&mut self, byte: u8, at: usize) -> Fed {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            b'\r' | b'\n' if self.decoded() >= LINE_MIN => return Fed::Taken,
            _ => return Fed::Ends,
        };
        self.add(u32::from(value), 5, at)
    }

    fn digit(&mut self, byte: u8, at: usize) -> Fed {
        match char::from(byte).to_digit(16) {
            Some(value) => self.add(value, 4, at),
            None => Fed::Ends,
        }
    }

    fn hex(&mut self, byte: u8, at: usize) -> Fed {
        let parts = matches!(byte, b':' | b'-');
        if self.waiting > 0 || !self.has_begun() {
            return self.digit(byte, at);
        }
        // Between two bytes: the same sign every time, or none.
        match self.between {
            Between::Unknown if parts => {
                (self.between, self.step) = (Between::Sign(byte), 1);
                Fed::Taken
            }
            Between::Unknown | Between::Nothing => {
                self.between = Between::Nothing;
                self.digit(byte, at)
            }
            Between::Sign(sign) if self.step == 0 => {
                self.step = 1;
                if byte == sign { Fed::Taken } else { Fed::Ends }
            }
            Between::Sign(_) => {
                self.step = 0;
                self.digit(byte, at)
            }
        }
    }

    fn prefixed(&mut self, byte: u8, at: usize) -> Fed {
        match (self.step, byte) {
            (0, b'0') => self.step = 1,
            (0, b' ' | b',') if self.has_begun() => {}
            // The prefix stands before the first byte at least.
            (0, _) if self.has_begun() => {
                self.step = 3;
                return self.digit(byte, at);
            }
            (1, b'x' | b'X') => self.step = 2,
            (1, _) if self.has_begun() => {
                self.step = 0;
                return match self.digit(b'0', at - 1) {
                    Fed::Taken => self.digit(byte, at),
                    Fed::Ends => Fed::Ends,
                };
            }
            (2 | 3, _) => {
                self.step = (self.step + 1) % 4;
                return self.digit(byte, at);
            }
            _ => return Fed::Ends,
        }
        Fed::Taken
    }
}

/// Bytes of a run in which small letters, capitals and digits stand together from which it is taken for something
/// encoded, whatever it is.
const PAYLOAD_MIN: usize = 20;

/// What a run that came to nothing leaves to be passed over: the rest of its word, since none begins within one; of what is
/// plainly encoded all of it, since a picture or a document holds text too, somewhere in its middle.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trail {
    /// Bytes of the run so far; none where nothing is passed over.
    passed: usize,
    /// The kinds of letters and digits among them.
    kinds: u8,
    payload: bool,
}

impl Trail {
    /// A byte of the run was passed.
    pub(super) fn pass(&mut self, byte: u8) {
        self.passed += 1;
        self.kinds |= match byte {
            b'a'..=b'z' => 1,
            b'A'..=b'Z' => 2,
            b'0'..=b'9' => 4,
            _ => 0,
        };
    }

    /// Whether the next byte is passed over too; where not, another run may begin there.
    pub(super) fn goes_on(&mut self, byte: u8) -> bool {
        let in_word = byte.is_ascii_alphanumeric();
        self.payload |= !in_word && self.passed >= PAYLOAD_MIN && self.kinds == 7;
        let on = self.passed > 0 && (in_word || self.payload && matches!(byte, b'+' | b'/' | b'-' | b'_'));
        if !on {
            *self = Self::default();
        }
        on
    }
}

/// The bytes that runs consist of.
static TOKEN: [bool; 256] = letters_digits_and(b"+/-_=:.");

fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).is_some_and(|token| *token)
}

/// Where a `0x` stands at or after `from` that no letter or digit precedes; the end without one.
pub(super) fn next_prefix(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let alone = |at: &usize| at.checked_sub(1).and_then(|before| rest.get(before)).is_none_or(|b| !b.is_ascii_alphanumeric());
    let found = memchr::memmem::find_iter(rest, b"0x").find(alone).unwrap_or(rest.len());
    #[cfg(test)]
    check::count(found);
    from + found
}

/// The place at or after `from` where the next run begins that is long enough to be decoded. Without one: the start
/// of the run that the end cuts, or the end.
pub(super) fn next_run(bytes: &[u8], from: usize, last: bool) -> usize {
    let mut at = from;
    loop {
        #[cfg(test)]
        check::count(1);
        // A run that begins at `at` or later and is long enough covers this byte, or begins behind it.
        let probe = at + RUN_MIN - 1;
        let (begin, end) = match bytes.get(probe) {
            Some(byte) if !is_token(*byte) => {
                at = probe + 1;
                continue;
            }
            Some(_) => run_at(bytes, at, probe),
            None if last || at >= bytes.len() => return bytes.len(),
            None => run_at(bytes, at, bytes.len()),
        };
        if end - begin >= RUN_MIN || end >= bytes.len() {
            return if last && end - begin < RUN_MIN { bytes.len() } else { begin };
        }
        at = end + 1;
    }
}

/// The run around `probe` from its first letter or digit at or after `from`, as far as it is long enough.
fn run_at(bytes: &[u8], from: usize, probe: usize) -> (usize, usize) {
    let before = bytes.get(from..probe).unwrap_or_default();
    let run = probe - before.iter().rev().take_while(|byte| is_token(**byte)).count();
    let rest = bytes.get(run..).unwrap_or_default();
    let begin = run + rest.iter().take_while(|byte| is_token(**byte) && !byte.is_ascii_alphanumeric()).count();
    let rest = bytes.get(begin..).unwrap_or_default();
    let end = begin + rest.iter().take(RUN_MIN).take_while(|byte| is_token(**byte)).count();
    #[cfg(test)]
    check::count(end - from);
    (begin, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a decoder makes of a whole run.
    fn decode(coding: Coding, run: &str) -> String {
        let mut decoder = Decoder::new(coding);
        decoder.begin(0);
        for (at, byte) in run.bytes().enumerate() {
            decoder.feed(byte, at);
            if matches!(decoder.phase, Phase::Idle | Phase::Ended) {
                break;
            }
        }
        let text = decoder.text.clone();
        if text.len() > 1 {
            let (start, end) = decoder.place(1, text.len());
            assert!(start > 0 && end <= run.len() && start < end, "{run}");
        }
        text
    }

    #[test]
    fn codings() {
        for (coding, run, wanted) in [
            (Coding::Base64, "aWdub3JlIGl0", "ignore it"),
            (Coding::Base64, "aWdub3JlLi4", "ignore.."),
            (Coding::Base64, "SUdOT1JFPz8_", "IGNORE???"),
            (Coding::Base64, "w6nDqcOpw6khIQ== and", "éééé!!"),
            (Coding::Base32, "NFTW433SMUQGS5A=", "ignore it"),
            (Coding::Hex, "69676E6f72652E2E", "ignore.."),
            (Coding::Hex, "69:67:6e:6f:72:65:2e:2e", "ignore.."),
            (Coding::Hex, "69-67-6e-6f-72-65-2e-2e:2e", "ignore.."),
            (Coding::Prefixed, "0x69676e6f72652e2e", "ignore.."),
            (Coding::Prefixed, "0x69676e6f72652009, 0x2e", "ignore \t."),
            (Coding::Prefixed, "0x69 0x67,0x6e, 0x6F0x72 0x65 0x2e 0x2e", "ignore.."),
        ] {
            assert_eq!(decode(coding, run), wanted, "{run}");
        }
        for (coding, run) in [(Coding::Base64, "internationalisation"), (Coding::Hex, "d41d8cd98f00b204e9800998ecf8427e")] {
            assert_eq!(decode(coding, run), "", "{run}");
        }
    }

    #[test]
    fn runs() {
        for (text, last, wanted) in [
            ("so it is", true, 8),
            ("so it is", false, 6),
            ("so it is ", false, 9),
            ("an internationalisation", true, 3),
            ("an -internationalisation of", true, 4),
            ("an internat. ional", true, 18),
            ("", true, 0),
        ] {
            assert_eq!(next_run(text.as_bytes(), 0, last), wanted, "{text}");
        }
        assert_eq!(next_prefix(b"a0x1 0x2", 0), 5);
    }
}
