//! Against a server of its own: killed, set back, without rights.

use super::*;
use crate::base::limits::SINK_COMPARE_SECONDS;
use crate::evidence::merkle::Tree;
use crate::evidence::segment::FrameKind;
use crate::evidence::sink::batch::Builder;
use crate::evidence::sink::conformance::{batches, conforms, sees_a_fork};
use crate::evidence::sink::driven::{drive, ended, ids, ids_of, live};
use crate::evidence::sink::file::FileSink;
use crate::evidence::sink::rebuild::rebuild;
use crate::evidence::sink::sample::{Sample, forged, two_logs};
use crate::evidence::sink::server::{Between, PASSWORD, Postgres, certificate};
use crate::evidence::sink::status::State;
use crate::evidence::verify::{Policy, verify};

/// A database of its own on the server, whoever asks for it first.
fn settings(postgres: &Postgres, port: u16, name: &str) -> Settings {
    let word = postgres.dir.path().join("word");
    let mut settings = Settings::default();
    settings.set("url", format!("postgres://postgres@127.0.0.1:{port}/{name}"));
    settings.set("tls", "off");
    settings.set_path("password_file", word);
    settings
}

fn sink(postgres: &Postgres, name: &str) -> Box<dyn Sink> {
    make(&settings(postgres, postgres.port, name)).unwrap().sink
}

fn opened(postgres: &Postgres, name: &str) -> Box<dyn Sink> {
    let mut sink = sink(postgres, name);
    sink.open().unwrap();
    sink
}

/// What the owner of the server may say.
fn say(postgres: &Postgres, name: &str, sql: &str) -> Result<Vec<String>, String> {
    let mut config: Config = format!("postgres://postgres@127.0.0.1:{}/{name}", postgres.port).parse().unwrap();
    config.password(PASSWORD);
    Caller::default()
        .call(async {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            let rows = client.simple_query(sql).await;
            Ok(rows.map_err(|error| error.as_db_error().unwrap().message().to_owned()))
        })
        .unwrap()
        .map(|rows| {
            let cell = |row| match row {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("").to_owned()),
                _ => None,
            };
            rows.into_iter().filter_map(cell).collect()
        })
}

fn with_databases(names: &[&str]) -> Option<Postgres> {
    let postgres = Postgres::start(&[], &[])?;
    for name in names {
        say(&postgres, "postgres", &format!("create database {name}")).unwrap();
    }
    Some(postgres)
}

#[test]
fn it_conforms_and_nothing_can_be_changed() {
    let Some(postgres) = with_databases(&["one", "two"]) else { return };
    let (_sample, log, other) = two_logs();
    conforms(&log, &other, Level::Durable, &mut || sink(&postgres, "one"));
    let all = batches(&log);
    sees_a_fork(&all, &forged(&all), &mut *sink(&postgres, "two"));
    // What was left out is filled.
    let mut one = opened(&postgres, "one");
    one.deliver(&all[2]).unwrap();
    assert_eq!(ids(&mut *one, all[0].origin()), all.iter().take(5).map(Batch::id).collect::<Vec<_>>());
    for sql in [
        "update servanda_evidence.batch set last = last",
        "delete from servanda_evidence.batch",
        "delete from servanda_evidence.record",
        "truncate servanda_evidence.batch cascade",
        "truncate servanda_evidence.log, servanda_evidence.batch, servanda_evidence.record",
    ] {
        assert_eq!(say(&postgres, "one", sql).unwrap_err(), "evidence is only added to", "{sql}");
    }
    // Who writes past us is held to the same.
    let overlaps = "insert into servanda_evidence.batch (log, first, last, root, bytes)
        select log, first + 1, last, root, bytes from servanda_evidence.batch where last > first limit 1";
    assert!(say(&postgres, "one", overlaps).unwrap_err().contains("are here already"));
    // The records answer questions.
    let exchanges =
        "select count(*) from servanda_evidence.evidence where kind = 'exchange' and act = 'flag' and agent like 'did:web:%'";
    let records = all
        .iter()
        .take(5)
        .flat_map(Batch::records)
        .filter(|(_, record)| std::str::from_utf8(record).unwrap().contains("\"kind\":\"exchange\""));
    let foreign =
        batches(&other)[0].records().filter(|(_, r)| std::str::from_utf8(r).unwrap().contains("\"kind\":\"exchange\"")).count();
    assert_eq!(say(&postgres, "one", exchanges).unwrap(), [(records.count() + foreign).to_string()]);
    let time = "select min(time) > '2025-01-01' and max(time) < '2026-01-01' from servanda_evidence.evidence";
    assert_eq!(say(&postgres, "one", time).unwrap(), ["t"]);
}

