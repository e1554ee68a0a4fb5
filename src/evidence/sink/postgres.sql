-- Evidence of Servanda in PostgreSQL 14 or later. A sink applies this itself where it may; else apply it as the owner,
-- and give the role of the sinks no more than they need:
--
--   grant usage on schema servanda_evidence to sidecar;
--   grant select, insert on all tables in schema servanda_evidence to sidecar;
--
-- `batch` is the evidence, byte for byte. `record` is made from it for questions, and `evidence` is how to ask them.

begin;
select pg_advisory_xact_lock(hashtextextended('servanda_evidence', 0));

create schema if not exists servanda_evidence;

-- A log is one start of one sidecar.
create table if not exists servanda_evidence.log (
  log bytea primary key check (octet_length(log) = 32),
  origin text not null unique,
  since timestamptz not null default clock_timestamp()
);

create table if not exists servanda_evidence.batch (
  log bytea not null references servanda_evidence.log,
  first bigint not null check (first >= 0),
  last bigint not null check (last >= first),
  -- Of the tree over all records of the log up to the last.
  root bytea not null check (octet_length(root) = 32),
  -- The signed head, where the batch ends at one.
  head text,
  bytes bytea not null,
  received timestamptz not null default clock_timestamp(),
  primary key (log, first),
  unique (log, last)
);
-- They are compressed already.
alter table servanda_evidence.batch alter column bytes set storage external;

create table if not exists servanda_evidence.record (
  log bytea not null,
  index bigint not null,
  -- Null where jsonb cannot hold it: a text with a NUL character. The batch has it.
  body jsonb,
  primary key (log, index)
);

-- Batches of a log never overlap, whoever writes them. One that begins where another does is left to the primary key.
create or replace function servanda_evidence.place() returns trigger
language plpgsql set search_path = pg_catalog as $$
declare
  its_first bigint;
  its_last bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended(encode(new.log, 'hex'), 0));
  select b.first, b.last into its_first, its_last from servanda_evidence.batch b
    where b.log = new.log and b.first <= new.last order by b.first desc limit 1;
  if found and its_last >= new.first and its_first <> new.first then
    raise exception using errcode = 'exclusion_violation',
      message = format('records %s to %s of this log are here already', its_first, its_last);
  end if;
  return new;
end $$;

create or replace function servanda_evidence.refuse() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
  raise exception using errcode = 'insufficient_privilege', message = 'evidence is only added to';
end $$;

create or replace trigger place before insert on servanda_evidence.batch
  for each row execute function servanda_evidence.place();
create or replace trigger only_added before update or delete or truncate on servanda_evidence.batch
  for each statement execute function servanda_evidence.refuse();
create or replace trigger only_added before update or delete or truncate on servanda_evidence.record
  for each statement execute function servanda_evidence.refuse();
create or replace trigger only_added before update or delete or truncate on servanda_evidence.log
  for each statement execute function servanda_evidence.refuse();

create or replace view servanda_evidence.evidence as
  select l.origin, r.index, r.body ->> 'kind' as kind,
    timestamptz 'epoch' + (r.body ->> 'time_us')::bigint * interval '1 microsecond' as time,
    r.body ->> 'act' as act, r.body ->> 'agent' as agent, r.body ->> 'reason' as reason, r.body
  from servanda_evidence.record r join servanda_evidence.log l using (log);

-- What a sink looks for.
comment on schema servanda_evidence is 'servanda evidence 1';
commit;
