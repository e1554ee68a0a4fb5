//! Batches in a stream of NATS JetStream: one subject for each log, one message for each batch.
//!
//! A message is stored only if the last one of its subject is the one that we saw last (`Nats-Expected-Last-Subject-Sequence`),
//! so a batch is never there twice and never overlaps with another, however late it is repeated; `Nats-Msg-Id` spares the
//! comparison where the stream still remembers. The API of JetStream is called by its subjects: what is sent and asked
//! stands here, whole.
//!
//! What it gives: `accepted`. A server says that it has a message before it is synced to its disk; where it is told to sync
//! first (`sync_interval: always`), `synced: true` says so here, and it gives `durable`. What it will not do: fill a place
//! that was left out (a stream is only appended to), change a stream that is there, or delete anything.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::client::RequestErrorKind;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, ServerAddr, ServerError};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::batch::Batch;
use super::contract::{Fault, Held, Sink};
use super::remote::{Caller, Secret, fault, trusted};
use super::settings::{Made, Settings};
use crate::evidence::shipped::Level;
use crate::seal::{Digest, digest, encode};

/// The stream where the config names none.
const STREAM: &str = "servanda-evidence";
/// What the subjects of its messages begin with.
const SUBJECT: &str = "servanda.evidence.v1";
/// How long a new stream remembers the ids of messages, in nanoseconds. What is repeated later is found by comparing.
const REMEMBERS_NS: u64 = 120_000_000_000;
/// So often the end of a subject is looked up again when it was not where we saw it.
const TRIES: usize = 3;

/// By its settings.
pub(crate) fn make(settings: &Settings) -> Result<Made, String> {
    let url = settings.text("url").ok_or("`url` is missing")?;
    let servers: Result<Vec<ServerAddr>, String> = url.split(',').map(|one| server(one.trim())).collect();
    let token = Secret::of(settings, "token_file", "token_env")?;
    let password = Secret::of(settings, "password_file", "password_env")?;
    let user = settings.text("user").map(str::to_owned);
    if user.is_some() != (password != Secret::None) || (user.is_some() && token != Secret::None) {
        return Err("write `user` with `password_file` or `password_env`, or else a token".to_owned());
    }
    let word = |key: &str, default: &str| settings.text(key).unwrap_or(default).to_owned();
    let (stream, subject) = (word("stream", STREAM), word("subject", SUBJECT));
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if stream.is_empty() || !stream.bytes().all(fine) {
        return Err(format!("`{stream}` cannot be the name of a stream: letters, digits, dash and underscore"));
    }
    if !subject.split('.').all(|token| !token.is_empty() && token.bytes().all(fine)) {
        return Err(format!(
            "`{subject}` cannot begin subjects: words of letters, digits, dash and underscore, with dots between"
        ));
    }
    let replicas = word("replicas", "1").parse().map_err(|_| "`replicas` is a number")?;
    let gives = if settings.switch("synced", false) { Level::Durable } else { Level::Accepted };
    let ca_file = settings.path("ca_file").map(PathBuf::from);
    let place = Place { servers: servers?, stream, subject, replicas, user, password, token, ca_file, gives };
    Ok(Made { sink: Box::new(NatsSink::new(place)), gives })
}

fn server(text: &str) -> Result<ServerAddr, String> {
    let bad = || "a server is written nats://host:4222, or tls://host:4222; several with commas between".to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
    if rest.contains('@') {
        return Err("a server carries a user or a password: write `user` and `password_file` instead".to_owned());
    }
    if !matches!(scheme, "nats" | "tls") || rest.is_empty() {
        return Err(bad());
    }
    text.parse().map_err(|_| bad())
}

/// Which stream, where, and who we are there.
#[derive(Clone, Debug)]
struct Place {
    servers: Vec<ServerAddr>,
    stream: String,
    subject: String,
    replicas: usize,
    user: Option<String>,
    password: Secret,
    token: Secret,
    ca_file: Option<PathBuf>,
    gives: Level,
}

/// A stream of JetStream.
#[derive(Debug)]
struct NatsSink {
    caller: Caller,
    place: Place,
    link: Option<Link>,
}

