//! The arguments of a call as the engine looks at them: strings, numbers, the scalars that conditions name.
//!
//! Strings are decoded, keys included, and JSON inside strings is opened; a long number is read as it is
//! written, since a card number needs no quotes. What is not JSON is one text.

use super::condition::ArgValue;
use crate::pact::decimal::Decimal;
use crate::program::Program;
use crate::protocol::error::ReadError;
use crate::protocol::json::{Reader, Token};
use crate::protocol::leaves::{Leaf, leaves};
use crate::protocol::text::Text;

/// Arguments, read.
#[derive(Debug, Default)]
pub(crate) struct Arguments<'b> {
    pub(crate) leaves: Vec<Leaf<'b>>,
    /// By place in the program's table of paths.
    pub(crate) values: Vec<Option<ArgValue>>,
    /// Not JSON: the whole is one text.
    pub(crate) plain: bool,
}

/// Reads what the rules of this program need. `whole` is the arguments as one text.
pub(crate) fn read<'b>(whole: &'b Text<'b>, program: &Program) -> Arguments<'b> {
    if whole.as_str().trim().is_empty() {
        return Arguments::default();
    }
    let Ok(leaves) = leaves(whole) else {
        return Arguments { plain: true, ..Arguments::default() };
    };
    let mut arguments = Arguments { leaves, ..Arguments::default() };
    arguments.values.resize(program.arg_paths.len(), None);
    // The walk has succeeded once; it does so again.
    if scalars(whole.as_str(), program, &mut arguments).is_err() {
        arguments.plain = true;
    }
    arguments
}

fn scalars(text: &str, program: &Program, out: &mut Arguments<'_>) -> Result<(), ReadError> {
    let mut reader = Reader::new(text.as_bytes())?;
    // Keys that lead here; an array is a step that no path names.
    let mut path: Vec<Option<String>> = Vec::new();
    let mut key: Option<String> = None;
    loop {
        let value = match reader.next()? {
            Token::End => return Ok(()),
            Token::Key(string) => {
                key = Some(reader.decoded(&string).into_owned());
                continue;
            }
            Token::Object => {
                path.push(key.take());
                continue;
            }
            Token::Array => {
                // Members of a list are named by no path.
                path.push(Some("\u{0}".to_owned()));
                key = None;
                continue;
            }
            Token::Close => {
                path.pop();
                continue;
            }
            Token::String(string) => ArgValue::Text(reader.decoded(&string).into_owned()),
            Token::Number(at) => {
                let text = text.get(at).unwrap_or_default();
                match Decimal::parse(text) {
                    Some(number) => ArgValue::Number(number),
                    None => continue,
                }
            }
            Token::Bool(b) => ArgValue::Bool(b),
            Token::Null => continue,
        };
        let Some(last) = key.take() else { continue };
        // The outermost object has no key of its own.
        let here = path.iter().skip(1).map(Option::as_deref).chain([Some(last.as_str())]);
        for (slot, wanted) in out.values.iter_mut().zip(&program.arg_paths) {
            if here.clone().eq(wanted.iter().map(|w| Some(w.as_str()))) {
                *slot = Some(value.clone());
            }
        }
    }
}
