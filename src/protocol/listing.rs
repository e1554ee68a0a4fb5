//! A list of tools that an answer hands out: where each stands, and how some are taken out of it.
//!
//! Only the places where something goes are written anew; every other byte of the list stays. It will not say which
//! tools those are.

use std::ops::Range;

use super::text::Edit;

/// A list of tools, by its places in a body or in the data of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The list, with its brackets.
    pub at: Range<usize>,
    /// The tools, in order.
    pub tools: Vec<Listed>,
    /// The word that lets others share the list, where there is one: a list with gaps is one caller's.
    pub shared: Option<Range<usize>>,
}

/// One tool of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, decoded; empty where it has none.
    pub name: String,
    /// Its definition.
    pub at: Range<usize>,
}

impl Listing {
    /// The tool in whose definition this stands.
    pub fn tool_at(&self, at: &Range<usize>) -> Option<usize> {
        let after = self.tools.partition_point(|tool| tool.at.start <= at.start);
        let last = after.checked_sub(1)?;
        self.tools.get(last).filter(|tool| at.end <= tool.at.end).map(|_| last)
    }

    /// What makes the list one without those tools of which `gone` says so.
    pub fn without(&self, gone: impl Fn(usize) -> bool) -> Vec<Edit> {
        let inside = (self.at.start + 1)..self.at.end.saturating_sub(1).max(self.at.start + 1);
        let mut edits = Vec::new();
        // Where the last tool that stays has ended.
        let mut kept: Option<usize> = None;
        let mut open = false;
        for (number, tool) in self.tools.iter().enumerate() {
            if gone(number) {
                open = true;
                continue;
            }
            if std::mem::take(&mut open) {
                let with = if kept.is_some() { "," } else { "" };
                edits.push(Edit { at: kept.unwrap_or(inside.start)..tool.at.start, with: with.to_owned() });
            }
            kept = Some(tool.at.end);
        }
        if open {
            edits.push(Edit { at: kept.unwrap_or(inside.start)..inside.end, with: String::new() });
        }
        if let (Some(at), false) = (&self.shared, edits.is_empty()) {
            edits.push(Edit { at: at.clone(), with: "private".to_owned() });
        }
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::text::patch;

    /// The list of this text, whose tools are its objects.
    fn listing(text: &str) -> Listing {
        let tools = text.match_indices('{').zip(text.match_indices('}'));
        let tools = tools.map(|((from, _), (to, _))| Listed { name: String::new(), at: from..to + 1 });
        Listing { at: text.find('[').unwrap()..text.rfind(']').unwrap() + 1, tools: tools.collect(), shared: None }
    }

    #[test]
    fn every_choice_of_tools_leaves_json_with_the_others_as_they_were() {
        for text in
            ["x [{\"a\":1} , {\"b\":2},\n{\"c\":3}, {\"d\":4}] y", "[ {\"a\":1}, 7, {\"b\":2}, null ]", "[7,{\"a\":1}]", "[]"]
        {
            let list = listing(text);
            for gone in 0_u32..1 << list.tools.len() {
                let out = patch(text.as_bytes(), &list.without(|number| gone >> number & 1 == 1));
                let out = std::str::from_utf8(&out).unwrap();
                let inner = &out[out.find('[').unwrap()..=out.rfind(']').unwrap()];
                let left: Vec<serde_json::Value> = serde_json::from_str(inner).unwrap_or_else(|e| panic!("{out}: {e}"));
                let stays = (0..list.tools.len()).filter(|number| gone >> number & 1 == 0);
                let stays: Vec<&str> = stays.map(|number| &text[list.tools[number].at.clone()]).collect();
                assert_eq!(left.iter().filter(|v| v.is_object()).count(), stays.len(), "{out}");
                assert!(stays.iter().all(|tool| out.contains(tool)), "{out}");
                assert!(gone != 0 || out == text);
            }
        }
    }

    #[test]
    fn a_text_belongs_to_the_tool_around_it() {
        let text = r#"[{"a":1},{"b":2}]"#;
        let list = listing(text);
        assert_eq!((list.tool_at(&(2..3)), list.tool_at(&(11..12)), list.tool_at(&(0..1))), (Some(0), Some(1), None));
        assert_eq!(list.tool_at(&(16..17)), None);
    }
}
