//! Every ceiling of the program, by name and with its reason.
//!
//! A limit that an operator may set has its default here; the others are fixed. Sizes are in bytes
//! unless the name says otherwise.

/// Deepest nesting of a JSON or YAML text. Beyond it parsers disagree, and recursion would be an attack.
pub const NESTING_MAX: usize = 128;

/// Largest decoded body, by default. Room for long contexts with images, small beside a container's memory.
pub const BODY_MAX: usize = 32 << 20;

/// Sum of the decoded bodies in flight, by default.
pub const BODY_TOTAL_MAX: usize = 256 << 20;

/// Largest ratio of decoded to coded bytes before a body counts as a bomb. Real JSON stays under 50.
pub const DECODE_RATIO_MAX: usize = 200;

/// Decoded bytes that may come before the ratio is looked at: short bodies compress absurdly well.
pub const DECODE_RATIO_FLOOR: usize = 1 << 20;

/// Text held back per channel of a stream, by default.
pub const STREAM_HOLD_MAX: usize = 64 << 10;

/// One tool call in a stream, by default.
pub const TOOL_CALL_MAX: usize = 1 << 20;

/// Separate texts of one body. A large export has some ten thousand; more are there to eat memory.
pub const TEXTS_MAX: usize = 1 << 18;

/// Values of one JSON body that are kept with their places, 24 bytes each.
pub const VALUES_MAX: usize = 1 << 20;

/// One SSE event. Ten times the largest seen in recorded traffic that carries no media.
pub const SSE_EVENT_MAX: usize = 8 << 20;

/// What is kept of a stream that was let go, to be said again in a proper end. Beyond it the end is shorter.
pub const STREAM_KEPT_MAX: usize = 256 << 10;

/// Events held in one stream, whatever holds them: a call of the largest size in small pieces fits.
pub const STREAM_HELD_MAX: usize = 16 << 20;

/// How many of them: each costs some hundred bytes beside its own. Reached by none of 128 bytes or more.
pub const STREAM_HELD_EVENTS_MAX: usize = 131_072;

/// Channels (choice and field) and tool calls of one stream.
pub const STREAM_CHANNELS_MAX: usize = 256;

/// Seconds of silence after which a stream that holds back sends a comment, by default. Below the
/// half minute after which some load balancers cut.
pub const KEEP_ALIVE_SECONDS: u64 = 15;

/// Exchanges at once, by default.
pub const PARALLEL_MAX: usize = 1024;

/// A pact, pack, config or trust file as text.
pub const DOCUMENT_MAX: usize = 4 << 20;

/// Nodes of one such document.
pub const DOCUMENT_NODES_MAX: usize = 400_000;

/// Mistakes told of one document; the rest is counted.
pub const DIAGNOSTICS_MAX: usize = 100;

/// One condition as text. The longest a person can still read.
pub const CONDITION_MAX: usize = 4096;

/// Parts of one condition: bounds its cost, and the stack that walking its tree needs.
pub const CONDITION_NODES_MAX: usize = 256;

/// Nesting of brackets and signs in one condition.
pub const CONDITION_DEPTH_MAX: usize = 32;

/// Nesting of one schema for tool arguments.
pub const SCHEMA_DEPTH_MAX: usize = 16;

/// Breaches told of one call's arguments; one is enough to judge it.
pub const SCHEMA_BREACHES_MAX: usize = 16;

/// A compiled image.
pub const IMAGE_MAX: usize = 64 << 20;

/// Predicates of one program: the width of the `checked` bitmap in a record.
pub const PREDICATES_MAX: usize = 4096;

/// One pattern's regular expression, as text.
pub const PATTERN_MAX: usize = 4096;

/// Memory of one compiled regular expression.
pub const PATTERN_COMPILED_MAX: usize = 1 << 20;

/// Bytes behind a match in which a detector may look for words: a stream waits for them. Also the longest such word.
pub const CONTEXT_AFTER_MAX: usize = 48;