/// A connection, and what was seen over it.
#[derive(Debug)]
struct Link {
    client: Client,
    place: Place,
    /// What the server said against us without being asked: a refused right has no other answer.
    refused: Arc<Mutex<Option<String>>>,
    /// Turns when the connection breaks: what was asked over it gets no answer any more.
    broken: watch::Receiver<bool>,
    /// The end of one log: batches of a log come in a row.
    tail: Option<(String, Tail)>,
    /// Where a batch of a log was read last, so that the next is one step away.
    read: Option<(String, Tail)>,
}

/// A place in a subject: behind this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tail {
    /// Its number in the stream; 0 where there is none.
    sequence: u64,
    /// Behind its last record.
    size: u64,
    root: Option<Digest>,
}

const NOTHING: Tail = Tail { sequence: 0, size: 0, root: None };

/// A message that is there.
struct Stored {
    sequence: u64,
    batch: Batch,
}

impl Stored {
    fn tail(&self) -> Tail {
        Tail { sequence: self.sequence, size: self.batch.size(), root: Some(self.batch.root()) }
    }
}

/// What the server says against a call.
#[derive(Debug, serde::Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

/// Numbers of refusals, from the error list of the server.
mod number {
    pub(super) const NO_MESSAGE: u32 = 10_037;
    pub(super) const NO_STREAM: u32 = 10_059;
    pub(super) const TOO_LARGE: u32 = 10_054;
    /// The last message of the subject is another; the second from servers that name no number.
    pub(super) const MOVED: [u32; 2] = [10_071, 10_164];
    /// A limit of the stream; of the account; of the server.
    pub(super) const FULL: [u32; 3] = [10_077, 10_002, 10_047];
}

impl Refusal {
    fn fault(&self, place: &Place) -> Fault {
        let (stream, why) = (&place.stream, format!("{} ({})", self.description, self.err_code));
        match self.err_code {
            number::TOO_LARGE => Fault::Refused { why, too_large: true },
            full if number::FULL.contains(&full) => {
                Fault::Settings(format!("the stream {stream} is full: {why}; raise its limits or those of the account"))
            }
            // Somebody else leads, or nobody: that passes.
            _ if self.code == 503 || self.code == 408 || self.code == 500 => Fault::later(why),
            _ => Fault::Settings(format!("the stream {stream}: {why}")),
        }
    }
}

#[derive(serde::Deserialize)]
struct Failure {
    error: Option<Refusal>,
}

#[derive(serde::Deserialize)]
struct StreamInfo {
    config: StreamConfig,
    #[serde(default)]
    state: StreamState,
    /// Subjects in all, where they come in pages.
    #[serde(default)]
    total: u64,
}

#[derive(Default, serde::Deserialize)]
struct StreamState {
    #[serde(default)]
    subjects: std::collections::BTreeMap<String, u64>,
}

#[derive(serde::Deserialize)]
struct StreamConfig {
    #[serde(default)]
    subjects: Vec<String>,
    retention: String,
    storage: String,
    discard: String,
    #[serde(default)]
    max_age: u64,
    #[serde(default)]
    max_msgs_per_subject: i64,
    #[serde(default)]
    num_replicas: usize,
    #[serde(default)]
    no_ack: bool,
}

#[derive(serde::Deserialize)]
struct Got {
    message: Message,
}

#[derive(serde::Deserialize)]
struct Message {
    seq: u64,
    #[serde(default)]
    data: String,
}

#[derive(serde::Deserialize)]
struct Published {
    seq: u64,
    #[serde(default)]
    duplicate: bool,
}

