//! Plays events of one exchange through the engine.

use std::sync::Arc;

use crate::base::names::{Lane, Stage};
use crate::engine::event::{Event, EventText, HostEvent, Measures, ToolEvent};
use crate::engine::exchange::Exchange;
use crate::engine::facts::Facts;
use crate::engine::judge::{Judgement, Lent, Place, judge, redacted};
use crate::engine::session::SessionHandle;
use crate::program::Program;

/// One event as a case or a line tells it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Where.
    pub at: Stage,
    /// The lane; none: the one natural for the stage.
    pub lane: Option<Lane>,
    /// A text.
    pub text: Option<&'a str>,
    /// A tool's name on the wire.
    pub tool: Option<&'a str>,
    /// Its arguments as JSON text.
    pub args: Option<&'a str>,
    /// A destination: `name`, `name:port` or a URL.
    pub host: Option<&'a str>,
    /// What was measured.
    pub measures: Measures,
}

impl Told<'_> {
    /// An event at this stage with nothing told.
    pub fn at(at: Stage) -> Self {
        Self { at, lane: None, text: None, tool: None, args: None, host: None, measures: Measures::default() }
    }
}

/// The lane on which a stage is usually seen.
pub fn natural_lane(stage: Stage) -> Lane {
    match stage {
        Stage::Request | Stage::Response | Stage::End | Stage::Window => Lane::Inbound,
        Stage::Call | Stage::Result => Lane::Model,
        Stage::Egress => Lane::Egress,
    }
}

/// What became of one event.
#[derive(Clone, Debug)]
pub struct Played {
    /// The answer.
    pub judgement: Judgement,
    /// The text as it would pass; none where there was none or it does not pass.
    pub text: Option<String>,
    /// The arguments as they would pass.
    pub args: Option<String>,
}

/// One exchange being played.
#[derive(Debug)]
pub struct Play {
    exchange: Exchange,
    session: SessionHandle,
    scratch: Lent,
    now_us: i64,
}

impl Play {
    /// Begins an exchange of this session at this time. `facts` are those known at its head: they say which pacts of
    /// a portfolio govern it.
    pub fn begin(program: &Arc<Program>, session: SessionHandle, facts: &Facts, now_us: i64) -> Self {
        session.update(crate::engine::session::Session::begin_turn);
        let program = program.for_task(facts.task());
        Self { scratch: Lent::new(&program), exchange: Exchange::new(program, Lane::Inbound), session, now_us }
    }

    /// Judges one event, and releases its call if it passes.
    pub fn event(&mut self, told: &Told<'_>, facts: &Facts) -> Played {
        let text = told.text.map(EventText::new);
        let texts: &[EventText<'_>] = text.as_slice();
        let mut event = Event::new(told.at, told.lane.unwrap_or_else(|| natural_lane(told.at)), self.now_us).texts(texts);
        event.measures = told.measures;
        if let Some(name) = told.tool {
            event.tool = Some(ToolEvent::new(name, told.args.unwrap_or_default()));
        }
        event.host = told.host.map(destination);
        let session = self.session.view();
        let judgement = judge(&mut self.exchange, &session, &event, facts, &mut self.scratch);
        if told.at == Stage::Request
            && let Some(topics) = self.exchange.topics()
        {
            self.session.update(|s| s.keep_topics(topics.into()));
        }
        let passes = !judgement.refuses();
        if told.at == Stage::Call
            && passes
            && let Some(tool) = judgement.tool.as_ref().filter(|t| t.listed)
        {
            self.session.update(|s| tool.release(s));
        }
        let text = told.text.filter(|_| passes).map(|t| redacted(t, &judgement.redactions, Place::Text(0)).into_owned());
        let args = told.args.filter(|_| passes).map(|a| redacted(a, &judgement.redactions, Place::Arguments).into_owned());
        Played { judgement, text, args }
    }

    /// What the exchange has gathered.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }
}

/// Reads `name`, `name:port`, `[v6]:port` or a URL.
fn destination(text: &str) -> HostEvent<'_> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    };
    let name = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    HostEvent { name, port, scheme }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let read = |text| {
            let host = destination(text);
            (host.name.to_owned(), host.port, host.scheme.map(str::to_owned))
        };
        assert_eq!(read("a.example"), ("a.example".into(), None, None));
        assert_eq!(read("a.example:8443"), ("a.example".into(), Some(8443), None));
        assert_eq!(read("https://u:p@a.example:1/x@y"), ("a.example".into(), Some(1), Some("https".into())));
        assert_eq!(read("[::1]:80"), ("::1".into(), Some(80), None));
        assert_eq!(read("::1"), ("::1".into(), None, None));
    }
}
