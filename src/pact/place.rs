//! Where inside a scalar of the document something stands: conditions and expressions of their own grammar
//! complain with the place in the file, not in the scalar.

use crate::base::diagnostic::Span;
use crate::base::document::Node;

/// Maps offsets in a scalar's text to the document.
#[derive(Clone, Copy, Debug)]
pub struct Anchor<'a> {
    whole: Span,
    /// The text and where it begins in the line, when it stands in the document letter by letter.
    verbatim: Option<&'a str>,
    quote: usize,
}

impl<'a> Anchor<'a> {
    /// An anchor for the text of a scalar in this source.
    pub fn new(source: &'a str, node: &Node) -> Self {
        let quote = usize::from(!node.plain);
        let from = node.span.start + quote;
        let verbatim = node
            .text()
            .and_then(|text| source.get(from..from + text.len()).filter(|here| *here == text))
            .filter(|text| !text.contains('\n'));
        Self { whole: node.span, verbatim, quote }
    }

    /// An anchor for a text that stands in no document.
    pub fn nowhere() -> Self {
        Self { whole: Span::default(), verbatim: None, quote: 0 }
    }

    /// The place of a range of bytes of the text; the whole scalar when escapes or folds are in the way.
    pub fn span(&self, start: usize, end: usize) -> Span {
        let Some(before) = self.verbatim.and_then(|text| text.get(..start)) else { return self.whole };
        let from = self.whole.start + self.quote;
        Span {
            start: from + start,
            end: from + end.max(start),
            line: self.whole.line,
            column: self.whole.column + self.quote + before.chars().count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::document::parse;

    #[test]
    fn finds_the_place_in_quotes_and_gives_up_on_escapes() {
        let source = "a: 'ö == x'\nb: \"x\\ty\"\n";
        let node = parse(source).unwrap();
        let a = Anchor::new(source, node.get("a").unwrap());
        let span = a.span(6, 7);
        assert_eq!((&source[span.start..span.end], span.line, span.column), ("x", 1, 10));
        let b = node.get("b").unwrap();
        assert_eq!(Anchor::new(source, b).span(2, 3), b.span);
    }
}
