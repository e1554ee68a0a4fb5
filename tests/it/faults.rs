//! The 67 faults and attacks that evidence is to stand: which are tested, by what, and which wait, and for what.
//!
//! The numbers are those of the design. A test that is named here exists; one that covers a part only is said to.

use std::fs;
use std::path::Path;

use crate::support::named::{Named, there};

/// How far a case is tested.
enum Now {
    /// By these tests: file below the root of the project, and name.
    Tested(&'static [Named]),
    /// In part, by these tests; what is left, and what it waits for.
    Part(&'static [Named], &'static str),
    /// Not at all, and what it waits for.
    Waits(&'static str),
}

use Now::{Part, Tested, Waits};

const LOG: &str = "src/evidence/log/tests.rs";
const FULL: &str = "src/evidence/log/tests/full.rs";
const KEYS: &str = "src/evidence/log/tests/keys.rs";
const GONE: &str = "src/evidence/log/tests/retention.rs";
const RECEIPTS: &str = "src/evidence/log/tests/receipts.rs";
const RECEIPT: &str = "src/evidence/receipt.rs";
const OUTAGE: &str = "src/evidence/log/tests/outage.rs";
const VERIFY: &str = "src/evidence/verify/tests.rs";
const SEGMENT: &str = "src/evidence/segment.rs";
const TREE: &str = "src/evidence/merkle.rs";
const NOTE: &str = "src/evidence/note.rs";
const RECORD: &str = "src/evidence/record/tests.rs";
const ERASE: &str = "src/evidence/erase.rs";
const WORDS: &str = "src/evidence/explain.rs";
const PAGE: &str = "src/cli/evidence/page.rs";
const CANON: &str = "src/seal/canon.rs";
const KEY: &str = "src/seal/key.rs";
const KILL: &str = "tests/it/kill.rs";
const TRAFFIC: &str = "tests/it/records.rs";
const FLOOD: &str = "src/proxy/refusals.rs";
const PUMP: &str = "src/evidence/sink/pump/tests.rs";
const FILE: &str = "src/evidence/sink/file.rs";
const NATS: &str = "src/evidence/sink/nats/tests.rs";
const POSTGRES: &str = "src/evidence/sink/postgres/tests.rs";
const HTTP: &str = "src/evidence/sink/http/tests.rs";
const BINARY: &str = "tests/it/sinks.rs";
const SERVERS: &str = "tests/it/sinks/servers.rs";
const SECOND: &str = "tests/it/mutations.rs";
const SYSCALLS: &str = "tests/it/syscalls.rs";

const AGREE: Named = (SECOND, "a_second_verifier_agrees_on_changed_evidence");
const DYING: Named = (LOG, "dying_at_any_call_loses_nothing_acknowledged");
const POWER: Named = (LOG, "power_cuts_lose_nothing_acknowledged");
const FAULTS: Named = (LOG, "faults_lose_nothing_acknowledged");
const BROKEN_OFF: Named = (OUTAGE, "broken_off_anywhere_a_folder_keeps_what_it_promised");
const FAILING: Named = (SYSCALLS, "a_call_that_fails_anywhere_loses_nothing_acknowledged_and_is_told");
const TRAPS: Named = (NOTE, "traps");
const WRONG: Named = (VERIFY, "the_first_wrong_index_is_named");

const AGAIN: &str = "fetching it again without a command";
const FLEET: &str = "the fleet log and witnesses";

const CASES: [(u8, &str, Now); 67] = [
    (1, "a torn write, at every byte", Tested(&[(LOG, "a_tail_torn_at_any_byte_is_cut_to_whole_records")])),
    (
        2,
        "cut at a frame",
        Part(
            &[
                (LOG, "an_unsealed_log_is_held_against_its_head"),
                (RECEIPTS, "a_tail_that_is_cut_breaks_the_receipts_of_what_it_held"),
                AGREE,
            ],
            AGAIN,
        ),
    ),
    (
        3,
        "every bit of a sealed segment",
        Part(
            &[
                (SEGMENT, "every_flipped_bit_is_noticed"),
                (VERIFY, "every_flipped_bit_is_found"),
                (VERIFY, "a_rotted_record_leaves_its_neighbours_proven"),
            ],
            AGAIN,
        ),
    ),
    (4, "a bit that flips in memory before the write", Tested(&[FAULTS])),
    (5, "an edit with its checksum", Tested(&[WRONG, AGREE])),
    (
        6,
        "damage in the middle",
        Tested(&[(SEGMENT, "reading_goes_on_after_damage"), (VERIFY, "a_rotted_record_leaves_its_neighbours_proven")]),
    ),
    (7, "zeros or garbage behind the end", Tested(&[POWER, (LOG, "a_tail_torn_at_any_byte_is_cut_to_whole_records")])),
    (
        8,
        "a full disk at every call",
        Tested(&[
            (FULL, "full_at_any_moment_loses_nothing_acknowledged"),
            (FULL, "a_full_disk_refuses_and_owns_up_from_the_reserve_until_there_is_room"),
            (SYSCALLS, "a_small_disk_that_is_full_refuses_says_so_and_recovers"),
        ]),
    ),
    (9, "an error on a write", Tested(&[FAULTS, FAILING])),
    (
        10,
        "an error on a sync",
        Tested(&[FAULTS, FAILING, (SYSCALLS, "a_disk_that_stays_broken_is_said_and_refuses_what_is_strict")]),
    ),
    (11, "short and interrupted writes", Tested(&[FAULTS, FAILING])),
    (
        12,
        "killed at every call",
        Tested(&[
            DYING,
            BROKEN_OFF,
            (KILL, "fifty_kills_under_load_lose_nothing_that_was_acknowledged"),
            (BINARY, "a_sidecar_that_is_killed_leaves_its_archive_whole_at_the_next_start"),
        ]),
    ),
    (13, "killed while recovering", Tested(&[DYING, BROKEN_OFF])),
    (14, "a power cut that reorders sectors", Part(&[POWER, BROKEN_OFF], AGAIN)),
    (15, "a sync that lies", Tested(&[(PUMP, "a_disk_that_forgot_what_it_synced_is_found_out_by_its_store")])),
    (
        16,
        "a segment removed before its cursor is durable",
        Tested(&[BROKEN_OFF, (PUMP, "a_segment_that_somebody_removed_stops_nothing")]),
    ),
    (
        17,
        "a folder restored from a backup",
        Part(
            &[
                (LOG, "an_unsealed_log_is_held_against_its_head"),
                (RECEIPTS, "a_tail_that_is_cut_breaks_the_receipts_of_what_it_held"),
                (PUMP, "a_disk_that_forgot_what_it_synced_is_found_out_by_its_store"),
            ],
            "heads held elsewhere: the fleet log and witnesses",
        ),
    ),
    (18, "a machine cloned while it runs", Waits(FLEET)),
    (19, "two processes on one folder", Tested(&[(LOG, "a_second_opener_is_refused")])),
    (
        20,
        "a network file system, a folder that cannot be written, links",
        Part(
            &[
                (SYSCALLS, "a_folder_that_cannot_be_written_stops_the_start_and_says_so"),
                (GONE, "what_cannot_be_read_or_listed_stays_and_is_not_taken_for_empty"),
            ],
            "a network file system, and links put in while it runs",
        ),
    ),
    (21, "records too large", Tested(&[(LOG, "a_record_too_large_is_written_small"), AGREE])),
    (
        22,
        "tree sizes around powers of two",
        Part(
            &[(TREE, "grows_as_defined"), (TREE, "inclusion_holds_and_breaks"), (TREE, "consistency_holds_and_breaks")],
            "ten million records, and other people's trees as oracles",
        ),
    ),
    (23, "no descriptors, no memory, a thread that panics", Waits("a way to take them from one process")),
    (
        24,
        "a stop with a full queue",
        Tested(&[
            (LOG, "records_are_numbered_sealed_and_cut_to_size"),
            (BINARY, "a_missing_folder_holds_up_nothing_and_is_said"),
        ]),
    ),
    (
        25,
        "a broker that is down",
        Part(
            &[
                (PUMP, "a_store_that_is_away_costs_nothing_but_lag"),
                (NATS, "a_server_that_is_killed_under_load_has_every_record_once"),
                (POSTGRES, "a_server_that_is_killed_under_load_has_every_record_once"),
                (SERVERS, "a_nats_server_that_is_killed_under_load_ends_with_the_log_once"),
                (SERVERS, "a_postgres_server_that_is_killed_under_load_ends_with_the_log_once"),
            ],
            "an hour of full load, and how long verdicts take meanwhile",
        ),
    ),
    (
        26,
        "a broker that loses what it acknowledged",
        Tested(&[
            (PUMP, "what_a_store_lost_is_sent_again_at_the_next_comparison"),
            (NATS, "a_store_that_was_set_back_or_wiped_is_noticed_and_filled"),
        ]),
    ),
    (
        27,
        "an acknowledgement that is lost",
        Tested(&[
            (PUMP, "a_lost_cursor_and_a_lost_answer_send_nothing_twice"),
            (NATS, "an_answer_that_is_lost_and_a_stream_that_forgot_store_nothing_twice"),
            (POSTGRES, "an_answer_that_is_lost_stores_nothing_twice"),
            (HTTP, "what_is_lost_on_the_way_is_sent_again_and_kept_once"),
        ]),
    ),
    (
        28,
        "a delivery twice",
        Tested(&[
            (NATS, "an_answer_that_is_lost_and_a_stream_that_forgot_store_nothing_twice"),
            (POSTGRES, "it_conforms_and_nothing_can_be_changed"),
        ]),
    ),
    (
        29,
        "batches out of order",
        Tested(&[(NATS, "it_conforms"), (POSTGRES, "it_conforms_and_nothing_can_be_changed"), (FILE, "it_conforms")]),
    ),
    (
        30,
        "a store that holds something else",
        Tested(&[
            (PUMP, "a_store_with_other_records_is_left_as_it_is"),
            (NATS, "it_conforms"),
            (POSTGRES, "it_conforms_and_nothing_can_be_changed"),
        ]),
    ),
    (31, "a slow sink beside a fast one", Tested(&[(HTTP, "a_receiver_that_is_silent_holds_up_nobody_else")])),
    (
        32,
        "a batch that is always refused",
        Tested(&[
            (PUMP, "a_refused_batch_goes_aside_and_the_others_pass"),
            (PUMP, "who_refuses_everything_is_no_longer_asked_to"),
            (HTTP, "each_answer_is_what_the_driver_must_know"),
        ]),
    ),
    (
        33,
        "a message above the broker's limit",
        Tested(&[
            (NATS, "the_largest_batch_goes_through_and_what_a_stream_finds_too_large_goes_in_halves"),
            (PUMP, "what_is_too_large_is_sent_in_halves"),
        ]),
    ),
    (
        34,
        "certificates, names and credentials that change",
        Part(
            &[
                (NATS, "rights_and_certificates_are_told_for_what_they_are"),
                (POSTGRES, "rights_promises_and_certificates_are_looked_at"),
                (HTTP, "a_token_and_a_certificate_of_its_own"),
                ("src/evidence/sink/pace.rs", "a_fleet_comes_back_spread_over_the_ceiling"),
            ],
            "names that move, and connections of which one half is dead",
        ),
    ),
    (35, "partial success over OTLP", Waits("a sink to OTLP")),
    (
        36,
        "a full spool and a dead broker",
        Part(
            &[(GONE, "what_a_sink_lacks_outlives_its_age"), (GONE, "the_ceiling_holds_and_says_who_lacked_what_went")],
            "the steps before the ceiling",
        ),
    ),
    (
        37,
        "a store that is wiped",
        Tested(&[
            ("src/evidence/sink/rebuild.rs", "a_lost_store_comes_back_byte_for_byte_from_any_other"),
            (NATS, "a_store_that_was_set_back_or_wiped_is_noticed_and_filled"),
            (NATS, "a_stream_and_a_folder_are_rebuilt_from_each_other"),
            (POSTGRES, "a_store_that_was_set_back_is_noticed_and_one_rebuilt_from_another"),
        ]),
    ),
    (
        38,
        "rows taken out by the operator",
        Tested(&[
            (FILE, "a_folder_of_batches_is_a_log_that_verifies"),
            (POSTGRES, "a_store_that_was_set_back_is_noticed_and_one_rebuilt_from_another"),
        ]),
    ),
    (
        39,
        "a clock that jumps",
        Tested(&[
            (LOG, "a_clock_that_jumps_is_recorded"),
            (KEYS, "records_beyond_the_delegation_are_told_and_a_clock_that_jumps_is_not"),
        ]),
    ),
    (40, "records with an earlier date", Waits(FLEET)),
    (41, "a record taken out", Tested(&[WRONG, AGREE])),
    (42, "records swapped, doubled, put in", Tested(&[WRONG, AGREE])),
    (43, "records and segments of another log", Tested(&[(VERIFY, "foreign_records_are_told"), AGREE])),
    (
        44,
        "two heads that contradict each other",
        Part(
            &[
                (VERIFY, "a_log_that_is_rebuilt_whole_fails_at_its_heads"),
                (KEYS, "a_key_that_is_taken_back_vouches_for_what_the_root_names"),
            ],
            "keeping both as a proof: the fleet log and witnesses",
        ),
    ),
    (
        45,
        "a stale head",
        Part(&[(VERIFY, "an_older_head_in_its_place_is_stale"), AGREE], "an age by cosignatures: the fleet log and witnesses"),
    ),
    (46, "a newer head that is hidden", Waits(FLEET)),
    (
        47,
        "a log that is withheld",
        Part(&[(VERIFY, "the_chain_from_log_to_log_is_held"), AGREE], "the last log of all: the fleet log and witnesses"),
    ),
    (
        48,
        "signatures and keys that are crooked",
        Tested(&[(KEY, "signatures_are_not_malleable"), (KEY, "weak_and_crooked_keys_are_refused")]),
    ),
    (
        49,
        "one kind of note for another",
        Tested(&[
            (NOTE, "a_delegation_is_no_checkpoint"),
            (NOTE, "a_revocation_has_one_text"),
            (RECEIPT, "a_receipt_is_no_head_and_no_head_is_a_receipt"),
            (VERIFY, "a_head_of_another_key_or_kind_is_refused"),
        ]),
    ),
    (50, "key ids that collide, many signature lines", Part(&[TRAPS], "a quorum of cosignatures: the fleet log and witnesses")),
    (
        51,
        "a change of keys in the middle of traffic, a thousand times",
        Part(
            &[(KILL, "fifty_kills_under_load_lose_nothing_that_was_acknowledged"), (VERIFY, "the_chain_from_log_to_log_is_held")],
            "a change of keys without a restart",
        ),
    ),
    (52, "a stolen key", Tested(&[(KEYS, "a_key_that_is_taken_back_vouches_for_what_the_root_names")])),
    (53, "another root key on the disk", Tested(&[(VERIFY, "an_untouched_log_is_valid"), AGREE])),
    (54, "a record that looks like two hashes", Tested(&[(TREE, "leaves_and_nodes_are_apart")])),
    (
        55,
        "proofs with wrong places and lengths",
        Tested(&[
            (TREE, "inclusion_holds_and_breaks"),
            (TREE, "consistency_holds_and_breaks"),
            (VERIFY, "proofs_stand_alone_and_break"),
        ]),
    ),
    (
        56,
        "traps of canonical JSON",
        Tested(&[(CANON, "traps_are_refused"), (RECORD, "every_kind_is_taken_whole_and_refused_otherwise"), AGREE]),
    ),
    (57, "traps of notes", Tested(&[TRAPS])),
    (58, "bombs and paths in a bundle", Waits("bundles in one file; a folder is read file by file, under its ceilings")),
    (59, "a commitment guessed", Tested(&[(LOG, "commitments_open_with_one_key_and_pseudonyms_stay")])),
    (60, "a day's key destroyed", Tested(&[(LOG, "a_key_that_is_destroyed_closes_its_day_and_leaves_the_log_valid")])),
    (
        61,
        "a record erased",
        Part(
            &[
                (ERASE, "an_erased_record_leaves_the_tree_as_it_was"),
                (ERASE, "what_is_erased_in_silence_is_incomplete_and_another_leaf_invalid"),
                AGREE,
            ],
            "copies in the sinks",
        ),
    ),
    (
        62,
        "control characters and markup in what is logged",
        Tested(&[(WORDS, "what_a_log_says_stays_inert"), (PAGE, "nothing_from_a_log_becomes_markup")]),
    ),
    (
        63,
        "a flood of refusals",
        Tested(&[(FLOOD, "a_flood_leaves_few_records_that_count_it_whole"), (GONE, "the_oldest_segments_go_while_the_log_runs")]),
    ),
    (
        64,
        "the guard stopped for a while",
        Tested(&[
            (TRAFFIC, "allowed_refused_redacted_cut_and_left_exchanges_leave_one_record_each"),
            (GONE, "dying_while_logs_go_never_reads_as_a_missing_log"),
            (RECEIPTS, "what_was_promised_and_died_with_its_process_is_a_broken_promise"),
            (RECEIPTS, "receipts_are_held_against_what_stands_in_their_place"),
        ]),
    ),
    (65, "a witness that errs or is away", Waits(FLEET)),
    (66, "a collector that is not honest", Waits(FLEET)),
    (
        67,
        "a newer format on disk",
        Part(&[(LOG, "a_folder_of_a_newer_format_is_left_as_it_is")], "old segments under a second version of the format"),
    ),
];

#[test]
fn every_case_is_tested_or_says_what_it_waits_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [mut tested, mut part, mut waiting] = [0; 3];
    for (at, (number, title, now)) in CASES.iter().enumerate() {
        assert_eq!(usize::from(*number), at + 1);
        let tests = match now {
            Tested(tests) => {
                tested += 1;
                *tests
            }
            Part(tests, left) => {
                part += 1;
                assert!(!left.is_empty());
                *tests
            }
            Waits(what) => {
                waiting += 1;
                assert!(!what.is_empty());
                continue;
            }
        };
        there(&format!("case {number}, {title}"), tests);
    }
    println!("{tested} tested, {part} in part, {waiting} waiting");
    let page = fs::read_to_string(root.join("src/docs/evidence.md")).unwrap();
    let said = format!("{tested} are tested, {part} in part, {waiting} wait");
    assert!(page.contains(&said), "src/docs/evidence.md should say: {said}");
}
