//! Against a server of its own: killed, wiped, set back, set up wrongly.

use super::*;
use crate::base::limits::{BATCH_BYTES_MAX, SINK_COMPARE_SECONDS};
use crate::evidence::merkle::Tree;
use crate::evidence::segment::FrameKind;
use crate::evidence::sink::batch::Builder;
use crate::evidence::sink::conformance::{batches, conforms, sees_a_fork};
use crate::evidence::sink::driven::{drive, ended, ids, ids_of, live};
use crate::evidence::sink::file::FileSink;
use crate::evidence::sink::rebuild::rebuild;
use crate::evidence::sink::sample::{Sample, forged, two_logs};
use crate::evidence::sink::server::{Between, Nats, certificate};
use crate::evidence::sink::status::State;
use crate::evidence::verify::{Policy, verify};

fn settings(port: u16) -> Settings {
    let mut settings = Settings::default();
    settings.set("url", format!("nats://127.0.0.1:{port}"));
    settings
}

fn sink(port: u16, stream: &str) -> Box<dyn Sink> {
    let mut settings = settings(port);
    settings.set("stream", stream);
    settings.set("subject", format!("evd.{stream}"));
    make(&settings).unwrap().sink
}

fn opened(port: u16, stream: &str) -> Box<dyn Sink> {
    let mut sink = sink(port, stream);
    sink.open().unwrap();
    sink
}

/// Another client, that knows nothing of batches.
fn raw<T>(port: u16, what: impl AsyncFnOnce(Client) -> T) -> T {
    Caller::default().call(async { Ok(what(async_nats::connect(format!("127.0.0.1:{port}")).await.unwrap()).await) }).unwrap()
}

fn api(port: u16, call: &str, wanted: &Value) -> Value {
    let (subject, wanted) = (format!("$JS.API.{call}"), Bytes::from(wanted.to_string()));
    let answer = raw(port, async |client| client.request(subject, wanted).await.unwrap());
    serde_json::from_slice(&answer.payload).unwrap()
}

#[test]
fn it_conforms() {
    let Some(nats) = Nats::start(&[]) else { return };
    let (_sample, log, other) = two_logs();
    conforms(&log, &other, Level::Accepted, &mut || sink(nats.port, "one"));
    let all = batches(&log);
    sees_a_fork(&all, &forged(&all), &mut *sink(nats.port, "two"));
    // A place that was left out stays so, and is no place that is taken.
    let mut three = opened(nats.port, "three");
    three.deliver(&all[0]).unwrap();
    three.deliver(&all[2]).unwrap();
    assert!(matches!(three.deliver(&all[1]), Err(Fault::Refused { why, too_large: false }) if why.contains("only appended")));
    assert_eq!(ids(&mut *three, all[0].origin()), [all[0].id(), all[2].id()]);
}

#[test]
fn an_answer_that_is_lost_and_a_stream_that_forgot_store_nothing_twice() {
    let Some(nats) = Nats::start(&[]) else { return };
    let (_sample, log, _) = two_logs();
    let between = Between::start(nats.port);
    let all = batches(&log);
    let mut sink = opened(between.port, "s");
    for batch in &all[..3] {
        sink.head(batch.origin()).unwrap();
        between.lose_an_answer();
        assert!(matches!(sink.deliver(batch), Err(Fault::Later { .. })));
        sink.open().unwrap();
        assert_eq!(sink.deliver(batch), Ok(Level::Accepted), "it is there already");
    }
    // Beyond the window in which a stream remembers ids: here is one that it never knew.
    let mut sink = opened(nats.port, "s");
    assert_eq!(sink.head(all[0].origin()), Ok(Held::Head { size: all[2].size(), root: all[2].root() }));
    let subject = format!("evd.s.{}", all[3].log().base64url());
    raw(nats.port, async |client| client.request(subject, Bytes::copy_from_slice(all[3].wire())).await.unwrap());
    assert_eq!(sink.deliver(&all[3]), Ok(Level::Accepted));
    assert_eq!(sink.deliver(&all[4]), Ok(Level::Accepted));
    let wanted: Vec<String> = all[..5].iter().map(Batch::id).collect();
    assert_eq!(ids(&mut *sink, all[0].origin()), wanted);
    assert_eq!(api(nats.port, "STREAM.INFO.s", &json!({}))["state"]["messages"], 5);
}