impl Link {
    async fn open(place: Place) -> Result<Self, Fault> {
        let refused = Arc::<Mutex<Option<String>>>::default();
        let heard = Arc::clone(&refused);
        let (breaks, broken) = watch::channel(false);
        let secure = place.servers.iter().any(|server| server.scheme() == "tls");
        let mut options = ConnectOptions::new()
            .name("servanda")
            // The driver connects anew, and then asks what became of its last call.
            .max_reconnects(1)
            .tls_client_config(trusted(place.ca_file.as_ref(), secure)?)
            .event_callback(move |event| {
                match event {
                    Event::ServerError(ServerError::Other(why)) => {
                        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                    }
                    Event::Disconnected | Event::Closed => {
                        breaks.send_replace(true);
                    }
                    _ => {}
                }
                std::future::ready(())
            });
        if let (Some(user), Some(password)) = (&place.user, place.password.read()?) {
            options = options.user_and_password(user.clone(), password.as_str().to_owned());
        }
        if let Some(token) = place.token.read()? {
            options = options.token(token.as_str().to_owned());
        }
        let client = options.connect(place.servers.clone()).await.map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                Fault::Settings("NATS refuses us: look at `user`, the password or the token".to_owned())
            }
            _ => fault("connecting to NATS", &error),
        })?;
        let mut link = Self { client, place, refused, broken, tail: None, read: None };
        link.ready().await?;
        Ok(link)
    }

    /// Looks whether the stream would lose something; makes it where there is none.
    async fn ready(&mut self) -> Result<(), Fault> {
        let Place { stream, subject, replicas, .. } = self.place.clone();
        let info = match self.ask(&format!("STREAM.INFO.{stream}"), &json!({})).await? {
            Ok(info) => info,
            Err(refusal) if refusal.err_code == number::NO_STREAM => {
                let wanted = json!({
                    "name": stream, "subjects": [format!("{subject}.*")], "storage": "file", "retention": "limits", "discard": "new",
                    "num_replicas": replicas, "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_msg_size": -1,
                    "max_msgs_per_subject": -1, "max_age": 0, "duplicate_window": REMEMBERS_NS,
                    "deny_delete": true, "deny_purge": true, "allow_direct": true,
                });
                let made = self.ask(&format!("STREAM.CREATE.{stream}"), &wanted).await?;
                made.map_err(|refusal| {
                    let Refusal { description, err_code, .. } = &refusal;
                    Fault::Settings(format!("there is no stream {stream}, and it cannot be made: {description} ({err_code})"))
                })?
            }
            Err(refusal) => return Err(refusal.fault(&self.place)),
        };
        let StreamInfo { config, .. } = info;
        let wrong = |what: &str| Err(Fault::Settings(format!("the stream {stream} {what}")));
        let takes = |one: &String| *one == format!("{subject}.*") || *one == format!("{subject}.>");
        if !config.subjects.iter().any(takes) {
            return wrong(&format!("does not take the subjects {subject}.*: add them to it, or name another `stream`"));
        }
        if config.storage != "file" {
            return wrong("keeps its messages in memory: make one with file storage");
        }
        if config.retention != "limits" {
            return wrong("gives messages up once they are read: make one with limits retention");
        }
        if config.discard != "new" || config.max_age != 0 || config.max_msgs_per_subject > 0 {
            return wrong("drops old messages: set discard new, max_age 0 and no limit for each subject");
        }
        if config.no_ack {
            return wrong("acknowledges nothing: set no_ack to false");
        }
        if config.num_replicas < replicas {
            return wrong(&format!("has fewer copies than replicas: {replicas} asks for; give it more, or ask for fewer"));
        }
        Ok(())
    }

    /// What the server said to a call, or what the call met on its way.
    async fn request(&self, subject: String, headers: HeaderMap, payload: Bytes) -> Result<Bytes, Fault> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut broken = self.broken.clone();
        let answer = tokio::select! {
            answer = self.client.request_with_headers(subject, headers, payload) => answer,
            _ = broken.wait_for(|broken| *broken) => return Err(Fault::later("the connection to NATS broke")),
        };
        match answer {
            Ok(message) => Ok(message.payload),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::MaxPayloadExceeded => Fault::Refused { why: error.to_string(), too_large: true },
                RequestErrorKind::NoResponders => {
                    Fault::later("nobody answers for JetStream: it is not enabled there, or it has no leader")
                }
                _ => match self.refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    Some(why) => Fault::Settings(format!("NATS refuses it: {why}")),
                    None => fault("asking NATS", &error),
                },
            }),
        }
    }

    /// Calls the API.
    async fn ask<T: DeserializeOwned>(&self, call: &str, wanted: &Value) -> Result<Result<T, Refusal>, Fault> {
        let payload = Bytes::from(wanted.to_string());
        let answer = self.request(format!("$JS.API.{call}"), HeaderMap::new(), payload).await?;
        read(&answer)
    }

    /// The message that a question finds.
    async fn get(&self, question: &Value) -> Result<Option<Stored>, Fault> {
        let stream = &self.place.stream;
        // Not the direct answer of any copy: that may be an old one.
        let got: Got = match self.ask(&format!("STREAM.MSG.GET.{stream}"), question).await? {
            Ok(got) => got,
            Err(refusal) if refusal.err_code == number::NO_MESSAGE => return Ok(None),
            Err(refusal) => return Err(refusal.fault(&self.place)),
        };
        let sequence = got.message.seq;
        let batch = encode::parse_base64(&got.message.data).and_then(|wire| Batch::parse(&wire).ok());
        let batch = batch.ok_or_else(|| {
            Fault::Settings(format!("message {sequence} of the stream {stream} is no batch: somebody else wrote there"))
        })?;
        Ok(Some(Stored { sequence, batch }))
    }

    fn subject(&self, origin: &str) -> String {
        format!("{}.{}", self.place.subject, digest(origin.as_bytes()).base64url())
    }

    async fn last(&self, origin: &str) -> Result<Option<Stored>, Fault> {
        self.get(&json!({"last_by_subj": self.subject(origin)})).await
    }

    /// The end of a log, as the stream has it now.
    async fn look(&mut self, origin: &str) -> Result<Tail, Fault> {
        self.tail = None;
        let tail = self.last(origin).await?.map_or(NOTHING, |stored| stored.tail());
        self.tail = Some((origin.to_owned(), tail));
        Ok(tail)
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<(), Fault> {
        for _ in 0..TRIES {
            let known = self.tail.take().filter(|(origin, _)| origin == batch.origin());
            let tail = match known {
                Some((_, tail)) => tail,
                None => self.look(batch.origin()).await?,
            };
            if batch.first() < tail.size {
                return self.compare(batch).await;
            }
            match self.publish(batch, tail.sequence).await? {
                Ok(Published { seq, duplicate: false }) => {
                    let tail = Tail { sequence: seq, size: batch.size(), root: Some(batch.root()) };
                    self.tail = Some((batch.origin().to_owned(), tail));
                    return Ok(());
                }
                // It was there before, it says: what is there says more.
                Ok(Published { duplicate: true, .. }) => self.tail = None,
                Err(refusal) if number::MOVED.contains(&refusal.err_code) => self.tail = None,
                Err(refusal) => return Err(refusal.fault(&self.place)),
            }
        }
        Err(Fault::later(format!(
            "the stream {} does not take the batch at {} of {} and does not hold it; it forgets what it once had within its duplicate window",
            self.place.stream,
            batch.first(),
            batch.origin()
        )))
    }

    async fn publish(&self, batch: &Batch, behind: u64) -> Result<Result<Published, Refusal>, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", batch.id());
        headers.insert("Nats-Expected-Stream", self.place.stream.as_str());
        headers.insert("Nats-Expected-Last-Subject-Sequence", behind.to_string());
        // For who reads the stream without taking batches apart.
        headers.insert("Servanda-Origin", batch.origin());
        headers.insert("Servanda-Range", format!("{}-{}", batch.first(), batch.last()));
        let payload = Bytes::copy_from_slice(batch.wire());
        read(&self.request(self.subject(batch.origin()), headers, payload).await?)
    }

    /// Holds a batch against what lies at its place.
    async fn compare(&mut self, batch: &Batch) -> Result<(), Fault> {
        let stored = self.find(batch.origin(), batch.first()).await?;
        let Some(there) = stored.map(|stored| stored.batch).filter(|there| there.first() <= batch.last()) else {
            return Err(Fault::Refused {
                why: format!(
                    "a stream is only appended to: records {} to {} of {} were left out, and others lie behind them",
                    batch.first(),
                    batch.last(),
                    batch.origin()
                ),
                too_large: false,
            });
        };
        match ((there.first(), there.last()) == (batch.first(), batch.last()), there.root() == batch.root()) {
            (true, true) => Ok(()),
            (true, false) => Err(Fault::Fork(format!(
                "the stream {} holds other records of {} at {}",
                self.place.stream,
                batch.origin(),
                batch.first()
            ))),
            (false, _) => Err(Fault::Taken),
        }
    }

    /// The first batch of a log that ends behind `from`.
    async fn find(&mut self, origin: &str, from: u64) -> Result<Option<Stored>, Fault> {
        let subject = self.subject(origin);
        let known = self.read.take().filter(|(known, tail)| known == origin && tail.size <= from);
        let mut low = known.map_or(1, |(_, tail)| tail.sequence.saturating_add(1));
        let mut found = self.get(&json!({"seq": low, "next_by_subj": subject})).await?;
        if let Some(first) = found.take_if(|first| first.batch.last() < from) {
            // Somewhere between this one and the last: their order is that of the records.
            low = first.sequence.saturating_add(1);
            let Some(last) = self.last(origin).await?.filter(|last| last.batch.last() >= from) else { return Ok(None) };
            let mut high = last.sequence.saturating_sub(1);
            found = Some(last);
            while low <= high {
                let middle = low + (high - low) / 2;
                match self.get(&json!({"seq": middle, "next_by_subj": subject})).await? {
                    Some(one) if one.batch.last() < from => low = one.sequence.saturating_add(1),
                    one => {
                        high = middle.saturating_sub(1);
                        found = one.or(found);
                    }
                }
            }
        }
        if let Some(found) = &found {
            self.read = Some((origin.to_owned(), found.tail()));
        }
        Ok(found)
    }

    /// Every subject of the stream that a log has.
    async fn subjects(&self) -> Result<Vec<String>, Fault> {
        let (stream, filter) = (&self.place.stream, format!("{}.*", self.place.subject));
        let mut subjects = Vec::new();
        loop {
            let question = json!({"subjects_filter": filter, "offset": subjects.len()});
            let info: StreamInfo = self
                .ask(&format!("STREAM.INFO.{stream}"), &question)
                .await?
                .map_err(|refusal: Refusal| refusal.fault(&self.place))?;
            let page = info.state.subjects.len();
            subjects.extend(info.state.subjects.into_keys());
            if page == 0 || subjects.len() as u64 >= info.total {
                return Ok(subjects);
            }
        }
    }
}