#[test]
fn an_answer_that_is_lost_stores_nothing_twice() {
    let Some(postgres) = with_databases(&["one"]) else { return };
    let (_sample, log, _) = two_logs();
    let between = Between::start(postgres.port);
    let mut sink = make(&settings(&postgres, between.port, "one")).unwrap().sink;
    sink.open().unwrap();
    let all = batches(&log);
    for batch in &all {
        between.lose_an_answer();
        assert!(matches!(sink.deliver(batch), Err(Fault::Later { .. })));
        sink.open().unwrap();
        assert_eq!(sink.head(batch.origin()), Ok(Held::Head { size: batch.size(), root: batch.root() }));
        assert_eq!(sink.deliver(batch), Ok(Level::Durable), "it is there already");
    }
    assert_eq!(ids(&mut *sink, all[0].origin()), all.iter().map(Batch::id).collect::<Vec<_>>());
    let records = all.last().unwrap().size().to_string();
    assert_eq!(say(&postgres, "one", "select count(*) from servanda_evidence.record").unwrap(), [records]);
}

#[test]
fn a_server_that_is_killed_under_load_has_every_record_once() {
    let Some(mut postgres) = with_databases(&["one"]) else { return };
    let sample = Sample::new();
    let log = sample.log();
    let mut driven = drive(&sample, sink(&postgres, "one"), Level::Durable, Level::Durable, Some(log.handle()));
    for kill in 0..4 {
        for _ in 0..20 {
            sample.write(&log, 3);
        }
        for _ in 0..kill * 5 {
            driven.pump.turn(&live(&log));
        }
        postgres.kill();
        for _ in 0..4 {
            driven.pump.turn(&live(&log));
        }
        let status = driven.told.now();
        assert!(status.lag_records > 0 && status.state != State::Fork, "{status:?}");
        postgres.up();
    }
    driven.settle(&sample, &live(&log));
    log.close().unwrap();
    driven.settle(&sample, &ended());
    let (origin, wanted) = ids_of(&sample.logs()[0]);
    assert!(wanted.len() > 70);
    assert_eq!(ids(&mut *opened(&postgres, "one"), &origin), wanted);
    let records = batches(&sample.logs()[0]).last().unwrap().size().to_string();
    let counted = "select count(*) from servanda_evidence.record where body is not null";
    assert_eq!(say(&postgres, "one", counted).unwrap(), [records]);
    assert!(driven.told.now().failures >= 4);
}

