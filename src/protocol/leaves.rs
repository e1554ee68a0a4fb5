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
    /// Whether it is an object key, which cannot be rewritten.
    pub key: bool,
    /// How many JSON texts lie around it, from 1.
    pub layer: usize,
}

/// The strings of a text that is JSON, in order. A string that is itself a JSON object or array is
/// given and opened too, to three layers. An error means that the text itself is not strict JSON.
pub fn leaves<'b>(text: &'b Text<'b>) -> Result<Vec<Leaf<'b>>, ReadError> {
    let mut out = Vec::new();
    let mut reader = Reader::new(text.as_str().as_bytes())?;
    loop {
        let (string, key) = match reader.next()? {
            Token::End => return Ok(out),
            Token::Key(string) => (string, true),
            Token::String(string) => (string, false),
            _ => continue,
        };
        push(Text::inside(text, string.at), key, 1, &mut out);
    }
}

fn push<'b>(text: Text<'b>, key: bool, layer: usize, out: &mut Vec<Leaf<'b>>) {
    if layer < LAYERS_MAX && matches!(text.as_str().trim_start().as_bytes().first(), Some(b'{' | b'[')) {
        let shared = Arc::new(text.clone());
        let mut inner = Vec::new();
        if collect(&shared, key, layer + 1, &mut inner).is_ok() {
            out.push(Leaf { text, key, layer });
            out.append(&mut inner);
            return;
        }
    }
    out.push(Leaf { text, key, layer });
}

/// The strings of one layer; goes down at most [`LAYERS_MAX`] times.
fn collect<'b>(outer: &Arc<Text<'b>>, in_key: bool, layer: usize, out: &mut Vec<Leaf<'b>>) -> Result<(), ReadError> {
    let mut reader = Reader::new(outer.as_str().as_bytes())?;
    loop {
        let (string, key) = match reader.next()? {
            Token::End => return Ok(()),
            Token::Key(string) => (string, true),
            Token::String(string) => (string, in_key),
            _ => continue,
        };
        push(Text::inside_shared(outer, string.at), key, layer, out);
    }
}
