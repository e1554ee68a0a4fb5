//! Batches in tables of PostgreSQL: exact bytes under keys that keep them apart, and records as `jsonb` to ask questions of.
//!
//! One statement stores a batch and its records, so both are there or neither is. The primary key makes a repetition
//! harmless, a trigger refuses what overlaps, and another one whatever would change or delete (`postgres.sql`, which a
//! sink applies where nothing is yet).
//!
//! What it gives: `durable`, and it looks whether the server keeps that promise (`fsync`, `full_page_writes`,
//! `synchronous_commit`). What it will not do: update, delete, or write to a standby.

use std::path::PathBuf;
use std::str::FromStr as _;

use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::batch::Batch;
use super::contract::{Fault, Held, Sink};
use super::remote::{Caller, Secret, fault, trusted};
use super::settings::{Made, Settings};
use crate::evidence::shipped::Level;
use crate::seal::{Digest, digest};

/// Makes everything that is not there.
const SCHEMA: &str = include_str!("postgres.sql");
/// What the comment of the schema says once it is whole.
const VERSION: &str = "servanda evidence 1";

const STORE: &str = "
with l as (
  insert into servanda_evidence.log (log, origin) values ($1, $2) on conflict do nothing
), b as (
  insert into servanda_evidence.batch (log, first, last, root, head, bytes) values ($1, $3, $4, $5, $6, $7)
  on conflict (log, first) do nothing returning first
), r as (
  insert into servanda_evidence.record (log, index, body)
  select $1, one.index, one.body::jsonb from b, unnest($8::bigint[], $9::text[]) as one (index, body)
  on conflict do nothing
)
select count(*) from b";

/// By its settings.
pub(crate) fn make(settings: &Settings) -> Result<Made, String> {
    let url = settings.text("url").ok_or("`url` is missing")?;
    // What is wrong with it may be next to a password: it is not repeated.
    let config = Config::from_str(url).ok().filter(|_| url.starts_with("postgres"));
    let mut config = config.ok_or("a database is written postgres://user@host:5432/name")?;
    if config.get_password().is_some() {
        return Err("`url` carries a password: write `password_file` or `password_env` instead".to_owned());
    }
    let secure = settings.text("tls") != Some("off");
    config.ssl_mode(if secure { SslMode::Require } else { SslMode::Disable });
    config.target_session_attrs(TargetSessionAttrs::ReadWrite).application_name("servanda");
    let password = Secret::of(settings, "password_file", "password_env")?;
    let records = settings.switch("records", true);
    let ca_file = settings.path("ca_file").map(PathBuf::from);
    let sink = PostgresSink { caller: Caller::default(), config, password, secure, ca_file, records, client: None };
    Ok(Made { sink: Box::new(sink), gives: Level::Durable })
}

/// A database.
#[derive(Debug)]
struct PostgresSink {
    caller: Caller,
    /// Without the password.
    config: Config,
    password: Secret,
    secure: bool,
    ca_file: Option<PathBuf>,
    /// Records are stored for questions as well.
    records: bool,
    client: Option<Client>,
}

/// What an error of the database means for the driver.
fn told(error: &tokio_postgres::Error) -> Fault {
    let Some(db) = error.as_db_error() else { return fault("PostgreSQL", error) };
    let why = format!("PostgreSQL: {} ({})", db.message(), db.code().code());
    if *db.code() == SqlState::EXCLUSION_VIOLATION || *db.code() == SqlState::UNIQUE_VIOLATION {
        return Fault::Taken;
    }
    match db.code().code().get(..2).unwrap_or_default() {
        // Who we are, which database, what is there and what we may.
        "28" | "3D" | "3F" | "42" | "0A" => Fault::Settings(why),
        _ if *db.code() == SqlState::DISK_FULL => Fault::Settings(why),
        "54" => Fault::Refused { why, too_large: true },
        "22" | "23" => Fault::Refused { why, too_large: false },
        _ => Fault::later(why),
    }
}

fn int(index: u64) -> Result<i64, Fault> {
    i64::try_from(index).map_err(|_| Fault::Refused { why: format!("{index} is no index of a record"), too_large: false })
}

/// Behind the last record, and the root, of a row that begins with these.
fn end_of(row: &Row) -> Result<(u64, Digest), Fault> {
    let strange = || Fault::Settings("a row of servanda_evidence.batch cannot be read: somebody else wrote there".to_owned());
    let (last, root): (i64, &[u8]) = (row.try_get(0).map_err(|_| strange())?, row.try_get(1).map_err(|_| strange())?);
    let size = u64::try_from(last).map_err(|_| strange())?.saturating_add(1);
    Ok((size, Digest(root.try_into().map_err(|_| strange())?)))
}

async fn connect(config: Config, tls: Option<rustls::ClientConfig>) -> Result<Client, Fault> {
    // The connection lives until its client is dropped; what ends it, the next call says.
    let client = if let Some(tls) = tls {
        let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await.map_err(|error| told(&error))?;
        tokio::spawn(connection);
        client
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(|error| told(&error))?;
        tokio::spawn(connection);
        client
    };
    ready(&client).await?;
    Ok(client)
}

