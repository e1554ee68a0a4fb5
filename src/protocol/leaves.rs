//! The strings inside a text that is itself JSON: tool arguments, structured results.

use std::sync::Arc;

use super::error::ReadError;
use super::json::{Reader, Token};
use super::text::Text;

/// JSON inside JSON inside JSON is opened this deep; below it strings are judged as they are written.
const LAYERS_MAX: usize = 3;

/// A string of a JSON text.
#[derive(Clone, Debug)]
pub struct Leaf<'b> {
    /// The string, with its way back to the raw bytes of the body.
    pub text: Text<'b>,
    /// Whether it may be rewritten; object keys and numbers may not.
    pub editable: bool,
    /// How many JSON texts lie around it, from 1.
    pub layer: usize,
}

/// Whether a number can tell something by its digits, as an account number does: a whole number of
/// nine digits or more. Measures, floats and small counts are not judged as text.
pub(super) fn is_telling(number: &str) -> bool {
    number.len() >= 9 && number.bytes().all(|b| b.is_ascii_digit())
}

/// The strings of a text that is JSON, in order, and the numbers that could be an account's. A string that is itself a JSON object or array is
/// given and opened too, to three layers. An error means that the text itself is not strict JSON.
pub fn leaves<'b>(text: &'b Text<'b>) -> Result<Vec<Leaf<'b>>, ReadError> {
    let mut out = Vec::new();
    let mut reader = Reader::new(text.as_str().as_bytes())?;
    loop {
        match reader.next()? {
            Token::End => return Ok(out),
            Token::Key(string) => push(Text::inside(text, string.at), false, 1, &mut out),
            Token::String(string) => push(Text::inside(text, string.at), true, 1, &mut out),
            Token::Number(at) if is_telling(reader.number(&at)) => push(Text::inside(text, at), false, 1, &mut out),
            _ => {}
        }
    }
}

fn push<'b>(text: Text<'b>, editable: bool, layer: usize, out: &mut Vec<Leaf<'b>>) {
    if layer < LAYERS_MAX && matches!(text.as_str().trim_start().as_bytes().first(), Some(b'{' | b'[')) {
        let shared = Arc::new(text.clone());
        let mut inner = Vec::new();
        if collect(&shared, editable, layer + 1, &mut inner).is_ok() {
            out.push(Leaf { text, editable, layer });
            out.append(&mut inner);
            return;
        }
    }
    out.push(Leaf { text, editable, layer });
}

/// The strings of one layer; goes down at most [`LAYERS_MAX`] times.
fn collect<'b>(outer: &Arc<Text<'b>>, editable: bool, layer: usize, out: &mut Vec<Leaf<'b>>) -> Result<(), ReadError> {
    let mut reader = Reader::new(outer.as_str().as_bytes())?;
    loop {
        match reader.next()? {
            Token::End => return Ok(()),
            Token::Key(string) => push(Text::inside_shared(outer, string.at), false, layer, out),
            Token::String(string) => push(Text::inside_shared(outer, string.at), editable, layer, out),
            Token::Number(at) if is_telling(reader.number(&at)) => push(Text::inside_shared(outer, at), false, layer, out),
            _ => {}
        }
    }
}
