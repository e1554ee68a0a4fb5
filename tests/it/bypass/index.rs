//! Where each way around a guard is tried: those by JSON, HTTP messages, streams and MCP, by their numbers in the catalogue.

use crate::support::named::{Named, there};

const HERE: &str = "tests/it/bypass.rs";
const ANSWERS: &str = "tests/it/bypass/answers.rs";
const STREAMS: &str = "tests/it/bypass/streams.rs";
const SMUGGLE: &str = "tests/it/smuggle.rs";
const CUTS: &str = "tests/it/cuts.rs";
const GUARD: &str = "tests/it/guard.rs";
const PROTOCOLS: &str = "tests/it/protocols.rs";
const TOOLS: &str = "tests/it/tools.rs";
const STDIO: &str = "tests/it/stdio.rs";
const JUDGED: &str = "src/engine/tests/stream.rs";
const MCP: &str = "src/protocol/mcp/tests.rs";

const READ_TWICE: Named = (HERE, "json_that_two_readers_read_in_two_ways");
const PLACES: Named = (HERE, "texts_in_every_place_of_a_request");
const TYPES: Named = (HERE, "types_charsets_and_codings_that_lie");
const BEHIND: Named = (HERE, "what_comes_late_or_behind_a_request");
const CALLS: Named = (ANSWERS, "calls_under_every_name");
const LIES: Named = (ANSWERS, "answers_that_are_not_what_they_say");
const EVENTS: Named = (ANSWERS, "events_in_every_form");
const FILLED: Named = (ANSWERS, "streams_that_fill_what_holds_them");
const FRAMING: Named = (SMUGGLE, "every_variant_is_refused_before_the_upstream");
const SINGLE: Named = (CUTS, "no_single_cut_shows");

/// Number, what is tried, and where.
const CASES: [(u8, &str, &[Named]); 51] = [
    (17, "escapes in JSON", &[READ_TWICE, EVENTS]),
    (18, "lone surrogates and broken UTF-8", &[READ_TWICE]),
    (19, "keys twice", &[READ_TWICE]),
    (20, "keys twice in a pact", &[(HERE, "a_pact_with_a_key_twice_is_no_pact")]),
    (21, "comments, commas, NaN, a byte order mark", &[READ_TWICE]),
    (22, "depth, length, huge numbers", &[READ_TWICE]),
    (23, "JSON in JSON in JSON", &[PLACES, CALLS]),
    (24, "calls without arguments", &[CALLS]),
    (25, "variants of a tool's name", &[CALLS]),
    (26, "text in every place", &[PLACES, (ANSWERS, "texts_in_every_place_of_an_answer"), EVENTS]),
    (27, "the second choice", &[(ANSWERS, "texts_in_every_place_of_an_answer"), EVENTS]),
    (28, "codings of requests", &[TYPES]),
    (29, "codings stacked, unknown, unsaid", &[TYPES, LIES]),
    (30, "a transfer coding before chunked", &[FRAMING]),
    (31, "a coding undone on the way", &[(GUARD, "a_body_under_a_coding_is_judged_as_if_it_were_plain"), LIES]),
    (32, "bombs", &[TYPES]),
    (33, "types that lie", &[TYPES, LIES]),
    (34, "charsets", &[TYPES, LIES]),
    (35, "multipart", &[(HERE, "multipart")]),
    (36, "forms", &[(HERE, "forms")]),
    (37, "two framings of one message", &[FRAMING, (SMUGGLE, "a_body_that_lies_about_its_end_is_never_whole")]),
    (38, "a switch with a body", &[BEHIND]),
    (39, "HTTP/2 before HTTP/1", &[(STREAMS, "over_http2_one_authority_and_one_length_count")]),
    (40, "extensions of chunks and trailers", &[BEHIND]),
    (41, "header fields twice", &[BEHIND]),
    (42, "Expect, and a second request behind the first", &[BEHIND]),
    (43, "a target on another host", &[FRAMING]),
    (44, "every cut", &[SINGLE, (CUTS, "no_random_multi_cut_shows")]),
    (45, "ends of lines", &[EVENTS, SINGLE]),
    (46, "a byte order mark before events", &[EVENTS, SINGLE]),
    (47, "forms of data lines", &[EVENTS]),
    (48, "an end without a blank line", &[EVENTS]),
    (49, "text in names, ids and comments of events", &[EVENTS]),
    (50, "line ends in what a refusal says", &[(STREAMS, "what_a_refusal_says_forges_no_event")]),
    (51, "events that fill what holds them", &[FILLED]),
    (52, "events that cannot be read", &[EVENTS]),
    (
        53,
        "matches longer than any window",
        &[
            (GUARD, "a_card_split_over_deltas_at_every_place_never_leaves"),
            (JUDGED, "a_long_match_leaves_as_its_label_before_it_ends"),
        ],
    ),
    (54, "the same asked for as a stream", &[PLACES, ("tests/it/agents.rs", "a_refused_request_never_reaches_the_agent")]),
    (55, "a stream that nobody asked for", &[LIES]),
    (56, "calls interleaved", &[CALLS]),
    (57, "events under a coding", &[LIES]),
    (
        58,
        "a stream that waits for its client",
        &[
            (PROTOCOLS, "a_question_of_the_server_passes_before_the_answer_is_there"),
            (STDIO, "a_question_of_the_server_is_answered_while_its_call_is_open"),
        ],
    ),
    (
        59,
        "a client that leaves, an upstream that stalls",
        &[
            (STREAMS, "who_leaves_while_a_match_is_open_gets_nothing_of_it_and_is_recorded"),
            ("tests/it/live.rs", "a_stream_that_holds_back_says_that_it_lives"),
            ("tests/it/forward.rs", "an_upstream_that_fails_is_a_problem_not_a_hang"),
        ],
    ),
    (60, "what comes after a block", &[(STREAMS, "after_a_block_the_upstream_is_read_no_more")]),
    // Frames are not inspected yet: no switch is let through.
    (61, "WebSocket", &[(SMUGGLE, "tunnels_and_switches_are_refused")]),
    (62, "a batch", &[(PROTOCOLS, "a_batch_is_refused"), PLACES]),
    (63, "a call without an id", &[(MCP, "a_call_without_id_is_a_call"), PLACES]),
    (64, "an answer that nobody waits for", &[(STDIO, "an_answer_that_nobody_waits_for_is_dropped")]),
    (65, "a call of a tool that is not listed", &[(TOOLS, "a_tool_that_is_not_shown_cannot_be_called_either")]),
    (66, "a tool that changes", &[(TOOLS, "a_tool_that_is_something_else_now_goes_and_is_not_called_until_it_is_back")]),
    (67, "variants of a method's name", &[(MCP, "batches_and_disguises_are_refused")]),
];

#[test]
fn every_way_around_is_tried() {
    for ((number, what, tests), at) in CASES.iter().zip(17..) {
        assert_eq!(*number, at);
        there(&format!("{number} {what}"), tests);
    }
}
