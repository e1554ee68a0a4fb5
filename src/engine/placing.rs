//! Which part of a message is judged at which stage, by lane: one table for guard and trial.
//!
//! A part may be seen by two lanes of one deployment; it is judged in both and counted in one.

use crate::base::names::{Lane, Stage, words};

words! {
    /// A part of a message, as the table knows it.
    MessagePart {
        /// Text of a request that is neither of the following.
        RequestText = "request_text",
        /// System or developer text.
        System = "system",
        /// User text that was not judged in an earlier exchange.
        NewUser = "new_user",
        /// An assistant turn in a request.
        AssistantTurn = "assistant_turn",
        /// A tool result that was not judged in an earlier exchange.
        NewToolResult = "new_tool_result",
        /// A tool's definition, or a list of tools.
        ToolDefinition = "tool_definition",
        /// Text of an answer.
        Answer = "answer",
        /// Reasoning of an answer.
        Reasoning = "reasoning",
        /// A refusal in an answer.
        Refusal = "refusal",
        /// A tool call that the client will run, or a call to a tool or another agent.
        Call = "call",
        /// A call that the provider has already run.
        ExecutedCall = "executed_call",
        /// What a tool or another agent returned: result, resource, prompt, elicitation.
        ToolAnswer = "tool_answer",
        /// A connection's destination, or an opened request or answer on it.
        Outside = "outside",
    }
}

/// Which lanes the deployment has beside the one that looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outer {
    /// A listener faces the caller.
    pub inbound: bool,
    /// A listener faces the tools.
    pub tools: bool,
}

/// What becomes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Where it is judged.
    pub stage: Stage,
    /// Whether its breaches count here; false where another lane counts the same part.
    pub counted: bool,
    /// It was judged when it was new: only what must be replaced is found again.
    pub history: bool,
    /// It has already happened: recorded and flagged, never held.
    pub executed: bool,
}

/// The stage of a part, or none where it is not judged on this lane.
pub fn place(lane: Lane, part: MessagePart, outer: Outer) -> Option<Placed> {
    use MessagePart as P;
    let at = |stage, counted| Some(Placed { stage, counted, history: false, executed: false });
    match (lane, part) {
        (Lane::Inbound, P::RequestText | P::System | P::NewUser) => at(Stage::Request, true),
        (Lane::Inbound, P::Answer | P::Reasoning | P::Refusal) => at(Stage::Response, true),
        (Lane::Model, P::RequestText | P::System | P::NewUser) => at(Stage::Request, !outer.inbound),
        (Lane::Model, P::Answer | P::Reasoning | P::Refusal) => at(Stage::Response, !outer.inbound),
        // A caller that hands in tools and their results speaks as a model's client would; what comes back from
        // a tool or another agent is a result.
        (Lane::Model | Lane::Inbound, P::NewToolResult | P::ToolDefinition | P::ToolAnswer)
        | (
            Lane::Tools,
            P::ToolAnswer | P::NewToolResult | P::ToolDefinition | P::Answer | P::Reasoning | P::Refusal | P::ExecutedCall,
        ) => at(Stage::Result, true),
        (Lane::Model | Lane::Inbound, P::Call) => at(Stage::Call, !outer.tools),
        (Lane::Model | Lane::Inbound, P::ExecutedCall) => {
            Some(Placed { stage: Stage::Call, counted: !outer.tools, history: false, executed: true })
        }
        // A message to a tool or another agent is a call.
        (Lane::Tools, P::Call | P::RequestText | P::System | P::NewUser) => at(Stage::Call, true),
        (Lane::Egress, _) => at(Stage::Egress, true),
        (_, P::AssistantTurn | P::Outside) => None,
    }
}

impl Placed {
    /// The same part once more, as it stood in an earlier exchange and was rewritten there.
    #[must_use]
    pub fn again(self) -> Self {
        Self { counted: false, history: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_pact() {
        let alone = Outer::default();
        let both = Outer { inbound: true, tools: true };
        let stage = |lane, part| place(lane, part, alone).map(|p| p.stage);
        assert_eq!(stage(Lane::Inbound, MessagePart::NewUser), Some(Stage::Request));
        assert_eq!(stage(Lane::Model, MessagePart::NewToolResult), Some(Stage::Result));
        assert_eq!(stage(Lane::Model, MessagePart::AssistantTurn), None);
        assert_eq!(stage(Lane::Tools, MessagePart::ToolAnswer), Some(Stage::Result));
        assert!(place(Lane::Model, MessagePart::Answer, alone).unwrap().counted);
        assert!(!place(Lane::Model, MessagePart::Answer, both).unwrap().counted);
        assert!(!place(Lane::Model, MessagePart::Call, both).unwrap().counted);
        let again = place(Lane::Model, MessagePart::NewToolResult, alone).unwrap().again();
        assert_eq!((again.stage, again.counted, again.history), (Stage::Result, false, true));
        assert!(place(Lane::Model, MessagePart::ExecutedCall, alone).unwrap().executed);
    }
}