/// Hits kept for one text; the rest is counted. More than this is no longer a finding but a flood.
pub const HITS_MAX: usize = 4096;

/// Layers of encoding that are undone within a text. People need one; beyond four somebody plays.
pub const DECODE_DEPTH_MAX: usize = 4;

/// Longest value that is judged joined with its neighbours. Who cuts a key into values cuts it shorter.
pub const JOINED_VALUE_MAX: usize = 64;

/// Joined bytes of one event after which values are joined by twos and in whole rows only: by threes and fours a body
/// of nothing but short values would cost nine times its scan.
pub const JOINED_MAX: usize = 64 << 10;

/// Sessions remembered at once, by default.
pub const SESSIONS_MAX: usize = 16_384;

/// Turns of conversations remembered at once: some hundred long conversations, in about 3 MiB.
pub const TURNS_MAX: usize = 65_536;

/// Texts of one request that are looked up among them, and remembered: no request takes more than a quarter of the room.
pub const TURNS_READ_MAX: usize = 16_384;

/// Tools whose definitions are remembered of one upstream. A server with more offers what nobody could choose from.
pub const TOOLS_PINNED_MAX: usize = 4096;

/// Tools taken out of one list that leave a record each; the rest is counted in the exchange's.
pub const TOOLS_RECORDED_MAX: usize = 16;

/// Pacts of one portfolio. People keep a handful; each is judged in every exchange that it governs.
pub const PORTFOLIO_PACTS_MAX: usize = 16;

/// Programs of one portfolio: different sets of pacts that task types stand under, each with scanners of its own.
pub const PORTFOLIO_PROGRAMS_MAX: usize = 32;

/// One evidence record (the tlog-tiles limit is 65,535).
pub const RECORD_MAX: usize = 16 << 10;

/// A `pact.load` record, which lists every predicate (C2SP tlog-tiles: 16-bit length).
pub const RECORD_HARD_MAX: usize = 65_535;

/// Entries of an array in a record; the rest is counted in `<key>_more`.
pub const RECORD_ARRAY_MAX: usize = 32;

/// Free text in a record.
pub const RECORD_TEXT_MAX: usize = 256;

/// Records that wait for the log's thread.
pub const LOG_QUEUE_RECORDS_MAX: usize = 8192;

/// Bytes that wait for the log's thread.
pub const LOG_QUEUE_BYTES_MAX: usize = 16 << 20;

/// Newest records that the log's thread can give a receipt of by their id, 56 bytes each. A second of heavy traffic: what
/// is older lies under a signed head.
pub const RECEIPTS_RECENT_MAX: usize = 4096;

/// Receipts that are waited for at once. Each is a ticket that somebody holds.
pub const RECEIPTS_WAITING_MAX: usize = 1024;

/// Records of messages refused before there was an exchange: as many at once, then so many a second. A
/// person sees what comes in; a flood writes under a gigabyte a day.
pub const REFUSALS_BURST: u64 = 64;

/// Records a second of messages refused before there was an exchange.
pub const REFUSALS_PER_SECOND: u64 = 8;

/// Client connections at once, by default. Each idle one costs a few KiB.
pub const CONNECTIONS_MAX: usize = 4096;

/// The head of one HTTP message. Long bearer tokens and cookies fit; a flood of fields does not.
pub const HEAD_MAX: usize = 64 << 10;

/// Fields of one HTTP head.
pub const HEAD_FIELDS_MAX: usize = 100;

/// Streams at once on one HTTP/2 connection.
pub const H2_STREAMS_MAX: u32 = 256;

/// Seconds a client may take to send a head, counted from the moment the connection waits for one.
pub const HEAD_READ_SECONDS_MAX: u64 = 60;

/// Idle upstream connections kept for one authority.
pub const UPSTREAM_IDLE_MAX: usize = 256;

/// Seconds until a connection to the upstream must stand, by default.
pub const CONNECT_SECONDS: u64 = 5;

