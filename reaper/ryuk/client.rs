//! One client: the lines that it sends, and what it is to the session.
//!
//! Whoever has an acknowledged filter keeps the session, however long. Whoever connected when the session had filters and
//! has said nothing that is wrong may be one of those, whose connection was lost and who need not repeat a filter that was
//! acknowledged: official Ryuk counts every connection. Nobody can tell such a client from somebody who only holds a
//! connection, so silence keeps the session for a while and not for ever (`serve`), and it has to have lasted for a
//! moment: whoever is about to say something is no more than that. Half a line keeps nothing, nor does a connection from
//! before the first filter, as that of who only looks whether the port is open.
//!
//! A scope is held by connections, and counts as a filter while and after it is. Whoever only reports what is removed, or asks
//! for what is made once, keeps nothing: it has the process's other connection for that.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use crate::filter::Filter;
use crate::hello::{self, ScopeWord};
use crate::key_words::{self, Answer, Ask};
use crate::keys::News;
use crate::log;
use crate::platform;
use crate::quote::quote;
use crate::register::{Line, Register};
use crate::scopes::{self, Holder};
use crate::settings::MOMENT;

/// Official Ryuk's limit for a line.
const LONGEST_LINE: usize = 64 << 10;
/// What may have been sent behind a line that is refused.
const MOST_REFUSED: usize = 64;
const SINCE_REMOVED: &str = "what there was has been removed since the greeting: greet again";

pub(crate) struct Client {
    pub(crate) stream: Arc<TcpStream>,
    name: String,
    pub(crate) unfinished: Vec<u8>,
    came_at: Instant,
    claim: Claim,
    /// The generation that it was told in answer to its greeting.
    told: Option<u32>,
    /// Has said something that is answered when the door is open.
    pub(crate) waits: bool,
    /// Will say no more.
    ended: bool,
    /// As whom it holds scopes, and has claims; none where it never had any.
    holder: Option<Holder>,
    /// When it came, greeted or took up what was its own: it may have more of that to say.
    returned_at: Instant,
    /// What it is there for, where that is not to hold the session.
    errand: Option<Errand>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Errand {
    /// To be told of what is removed.
    Report,
    /// To ask for what is made once.
    Keys,
}

/// What a client is to the session.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Claim {
    None,
    /// Came when there were filters already, and may have registered one of them on another connection.
    Silent,
    Registered,
}

impl Client {
    pub(crate) fn new(stream: TcpStream, name: String, came_late: bool) -> Self {
        let claim = if came_late { Claim::Silent } else { Claim::None };
        let (came_at, unfinished) = (Instant::now(), Vec::new());
        Self {
            stream: Arc::new(stream),
            name,
            unfinished,
            came_at,
            claim,
            told: None,
            waits: false,
            ended: false,
            holder: None,
            returned_at: came_at,
            errand: None,
        }
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.claim == Claim::Registered
    }

    /// Whether it has greeted, and so is about to register something.
    pub(crate) fn is_about_to_register(&self) -> bool {
        self.told.is_some() && self.is_idle()
    }

