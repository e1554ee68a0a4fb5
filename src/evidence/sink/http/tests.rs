//! Against a receiver that answers as it is told.

use super::*;
use crate::base::clock::SharedClock;
use crate::evidence::sink::conformance::{batches, conforms};
use crate::evidence::sink::driven::{drive, ended, live};
use crate::evidence::sink::sample::{Sample, two_logs};
use crate::evidence::sink::server::{Answer, Receiver, certificate};
use crate::evidence::sink::status::State;
use crate::evidence::sink::table::row;
use crate::evidence::sink::{Sinks, Wanted};

fn settings(port: u16) -> Settings {
    let mut settings = Settings::default();
    settings.set("url", format!("http://127.0.0.1:{port}/events?kind=evidence"));
    settings
}

fn opened(settings: &Settings) -> Box<dyn Sink> {
    let mut sink = make(settings).unwrap().sink;
    sink.open().unwrap();
    sink
}

fn says(status: u16) -> Answer {
    Answer::Say(status, "", String::new())
}

#[test]
fn it_conforms_and_events_are_what_cloudevents_says() {
    let receiver = Receiver::start(None);
    let (_sample, log, other) = two_logs();
    conforms(&log, &other, Level::Accepted, &mut || make(&settings(receiver.port)).unwrap().sink);
    let all = batches(&log);
    let wanted: Vec<&Batch> = [0, 1, 3].map(|n| &all[n]).to_vec();
    let kept = receiver.kept();
    assert_eq!(kept.len(), 3, "a repetition has the id of what it repeats");
    for batch in wanted {
        assert!(kept[&batch.id()] == batch.wire());
    }
    let (head, _) = receiver.came().remove(1);
    let second = &all[1];
    for line in [
        "POST /events?kind=evidence HTTP/1.1".to_owned(),
        "ce-specversion: 1.0".to_owned(),
        format!("ce-source: {}", second.origin()),
        "ce-type: servanda.evidence.batch.v1".to_owned(),
        format!("ce-subject: {}-{}", second.first(), second.last()),
        format!("ce-sequence: {:020}", second.first()),
        "content-type: application/vnd.servanda.evidence.batch".to_owned(),
    ] {
        assert!(head.lines().any(|one| one == line), "no `{line}` in\n{head}");
    }
    assert!(!head.contains("authorization"));
    // The same in one JSON object.
    let mut structured = settings(receiver.port);
    structured.set("mode", "structured");
    opened(&structured).deliver(second).unwrap();
    let (head, body) = receiver.came().pop().unwrap();
    assert!(head.contains("content-type: application/cloudevents+json"));
    let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let text = |key: &str| event[key].as_str().unwrap();
    assert_eq!((text("specversion"), text("id"), text("source")), ("1.0", second.id().as_str(), second.origin()));
    assert_eq!(text("datacontenttype"), CONTENT);
    assert!(encode::parse_base64(text("data_base64")).unwrap() == second.wire());
    // It cannot be read back, and says so.
    let mut sink = opened(&settings(receiver.port));
    assert_eq!(sink.head(second.origin()), Ok(Held::Unknown));
    assert!(matches!(sink.logs(), Err(Fault::Settings(why)) if why.contains("read back")));
    assert!(matches!(sink.read(second.origin(), 0), Err(Fault::Settings(_))));
}