/// Seconds without a byte until an upstream counts as hung, by default. Reasoning models think for minutes.
pub const IDLE_SECONDS: u64 = 300;

/// Seconds that streams get to end after a request to stop, by default. Below the 30 s of Kubernetes.
pub const DRAIN_SECONDS: u64 = 25;

/// Listeners, pacts and routes of one config, each.
pub const CONFIG_ENTRIES_MAX: usize = 64;

/// Pacts and statements that a store holds, of every name and version. A pact that changes weekly fills it in twenty years.
pub const STORE_PACTS_MAX: usize = 1024;

/// Bytes of the pacts and statements that a store holds: they stay in memory, so that no question reads the disk.
pub const STORE_BYTES_MAX: usize = 32 << 20;

/// Seconds that sealed pacts may wait to be looked at again: a clock that was set is noticed within an hour.
pub const STORE_LOOK_SECONDS_MAX: u64 = 3_600;

/// A `did:web` document. One key takes some three hundred bytes.
pub const DID_DOCUMENT_MAX: usize = 64 << 10;

/// Keys that a `did:web` document may list, in each of its lists.
pub const DID_DOCUMENT_KEYS_MAX: usize = 64;

/// Seconds in which a `did:web` document must have been fetched: a load waits for it.
pub const DID_FETCH_SECONDS: u64 = 5;

/// Seconds that local evidence is kept, by default: a week.
pub const EVIDENCE_KEEP_SECONDS: u64 = 7 * 86_400;

/// Bytes of local evidence kept, by default.
pub const EVIDENCE_KEEP_BYTES: u64 = 10 << 30;

/// Records of one answer to a question for evidence.
pub const QUERY_RECORDS_MAX: usize = 1000;

/// Bytes of the records of one answer, after which it ends with a cursor.
pub const QUERY_ANSWER_BYTES_MAX: usize = 4 << 20;

/// Bytes of the log that are looked through for one answer of the sidecar, after which it ends with a cursor: some tenths of a second of one core.
pub const QUERY_LOOK_BYTES_MAX: u64 = 256 << 20;

/// Words in the summary of one segment, eight bytes each. A segment of the largest size holds about so many records.
pub const INDEX_TERMS_MAX: usize = 131_072;

/// Sinks of one log. Each has a thread and a cursor of its own.
pub const SINKS_MAX: usize = 16;

/// Records of one batch for a sink.
pub const BATCH_RECORDS_MAX: usize = 1024;

/// Bytes of the records of one batch, before they are compressed. With frames, leaves and head it stays below
/// `BATCH_MAX` even where nothing can be compressed.
pub const BATCH_BYTES_MAX: usize = 768 << 10;

/// One batch as it is sent. Brokers take messages of 1 MiB by default.
pub const BATCH_MAX: usize = 900 << 10;

/// Batches that one sink refused and that are kept aside. Who refuses more refuses everything: then nothing more is
/// put aside, and a person has to look.
pub const QUARANTINE_MAX: usize = 64;

/// Milliseconds until a sink is tried again after its first failure; then up to twice as long each time.
pub const SINK_BACKOFF_MS_MIN: u64 = 100;

/// Milliseconds that lie at most between two tries.
pub const SINK_BACKOFF_MS_MAX: u64 = 60_000;

/// Seconds in which a sink must have answered one call.
pub const SINK_ANSWER_SECONDS: u64 = 20;

/// Bytes of a file with a secret for a sink: one line.
pub const SINK_SECRET_BYTES_MAX: u64 = 64 << 10;

/// Bytes of what a sink over HTTP answers that are read.
pub const SINK_ANSWER_BYTES_MAX: usize = 64 << 10;

/// Seconds after which what a sink says it has is held against the local log again.
pub const SINK_COMPARE_SECONDS: u64 = 3_600;

/// Seconds that sinks get to take what is left after the log was sealed. What they do not get then, the next start sends.
pub const SINK_DRAIN_SECONDS: u64 = 4;