#[test]
fn a_store_that_was_set_back_is_noticed_and_one_rebuilt_from_another() {
    let Some(postgres) = with_databases(&["one", "two"]) else { return };
    let sample = Sample::new();
    let log = sample.log();
    let mut driven = drive(&sample, sink(&postgres, "one"), Level::Verified, Level::Durable, Some(log.handle()));
    for _ in 0..3 {
        sample.write(&log, 4);
    }
    driven.settle(&sample, &live(&log));
    // Somebody restores an old dump: the last rows are gone.
    let back = "set session_replication_role = replica; delete from servanda_evidence.batch where first > 0;
        delete from servanda_evidence.record where index > 5";
    say(&postgres, "one", back).unwrap();
    sample.clock.advance_us((SINK_COMPARE_SECONDS + 1) * 1_000_000);
    driven.settle(&sample, &live(&log));
    log.close().unwrap();
    driven.settle(&sample, &ended());
    let (origin, wanted) = ids_of(&sample.logs()[0]);
    let mut one = opened(&postgres, "one");
    assert_eq!(ids(&mut *one, &origin), wanted);
    let all = batches(&sample.logs()[0]);
    let lost = all.iter().flat_map(Batch::records).filter(|(_, r)| String::from_utf8_lossy(r).contains("the store lost"));
    assert_eq!(lost.count(), 1);
    // To a folder that verifies, and from there to another database.
    let dir = tempfile::tempdir().unwrap();
    let mut folder = FileSink::new(dir.path());
    let told = rebuild(&mut *one, &mut folder, &mut |_| {}).unwrap();
    assert!(told.is_whole() && told.batches == wanted.len() as u64, "{told:?}");
    let key = std::fs::read_to_string(sample.dir.path().join("root.vkey")).unwrap();
    let report = verify(dir.path(), &Policy::pinned(&key).unwrap()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
    let mut two = opened(&postgres, "two");
    for _ in 0..2 {
        assert_eq!(rebuild(&mut folder, &mut *two, &mut |_| {}).unwrap(), told);
    }
    assert_eq!(ids(&mut *two, &origin), wanted);
}

#[test]
fn a_record_that_jsonb_cannot_hold_holds_up_nothing() {
    let Some(postgres) = with_databases(&["one", "few"]) else { return };
    let (_sample, log, _) = two_logs();
    let card = batches(&log)[0].card();
    let mut tree = Tree::default();
    let mut builder = Builder::new(&card.log(), &tree);
    for record in [r#"{"a":"\u0000"}"#, r#"{"a":"b"}"#, r#"{"a":"\\u0000"}"#] {
        builder.push(&mut tree, FrameKind::Record, record.as_bytes());
    }
    builder.push(&mut tree, FrameKind::Record, &[0xff, 0xfe]);
    let batch = builder.end(&card, &tree, None).unwrap();
    let mut one = opened(&postgres, "one");
    assert_eq!(one.deliver(&batch), Ok(Level::Durable));
    assert!(one.read(&card.origin, 3).unwrap().unwrap() == batch.wire());
    let bodies = "select coalesce(body ->> 'a', '-') from servanda_evidence.record order by index";
    assert_eq!(say(&postgres, "one", bodies).unwrap(), ["-", "b", "-", "-"]);
    let mut settings = settings(&postgres, postgres.port, "few");
    settings.set("records", "false");
    let mut few = make(&settings).unwrap().sink;
    few.open().unwrap();
    few.deliver(&batch).unwrap();
    assert_eq!(say(&postgres, "few", "select count(*) from servanda_evidence.record").unwrap(), ["0"]);
}

#[test]
fn rights_promises_and_certificates_are_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let options = ["-c", "ssl=on", "-c", "ssl_cert_file={dir}/cert.pem", "-c", "ssl_key_file={dir}/key.pem"];
    let Some(postgres) = Postgres::start(&options, &[&cert, &key]) else { return };
    let settled = |sink: &mut Box<dyn Sink>, says: &str| {
        let Err(Fault::Settings(why)) = sink.open() else { panic!("{says} is passed over") };
        assert!(why.contains(says) && !why.contains(PASSWORD), "{why}");
    };
    let mut settings = Settings::default();
    let word = dir.path().join("word");
    std::fs::write(&word, "wrong").unwrap();
    settings.set("url", format!("postgres://postgres@localhost:{}/postgres", postgres.port));
    settings.set_path("password_file", &word);
    settled(&mut make(&settings).unwrap().sink, "certificate");
    settings.set_path("ca_file", &cert);
    let mut sink = make(&settings).unwrap().sink;
    settled(&mut sink, "password authentication failed");
    // Somebody writes the new one into the file: the next connection has it.
    std::fs::write(&word, format!("{PASSWORD}\n")).unwrap();
    sink.open().unwrap();
    // A role with no more rights than it needs, and one with fewer.
    say(
        &postgres,
        "postgres",
        "create role sidecar login password 'open-sesame'; create role nobody login password 'open-sesame';
         grant usage on schema servanda_evidence to sidecar; grant select, insert on all tables in schema servanda_evidence to sidecar",
    )
    .unwrap();
    let (_sample, log, _) = two_logs();
    let all = batches(&log);
    let as_role = |role: &str, name: &str| {
        let mut settings = settings.clone();
        settings.set("url", format!("postgres://{role}@localhost:{}/{name}", postgres.port));
        make(&settings).unwrap().sink
    };
    let mut sidecar = as_role("sidecar", "postgres");
    sidecar.open().unwrap();
    for batch in [&all[0], &all[0], &all[1]] {
        assert_eq!(sidecar.deliver(batch), Ok(Level::Durable));
    }
    let mut nobody = as_role("nobody", "postgres");
    nobody.open().unwrap();
    assert!(matches!(nobody.deliver(&all[2]), Err(Fault::Settings(why)) if why.contains("permission denied")));
    settled(&mut as_role("nobody", "missing"), "does not exist");
    say(&postgres, "postgres", "create database empty").unwrap();
    settled(&mut as_role("nobody", "empty"), "apply postgres.sql");
    // A schema of another version is left alone.
    say(&postgres, "empty", "create schema servanda_evidence; comment on schema servanda_evidence is 'servanda evidence 9'")
        .unwrap();
    settled(&mut as_role("postgres", "empty"), "servanda evidence 9");
    // A server that keeps no promise is not used.
    for broken in ["full_page_writes", "fsync"] {
        say(&postgres, "postgres", &format!("alter system set {broken} = off")).unwrap();
        say(&postgres, "postgres", "select pg_reload_conf()").unwrap();
        // The reload comes to each process in its own time.
        let mut refused = as_role("postgres", "postgres");
        let why = loop {
            if let Err(fault) = refused.open() {
                break fault.to_string();
            }
        };
        assert!(why.contains(&format!("{broken} is off")), "{why}");
        say(&postgres, "postgres", &format!("alter system reset {broken}")).unwrap();
        say(&postgres, "postgres", "select pg_reload_conf()").unwrap();
        while refused.open().is_err() {}
    }
    // One that forgets to sync is told to, for what we write.
    say(&postgres, "postgres", "alter database postgres set synchronous_commit = off").unwrap();
    as_role("postgres", "postgres").open().unwrap();
}

#[test]
fn settings_say_what_to_write_instead() {
    for (url, says) in [
        ("localhost", "postgres://user@host"),
        ("mysql://a/b", "postgres://user@host"),
        ("host=a user=b", "postgres://user@host"),
        ("postgres://bob:secret@a/b", "password_file"),
        ("postgres://bob@a/b?password=secret", "password_file"),
    ] {
        let mut settings = Settings::default();
        settings.set("url", url);
        let why = make(&settings).map(|_| ()).unwrap_err();
        assert!(why.contains(says) && !why.contains("secret"), "{why}");
    }
    let mut settings = Settings::default();
    settings.set("url", "postgres://bob@a,b/c");
    let made = make(&settings).unwrap();
    assert_eq!(made.gives, Level::Durable);
}