#[test]
fn each_answer_is_what_the_driver_must_know() {
    let receiver = Receiver::start(None);
    let (_sample, log, _) = two_logs();
    let one = &batches(&log)[0];
    let mut sink = opened(&settings(receiver.port));
    for status in [200, 201, 202, 204] {
        receiver.will([says(status)]);
        assert_eq!(sink.deliver(one), Ok(Level::Accepted), "{status}");
    }
    let mut fault = |answer: Answer| {
        receiver.will([answer]);
        sink.deliver(one).unwrap_err()
    };
    for status in [400, 415, 422] {
        assert!(matches!(fault(says(status)), Fault::Refused { too_large: false, .. }), "{status}");
    }
    assert!(matches!(fault(says(413)), Fault::Refused { too_large: true, .. }));
    assert!(matches!(fault(says(409)), Fault::Fork(_)));
    for status in [301, 302, 401, 403, 404, 405, 410] {
        assert!(matches!(fault(says(status)), Fault::Settings(_)), "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        assert!(matches!(fault(says(status)), Fault::Later { after: None, .. }), "{status}");
    }
    assert!(matches!(fault(Answer::Lost), Fault::Later { .. }));
    // How long it wants to be left alone, in seconds or as a date by its own clock.
    for (lines, wanted) in [
        ("retry-after: 7\r\n", Some(7)),
        ("date: Sun, 06 Nov 1994 08:49:30 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Some(7)),
        ("date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:30 GMT\r\n", None),
        ("retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", None),
        ("retry-after: soon\r\n", None),
    ] {
        let Fault::Later { after, .. } = fault(Answer::Say(503, lines, String::new())) else { panic!("{lines}") };
        assert_eq!(after, wanted.map(Duration::from_secs), "{lines}");
    }
    // What it says is told, as far as it is good for people.
    let long = format!("no such\ttopic{}", "x".repeat(100_000));
    let why = fault(Answer::Say(404, "", "no such\ttopic\u{7}".to_owned())).to_string();
    assert_eq!(why, "the receiver answers 404 Not Found: no such topic");
    assert!(fault(Answer::Say(404, "", long)).to_string().len() < 300);
    assert!(matches!(opened(&settings(1)).deliver(one), Err(Fault::Later { .. })), "nobody is there");
}

#[test]
fn a_receiver_that_confirms_gives_more_and_a_false_word_is_a_fork() {
    let receiver = Receiver::start(None);
    let (_sample, log, _) = two_logs();
    let one = &batches(&log)[0];
    let mut settings = settings(receiver.port);
    settings.set("confirms", "true");
    assert_eq!(make(&settings).unwrap().gives, Level::Durable);
    let mut sink = opened(&settings);
    let confirm = |size: u64, root: &crate::seal::Digest| {
        Answer::Say(200, "", json!({"size": size, "root": encode::base64(&root.0), "more": 1}).to_string())
    };
    receiver.will([
        confirm(one.size(), &one.root()),
        confirm(one.size() + 1, &one.root()),
        confirm(one.size(), &one.log()),
        says(204),
    ]);
    assert_eq!(sink.deliver(one), Ok(Level::Durable));
    assert!(matches!(sink.deliver(one), Err(Fault::Fork(_))));
    assert!(matches!(sink.deliver(one), Err(Fault::Fork(_))));
    assert!(matches!(sink.deliver(one), Err(Fault::Settings(why)) if why.contains("confirms: false")));
}

#[test]
fn what_is_lost_on_the_way_is_sent_again_and_kept_once() {
    let receiver = Receiver::start(None);
    let sample = Sample::new();
    let log = sample.log();
    let sink = make(&settings(receiver.port)).unwrap().sink;
    let mut driven = drive(&sample, sink, Level::Accepted, Level::Accepted, Some(log.handle()));
    // The first batch is a single record: only a later one can be halved.
    receiver.will([says(204), says(413)]);
    for n in 0..40 {
        sample.write(&log, 3);
        receiver.will(match n % 3 {
            0 => vec![Answer::Lost],
            1 => vec![Answer::Say(503, "retry-after: 30\r\n", String::new()), says(202)],
            _ => vec![],
        });
    }
    driven.settle(&sample, &live(&log));
    log.close().unwrap();
    driven.settle(&sample, &ended());
    let status = driven.told.now();
    assert_eq!((status.state, status.lag_records, status.quarantined), (State::Current, 0, 0));
    assert_eq!(status.failures, 14 + 13);
    // The receiver tells repetitions by their ids: every record is there once.
    let mut kept: Vec<Batch> = receiver.kept().values().map(|wire| Batch::parse(wire).unwrap()).collect();
    kept.sort_unstable_by_key(Batch::first);
    let ends = kept.iter().map(Batch::size);
    assert!(kept.iter().map(Batch::first).eq(std::iter::once(0).chain(ends.clone().take(kept.len() - 1))));
    assert_eq!(ends.last().unwrap(), batches(&sample.logs()[0]).last().unwrap().size());
}

#[test]
fn a_receiver_that_is_silent_holds_up_nobody_else() {
    let receiver = Receiver::start(None);
    receiver.will([Answer::Silence]);
    let (sample, archive) = (Sample::new(), tempfile::tempdir().unwrap());
    let mut folder = Settings::default();
    folder.set_path("dir", archive.path());
    let wanted = [Wanted::of(row("http").unwrap(), settings(receiver.port)), Wanted::of(row("file").unwrap(), folder)];
    let log = sample.log();
    let clock: SharedClock = sample.clock.clone();
    let sinks = Sinks::start(&log.handle(), sample.dir.path(), &wanted, &clock).unwrap();
    sample.write(&log, 50);
    let signed = live(&log).signed;
    let mut status = sinks.status();
    while receiver.came().is_empty() || status[1].delivered_records < signed {
        std::thread::yield_now();
        status = sinks.status();
    }
    // The one has everything; the other still waits for its first answer.
    assert_eq!((status[0].delivered_records, status[1].lag_records), (0, 0));
    log.close().unwrap();
    let ended = sinks.end(Duration::ZERO);
    assert_eq!(ended[0].delivered_records, 0);
}

#[test]
fn a_token_and_a_certificate_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let receiver = Receiver::start(Some((cert.clone(), key)));
    let (_sample, log, _) = two_logs();
    let one = &batches(&log)[0];
    let token = dir.path().join("token");
    std::fs::write(&token, "open-sesame\n").unwrap();
    let mut settings = Settings::default();
    settings.set("url", format!("https://localhost:{}/", receiver.port));
    settings.set_path("token_file", &token);
    let Err(Fault::Settings(why)) = opened(&settings).deliver(one) else { panic!("anybody is trusted") };
    assert!(why.contains("certificate"), "{why}");
    settings.set_path("ca_file", &cert);
    let mut sink = opened(&settings);
    receiver.will([says(204), Answer::Say(401, "", "what is open-sesame?".to_owned())]);
    assert_eq!(sink.deliver(one), Ok(Level::Accepted));
    assert!(receiver.came()[0].0.contains("authorization: Bearer open-sesame"));
    let why = sink.deliver(one).unwrap_err().to_string();
    assert_eq!(why, "the receiver answers 401 Unauthorized");
    assert!(!format!("{sink:?}", sink = make(&settings).unwrap()).contains("sesame"));
    std::fs::remove_file(&token).unwrap();
    assert!(matches!(sink.open(), Err(Fault::Settings(why)) if why.contains("token")));
}

#[test]
fn settings_say_what_to_write_instead() {
    for (url, says) in [
        ("localhost", "https://host/path"),
        ("/events", "https://host/path"),
        ("ftp://a/b", "https://host/path"),
        ("https://bob:secret@a/b", "token_file"),
    ] {
        let mut settings = Settings::default();
        settings.set("url", url);
        let why = make(&settings).map(|_| ()).unwrap_err();
        assert!(why.contains(says) && !why.contains("secret"), "{why}");
    }
    for (url, clear) in
        [("http://far.example/", true), ("http://[::1]:8/", false), ("http://localhost/", false), ("https://far.example/", false)]
    {
        let mut settings = Settings::default();
        settings.set("url", url);
        settings.set("token_env", "TOKEN");
        assert_eq!(make(&settings).is_err_and(|why| why.contains("in clear")), clear, "{url}");
    }
}