/// Looks whether the server would lose something, and makes the tables where there are none.
async fn ready(client: &Client) -> Result<(), Fault> {
    let question = "select current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
        obj_description(to_regnamespace('servanda_evidence'), 'pg_namespace')";
    let row = client.query_typed_one(question, &[]).await.map_err(|error| told(&error))?;
    let text = |at: usize| row.try_get::<_, Option<String>>(at).ok().flatten();
    for (at, name) in [(0, "fsync"), (1, "full_page_writes")] {
        if text(at).as_deref() != Some("on") {
            return Err(Fault::Settings(format!(
                "{name} is off there: what it acknowledges does not survive a power cut; set it to on"
            )));
        }
    }
    if text(2).as_deref() == Some("off") {
        client.batch_execute("set synchronous_commit to on").await.map_err(|error| told(&error))?;
    }
    match text(3) {
        Some(version) if version == VERSION => Ok(()),
        Some(other) => Err(Fault::Settings(format!(
            "the schema servanda_evidence there says `{other}`, and this build writes `{VERSION}`: name another database"
        ))),
        None => client.batch_execute(SCHEMA).await.map_err(|error| match told(&error) {
            Fault::Settings(why) => Fault::Settings(format!(
                "{why}: the schema servanda_evidence is not there and cannot be made; apply postgres.sql as the owner of the database"
            )),
            other => other,
        }),
    }
}

async fn store(client: &Client, batch: &Batch, records: bool) -> Result<(), Fault> {
    let (log, root) = (batch.log(), batch.root());
    let (log, root): (&[u8], &[u8]) = (&log.0, &root.0);
    let (first, last) = (int(batch.first())?, int(batch.last())?);
    let head = batch.head().map(String::from_utf8_lossy);
    let (mut indices, mut bodies) = (Vec::new(), Vec::new());
    for (index, record) in batch.records().filter(|_| records) {
        indices.push(int(index)?);
        let text = std::str::from_utf8(record).ok();
        bodies.push(text.filter(|text| !text.contains("\\u0000")));
    }
    let row = client
        .query_typed_one(
            STORE,
            &[
                (&log, Type::BYTEA),
                (&batch.origin(), Type::TEXT),
                (&first, Type::INT8),
                (&last, Type::INT8),
                (&root, Type::BYTEA),
                (&head.as_deref(), Type::TEXT),
                (&batch.wire(), Type::BYTEA),
                (&indices, Type::INT8_ARRAY),
                (&bodies, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map_err(|error| told(&error))?;
    if row.try_get::<_, i64>(0).map_err(|error| told(&error))? == 1 {
        return Ok(());
    }
    // Something begins at this place.
    let question = "select last, root from servanda_evidence.batch where log = $1 and first = $2";
    let row = client.query_typed_opt(question, &[(&log, Type::BYTEA), (&first, Type::INT8)]).await;
    let row = row.map_err(|error| told(&error))?;
    let (size, root) = end_of(&row.ok_or_else(|| Fault::later("PostgreSQL: a row was there and is not"))?)?;
    match (size == batch.size(), root == batch.root()) {
        (true, true) => Ok(()),
        (true, false) => {
            Err(Fault::Fork(format!("servanda_evidence.batch holds other records of {} at {}", batch.origin(), batch.first())))
        }
        (false, _) => Err(Fault::Taken),
    }
}

impl PostgresSink {
    /// Rows of one question about one log.
    fn rows(&mut self, question: &str, origin: &str, from: i64) -> Result<Vec<Row>, Fault> {
        let log = digest(origin.as_bytes());
        let log: &[u8] = &log.0;
        let (caller, client) = self.parts()?;
        caller.call(async {
            let parameters = [(&log as &(dyn tokio_postgres::types::ToSql + Sync), Type::BYTEA), (&from, Type::INT8)];
            client.query_typed(question, &parameters).await.map_err(|error| told(&error))
        })
    }

    fn parts(&mut self) -> Result<(&mut Caller, &Client), Fault> {
        let client = self.client.as_ref().ok_or_else(|| Fault::later("PostgreSQL is not connected"))?;
        Ok((&mut self.caller, client))
    }
}

impl Sink for PostgresSink {
    fn open(&mut self) -> Result<(), Fault> {
        self.client = None;
        let tls = if self.secure { Some(trusted(self.ca_file.as_ref(), true)?) } else { None };
        let mut config = self.config.clone();
        if let Some(password) = self.password.read()? {
            config.password(password.as_bytes());
        }
        self.client = Some(self.caller.call(connect(config, tls))?);
        Ok(())
    }

    fn deliver(&mut self, batch: &Batch) -> Result<Level, Fault> {
        let records = self.records;
        let (caller, client) = self.parts()?;
        caller.call(store(client, batch, records))?;
        Ok(Level::Durable)
    }

    fn head(&mut self, origin: &str) -> Result<Held, Fault> {
        let question = "select last, root from servanda_evidence.batch where log = $1 and last >= $2 order by last desc limit 1";
        let rows = self.rows(question, origin, 0)?;
        let Some(row) = rows.first() else { return Ok(Held::Nothing) };
        let (size, root) = end_of(row)?;
        Ok(Held::Head { size, root })
    }

    fn read(&mut self, origin: &str, from: u64) -> Result<Option<Vec<u8>>, Fault> {
        let question = "select bytes from servanda_evidence.batch where log = $1 and last >= $2 order by last limit 1";
        let rows = self.rows(question, origin, int(from)?)?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(|error| told(&error))
    }

    fn logs(&mut self) -> Result<Vec<String>, Fault> {
        let (caller, client) = self.parts()?;
        let question = "select origin from servanda_evidence.log";
        let rows = caller.call(async { client.query_typed(question, &[]).await.map_err(|error| told(&error)) })?;
        let origins: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let mut origins = origins.map_err(|error| told(&error))?;
        origins.sort_unstable();
        Ok(origins)
    }
}

#[cfg(test)]
mod tests;