/// An answer, or the refusal in its place.
fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<Result<T, Refusal>, Fault> {
    let strange = |_| Fault::later("an answer of JetStream cannot be read");
    let failure: Failure = serde_json::from_slice(answer).map_err(strange)?;
    match failure.error {
        Some(refusal) => Ok(Err(refusal)),
        None => serde_json::from_slice(answer).map(Ok).map_err(strange),
    }
}

impl NatsSink {
    fn new(place: Place) -> Self {
        Self { caller: Caller::default(), place, link: None }
    }

    fn parts(&mut self) -> Result<(&mut Caller, &mut Link), Fault> {
        let link = self.link.as_mut().ok_or_else(|| Fault::later("NATS is not connected"))?;
        Ok((&mut self.caller, link))
    }
}

impl Sink for NatsSink {
    fn open(&mut self) -> Result<(), Fault> {
        self.link = None;
        self.link = Some(self.caller.call(Link::open(self.place.clone()))?);
        Ok(())
    }

    fn deliver(&mut self, batch: &Batch) -> Result<Level, Fault> {
        let (caller, link) = self.parts()?;
        caller.call(link.deliver(batch))?;
        Ok(self.place.gives)
    }

    fn head(&mut self, origin: &str) -> Result<Held, Fault> {
        let (caller, link) = self.parts()?;
        let tail = caller.call(link.look(origin))?;
        Ok(tail.root.map_or(Held::Nothing, |root| Held::Head { size: tail.size, root }))
    }

    fn read(&mut self, origin: &str, from: u64) -> Result<Option<Vec<u8>>, Fault> {
        let (caller, link) = self.parts()?;
        let found = caller.call(link.find(origin, from))?;
        Ok(found.map(|stored| stored.batch.wire().to_vec()))
    }

    fn logs(&mut self) -> Result<Vec<String>, Fault> {
        let (caller, link) = self.parts()?;
        let mut origins = Vec::new();
        for subject in caller.call(link.subjects())? {
            let stored = caller.call(link.get(&json!({"last_by_subj": subject})))?;
            origins.extend(stored.map(|stored| stored.batch.origin().to_owned()));
        }
        origins.sort_unstable();
        Ok(origins)
    }
}

#[cfg(test)]
mod tests;