    /// Whether it may be let go where there is no room: it has asked for nothing.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_registered() && self.errand.is_none()
    }

    /// Whether it is the one that has this.
    pub(crate) fn is(&self, holder: Holder) -> bool {
        self.holder == Some(holder)
    }

    /// When it came, or said last what somebody says who has come back.
    pub(crate) fn returned_at(&self) -> Instant {
        self.returned_at
    }

    /// From when on it is taken for one that has come back without repeating its filter; none where it is no such.
    pub(crate) fn silent_at(&self) -> Option<Instant> {
        (self.claim == Claim::Silent && self.unfinished.is_empty()).then(|| self.came_at + MOMENT)
    }

    /// Whether it came before this moment.
    pub(crate) fn came_before(&self, moment: Instant) -> bool {
        self.came_at <= moment
    }

    /// Takes what has arrived; false when the client is to be let go.
    pub(crate) fn read(&mut self, register: &mut Register, is_open: bool) -> bool {
        let mut bytes = [0; 4096];
        // Once per turn: a client that never stops sending must not keep the others waiting.
        match (&*self.stream).read(&mut bytes) {
            Ok(0) => {
                self.ended = true;
                self.finish_last_line();
                self.lines(register, is_open)
            }
            Ok(count) => {
                self.unfinished.extend_from_slice(&bytes[..count]);
                self.lines(register, is_open)
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// A last line without an end counts, unless it may be the beginning of another that names less.
    fn finish_last_line(&mut self) {
        match Line::parse(&self.unfinished) {
            Ok(Line::Filter(filter)) if filter.is_whole_for_sure() => self.unfinished.push(b'\n'),
            _ => self.unfinished.clear(),
        }
    }

    /// Answers its whole lines. Where the door is shut, only those that are refused in any case.
    pub(crate) fn lines(&mut self, register: &mut Register, is_open: bool) -> bool {
        self.waits = false;
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line = self.unfinished[..end].strip_suffix(b"\r").unwrap_or(&self.unfinished[..end]);
            // Official Ryuk does not answer an empty line either.
            if !line.is_empty() {
                match Line::parse(line) {
                    Ok(_) if !is_open => {
                        self.waits = true;
                        return true;
                    }
                    line => {
                        if let Err(problem) = line.and_then(|line| self.answer(line, register)) {
                            return self.refuse(&problem);
                        }
                    }
                }
            }
            self.unfinished.drain(..=end);
        }
        if self.unfinished.len() >= LONGEST_LINE {
            return self.refuse("the line is too long");
        }
        !self.ended
    }

    fn answer(&mut self, line: Line, register: &mut Register) -> Result<(), String> {
        match line {
            Line::Greeting(version) => {
                self.told = Some(register.generation);
                self.returned_at = Instant::now();
                self.say(&hello::answer(&register.hello(version)));
            }
            Line::Over(_)
            | Line::Clients
            | Line::Scope(..)
            | Line::Report
            | Line::Claim(_)
            | Line::Keep(_)
            | Line::Forget(_)
                if self.told.is_none() =>
            {
                return Err("greet first".into());
            }
            Line::Over(wait) => {
                log::line(format_args!("client={} the run is over, wait={} ms", self.name, wait.as_millis()));
                register.over = Some(wait);
                self.say("ACK\n");
            }
            Line::Clients => {
                let others = register.clients.saturating_sub(usize::from(self.is_registered()));
                self.say(&hello::answer_clients(others));
            }
            Line::Report => self.report(register)?,
            Line::Scope(ScopeWord::End, filter) => self.end_scope(&filter, register),
            Line::Forget(token) => {
                register.trust(&token)?;
                register.keys.forget();
                log::line(format_args!("client={} all values are forgotten", self.name));
                self.say("ACK\n");
            }
            Line::Filter(_) | Line::Scope(..) | Line::Claim(_) | Line::Keep(_)
                if self.told.is_some_and(|told| told != register.generation) =>
            {
                return Err(SINCE_REMOVED.into());
            }
            Line::Claim(ask) => {
                register.trust(&ask.token)?;
                self.claim(ask, register);
            }
            Line::Keep(text) => self.keep(&text, register),
            Line::Filter(filter) => {
                let told = filter.to_json();
                register.take(filter)?;
                log::line(format_args!("client={} filter={told} registered", self.name));
                self.acknowledge(register);
            }
            Line::Scope(word, filter) => self.hold_scope(word, &filter, register)?,
        }
        Ok(())
    }

    fn hold_scope(
        &mut self,
        word: ScopeWord,
        filter: &Filter,
        register: &mut Register,
    ) -> Result<(), String> {
        register.reach()?;
        let holder = *self.holder.get_or_insert_with(|| register.scopes.holder());
        if let Err(problem) = register.scopes.hold(word, filter, holder) {
            self.decline(&problem);
            return Ok(());
        }
        register.count_scope();
        let word = if word == ScopeWord::Again { "held again" } else { "held" };
        log::line(format_args!("client={} scope={} {word}", self.name, filter.to_json()));
        self.acknowledge(register);
        Ok(())
    }

    fn end_scope(&mut self, filter: &Filter, register: &mut Register) {
        let ended = match self.holder {
            Some(holder) => register.scopes.end(filter, holder, Instant::now()),
            None => Err(scopes::not_held()),
        };
        match ended {
            Ok(is_last) => {
                let word = if is_last { "ended" } else { "let go, others hold it" };
                log::line(format_args!("client={} scope={} {word}", self.name, filter.to_json()));
                self.say("ACK\n");
            }
            Err(problem) => self.decline(&problem),
        }
    }

    fn claim(&mut self, ask: Ask, register: &mut Register) {
        if self.errand.is_none() {
            // A value has room in what the connection holds, so nobody has to wait for who does not read.
            if platform::bound_sending(&*self.stream).is_err() {
                self.ended = true;
                return;
            }
            self.is_there_for(Errand::Keys);
        }
        let holder = *self.holder.get_or_insert_with(|| register.scopes.holder());
        let (key, who) = (ask.key.clone(), ask.who.clone());
        match register.keys.claim(ask, holder, Instant::now()) {
            Ok(told) => {
                if told == Answer::Turn {
                    log::line(format_args!("client={} key={key} made by {}", self.name, quote(&who)));
                }
                self.say(&told.line());
            }
            Err(problem) => self.decline(&problem),
        }
    }

    fn keep(&mut self, text: &str, register: &mut Register) {
        let kept = self.holder.map_or_else(
            || Err("this connection has asked for no key".into()),
            |holder| register.keys.keep(text, holder),
        );
        match kept {
            Ok(number) => {
                log::line(format_args!("client={} value={number} {} bytes", self.name, text.len()));
                self.say(&key_words::kept(number));
            }
            Err(problem) => self.decline(&problem),
        }
    }

    /// Says what it did not ask for just now; false when it is to be let go.
    pub(crate) fn tell(&mut self, news: &News) -> bool {
        match news {
            News::Told(told) => {
                self.say(&told.line());
                !self.ended
            }
            News::Over => self.refuse(SINCE_REMOVED),
        }
    }

    fn report(&mut self, register: &Register) -> Result<(), String> {
        if self.errand == Some(Errand::Report) {
            self.say("ACK\n");
            return Ok(());
        }
        register.reports.add(&self.name, &self.stream)?;
        log::line(format_args!("client={} is told of what is removed", self.name));
        self.is_there_for(Errand::Report);
        Ok(())
    }

    /// It has said what it is there for, and that is not to come back.
    fn is_there_for(&mut self, errand: Errand) {
        self.errand = Some(errand);
        if self.claim == Claim::Silent {
            self.claim = Claim::None;
        }
    }

    /// Says that what it named is taken in, by which it keeps the session.
    fn acknowledge(&mut self, register: &mut Register) {
        if !self.is_registered() {
            // Whoever said that nobody would come was wrong.
            register.over = None;
        }
        // Before the answer: what the client was told must already be true.
        self.claim = Claim::Registered;
        self.returned_at = Instant::now();
        self.say("ACK\n");
    }

    /// Says why not. Its other scopes are held by the same connection, so that stays.
    fn decline(&mut self, problem: &str) {
        log::line(format_args!("client={} declined: {problem}", self.name));
        self.say(&format!("ERROR {problem}\n"));
    }

    /// Says why, and that it is over: a client that waits for an `ACK` would wait for ever.
    fn refuse(&mut self, problem: &str) -> bool {
        log::line(format_args!("client={} refused: {problem}", self.name));
        self.say(&format!("ERROR {problem}\n"));
        let _ = self.stream.shutdown(Shutdown::Write);
        // What it had sent behind the line would make the kernel take the answer back.
        let mut rest = [0; 4096];
        for _ in 0..MOST_REFUSED {
            if !(&*self.stream).read(&mut rest).is_ok_and(|count| count > 0) {
                break;
            }
        }
        false
    }

    /// A client that does not even read a line will say no more. One that is gone has said what is still to be read, whose end
    /// is read, too.
    fn say(&mut self, line: &str) {
        let is_gone =
            |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        self.ended |= (&*self.stream).write_all(line.as_bytes()).is_err_and(|error| !is_gone(&error));
    }

    /// It is gone, and what it held without saying that this has ended is left to who comes back.
    pub(crate) fn leave(&self, register: &mut Register, is_verbose: bool) {
        if is_verbose || self.is_registered() {
            log::line(format_args!("client={} disconnected", self.name));
        }
        if let Some(holder) = self.holder {
            register.scopes.lose(holder, Instant::now());
            register.keys.lose(holder, Instant::now());
        }
    }
}