#[test]
fn a_server_that_is_killed_under_load_has_every_record_once() {
    let Some(mut nats) = Nats::start(&[]) else { return };
    let sample = Sample::new();
    let log = sample.log();
    let mut driven = drive(&sample, sink(nats.port, "s"), Level::Accepted, Level::Accepted, Some(log.handle()));
    for kill in 0..6 {
        for _ in 0..30 {
            sample.write(&log, 3);
        }
        for _ in 0..kill * 4 {
            driven.pump.turn(&live(&log));
        }
        nats.kill();
        for _ in 0..4 {
            driven.pump.turn(&live(&log));
        }
        let status = driven.told.now();
        assert!(status.lag_records > 0 && status.state != State::Fork, "{status:?}");
        nats.up();
    }
    driven.settle(&sample, &live(&log));
    log.close().unwrap();
    driven.settle(&sample, &ended());
    let (origin, wanted) = ids_of(&sample.logs()[0]);
    assert!(wanted.len() > 150);
    assert_eq!(ids(&mut *opened(nats.port, "s"), &origin), wanted);
    assert_eq!(api(nats.port, "STREAM.INFO.s", &json!({}))["state"]["messages"], wanted.len());
    assert!(driven.told.now().failures >= 6);
}

#[test]
fn a_store_that_was_set_back_or_wiped_is_noticed_and_filled() {
    let Some(mut nats) = Nats::start(&[]) else { return };
    let sample = Sample::new();
    let log = sample.log();
    let mut driven = drive(&sample, sink(nats.port, "s"), Level::Accepted, Level::Accepted, Some(log.handle()));
    for _ in 0..3 {
        sample.write(&log, 4);
    }
    driven.settle(&sample, &live(&log));
    // A copy of the disk, as a snapshot would have it.
    nats.kill();
    let (store, copy) = (nats.dir.path().join("store"), nats.dir.path().join("copy"));
    let copied = |from: &std::path::Path, to: &std::path::Path| {
        assert!(std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
    };
    copied(&store, &copy);
    nats.up();
    for _ in 0..3 {
        sample.write(&log, 4);
    }
    let at = live(&log);
    driven.settle(&sample, &at);
    assert!(driven.shipped.lacking(&at.boot, at.signed).is_empty());
    nats.kill();
    std::fs::remove_dir_all(&store).unwrap();
    copied(&copy, &store);
    nats.up();
    for wiped in [false, true] {
        if wiped {
            nats.wipe();
        }
        sample.clock.advance_us((SINK_COMPARE_SECONDS + 1) * 1_000_000);
        let at = live(&log);
        driven.settle(&sample, &at);
        assert!(driven.shipped.lacking(&at.boot, at.signed).is_empty());
    }
    log.close().unwrap();
    driven.settle(&sample, &ended());
    let (origin, wanted) = ids_of(&sample.logs()[0]);
    assert_eq!(ids(&mut *opened(nats.port, "s"), &origin), wanted);
    let all = batches(&sample.logs()[0]);
    let notes: Vec<String> = all
        .iter()
        .flat_map(Batch::records)
        .map(|(_, record)| String::from_utf8_lossy(record).into_owned())
        .filter(|record| record.contains("the store lost"))
        .collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[test]
fn a_stream_and_a_folder_are_rebuilt_from_each_other() {
    let Some(nats) = Nats::start(&[]) else { return };
    let (sample, log, other) = two_logs();
    let mut stream = opened(nats.port, "one");
    for batch in batches(&log).iter().chain(&batches(&other)) {
        stream.deliver(batch).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let mut folder = FileSink::new(dir.path());
    let told = rebuild(&mut *stream, &mut folder, &mut |_| {}).unwrap();
    assert!(told.is_whole() && told.logs == 2 && told.batches == 12, "{told:?}");
    let key = std::fs::read_to_string(sample.dir.path().join("root.vkey")).unwrap();
    let report = verify(dir.path(), &Policy::pinned(&key).unwrap()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
    let mut second = opened(nats.port, "two");
    for _ in 0..2 {
        assert_eq!(rebuild(&mut folder, &mut *second, &mut |_| {}).unwrap(), told);
    }
    let (origin, wanted) = ids_of(&log);
    assert_eq!(ids(&mut *second, &origin), wanted);
    // From any place, whatever was read before.
    let all = batches(&log);
    for from in [9, 0, 4, 12, 2, 7, all[5].last(), 1] {
        let found = all.iter().find(|batch| batch.last() >= from).unwrap();
        let stored = second.read(&origin, from).unwrap().unwrap();
        assert_eq!(Batch::parse(&stored).unwrap().id(), found.id(), "from {from}");
    }
}

#[test]
fn the_largest_batch_goes_through_and_what_a_stream_finds_too_large_goes_in_halves() {
    let Some(nats) = Nats::start(&[]) else { return };
    let (_sample, log, _) = two_logs();
    let card = batches(&log)[0].card();
    let mut tree = Tree::default();
    let mut builder = Builder::new(&card.log(), &tree);
    while builder.has_room(8 << 10) {
        let mut record = vec![0; 8 << 10];
        getrandom::fill(&mut record).unwrap();
        builder.push(&mut tree, FrameKind::Record, &record);
    }
    let largest = builder.end(&card, &tree, None).unwrap();
    assert!(largest.wire().len() > BATCH_BYTES_MAX);
    let mut one = opened(nats.port, "one");
    one.deliver(&largest).unwrap();
    assert!(one.read(&card.origin, 0).unwrap().unwrap() == largest.wire());
    let stream = |name: &str, more: &Value| {
        let mut wanted = json!({"name": name, "subjects": [format!("evd.{name}.*")], "retention": "limits", "storage": "file", "discard": "new", "num_replicas": 1});
        wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = api(nats.port, &format!("STREAM.CREATE.{name}"), &wanted);
        assert!(answer["error"].is_null(), "{answer}");
    };
    stream("small", &json!({"max_msg_size": 2000}));
    let sample = Sample::new();
    let log = sample.log();
    sample.write(&log, 100);
    let mut driven = drive(&sample, sink(nats.port, "small"), Level::Accepted, Level::Accepted, None);
    driven.settle(&sample, &live(&log));
    let status = driven.told.now();
    assert_eq!((status.state, status.quarantined, status.lag_records), (State::Current, 0, 0));
    assert!(status.delivered_batches > 8, "{status:?}");
    // One that is full takes nothing, and says so; nothing is dropped for it.
    stream("full", &json!({"max_bytes": 5000}));
    let mut full = opened(nats.port, "full");
    let refused = batches(&sample.logs()[0]).iter().map(|batch| full.deliver(batch)).find(Result::is_err);
    assert!(matches!(&refused, Some(Err(Fault::Settings(why))) if why.contains("is full")), "{refused:?}");
    // And one that would lose something is not used at all.
    for (more, says) in [
        (json!({"storage": "memory"}), "in memory"),
        (json!({"discard": "old"}), "drops old messages"),
        (json!({"max_age": 3_600_000_000_000u64}), "drops old messages"),
        (json!({"max_msgs_per_subject": 5}), "drops old messages"),
        (json!({"retention": "workqueue"}), "once they are read"),
        (json!({"no_ack": true}), "acknowledges nothing"),
        (json!({"subjects": ["other.*"]}), "does not take the subjects evd.wrong.*"),
    ] {
        stream("wrong", &more);
        let Err(Fault::Settings(why)) = sink(nats.port, "wrong").open() else { panic!("{more} is used") };
        assert!(why.contains(says), "{why}");
        api(nats.port, "STREAM.DELETE.wrong", &json!({}));
    }
    let mut settings = settings(nats.port);
    settings.set("replicas", "3");
    let Err(Fault::Settings(why)) = make(&settings).unwrap().sink.open() else { panic!("one server has three copies") };
    assert!(why.contains("cannot be made"), "{why}");
}

#[test]
fn rights_and_certificates_are_told_for_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let (cert_text, key_text) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let secure = ["--tls", "--tlscert", cert_text, "--tlskey", key_text, "--user", "servanda", "--pass", "open-sesame"];
    let Some(nats) = Nats::start(&secure) else { return };
    let file = dir.path().join("password");
    std::fs::write(&file, "open-sesame\n").unwrap();
    let mut settings = Settings::default();
    settings.set("url", format!("tls://localhost:{}", nats.port));
    settings.set("user", "servanda");
    settings.set_path("password_file", &file);
    let Err(Fault::Settings(why)) = make(&settings).unwrap().sink.open() else { panic!("anybody is trusted") };
    assert!(why.contains("certificate"), "{why}");
    settings.set_path("ca_file", &cert);
    let mut sink = make(&settings).unwrap().sink;
    sink.open().unwrap();
    assert_eq!(sink.head("a/b"), Ok(Held::Nothing));
    // The password changed, and somebody put the new one into the file: the next connection has it.
    std::fs::write(&file, "wrong\n").unwrap();
    let Err(Fault::Settings(why)) = sink.open() else { panic!("a wrong password opens it") };
    assert!(why.contains("refuses us") && !why.contains("wrong"), "{why}");
    std::fs::write(&file, "open-sesame\n").unwrap();
    sink.open().unwrap();
    assert!(!format!("{:?}", make(&settings).unwrap()).contains("sesame"));
}

#[test]
fn a_right_that_is_missing_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("nats.conf");
    let rights = r#"authorization: {users: [
        {user: all, password: all},
        {user: few, password: few, permissions: {publish: ["$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*"], subscribe: ">"}}]}"#;
    std::fs::write(&config, rights).unwrap();
    let Some(nats) = Nats::start(&["-c", config.to_str().unwrap()]) else { return };
    let as_user = |user: &str| {
        let file = dir.path().join(user);
        std::fs::write(&file, user).unwrap();
        let mut settings = settings(nats.port);
        settings.set("user", user);
        settings.set_path("password_file", file);
        make(&settings).unwrap().sink
    };
    as_user("all").open().unwrap();
    let (_sample, log, _) = two_logs();
    let mut few = as_user("few");
    few.open().unwrap();
    let Err(fault) = few.deliver(&batches(&log)[0]) else { panic!("it may") };
    assert!(matches!(&fault, Fault::Settings(why) if why.contains("Permissions Violation")), "{fault:?}");
}

#[test]
fn settings_say_what_to_write_instead() {
    let made = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings(4222);
        change(&mut settings);
        make(&settings).map(|made| made.gives)
    };
    assert_eq!(made(&|_| {}), Ok(Level::Accepted));
    assert_eq!(made(&|settings| settings.set("synced", "true")), Ok(Level::Durable));
    assert_eq!(made(&|settings| settings.set("url", "nats://a:1, tls://b:2")), Ok(Level::Accepted));
    for (key, value, says) in [
        ("url", "localhost:4222", "nats://host:4222"),
        ("url", "http://a", "nats://host:4222"),
        ("url", "nats://bob:secret@a", "password_file"),
        ("stream", "a.b", "cannot be the name"),
        ("subject", "a..b", "cannot begin subjects"),
        ("subject", "a.*", "cannot begin subjects"),
        ("user", "bob", "password_file"),
        ("password_env", "WORD", "`user`"),
    ] {
        let Err(why) = made(&|settings| settings.set(key, value)) else { panic!("{key}: {value} is taken") };
        assert!(why.contains(says) && !why.contains("secret"), "{why}");
    }
}
