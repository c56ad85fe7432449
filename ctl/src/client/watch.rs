//! Changes as they happen. A stream that breaks goes on at another coordinator after the last index
//! that was seen, so nothing is missed and nothing comes twice.

use std::time::Duration;

use millwright_proto::control::{WatchEvent, WatchRequest};
use tokio::time::Instant;
use tonic::{Code, Streaming};

use super::Client;
use crate::{
    error::{Error, Kind, Result},
    output,
};

/// First pause before another try, doubled up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// What a watch yields.
#[derive(Debug, Clone)]
pub enum Change {
    /// Something changed.
    Event(Box<WatchEvent>),
    /// The cluster no longer knows what happened since: list again, then go on from there.
    Gap,
}

/// A watch of a kind, or of one resource.
#[derive(Debug)]
pub struct Watch {
    kind: String,
    name: String,
    since: u64,
    /// How many events of that index were seen; 0 for all.
    sub: u32,
    brief: bool,
    stream: Option<Streaming<WatchEvent>>,
    /// Since when no coordinator answers, and that it was said.
    silent: Option<Instant>,
    pause: Duration,
}

impl Watch {
    /// Changes after an index; an empty kind or name means all.
    pub fn new(kind: &str, name: &str, since: u64) -> Self {
        Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            since,
            sub: 0,
            brief: false,
            stream: None,
            silent: None,
            pause: PAUSE,
        }
    }

    /// From within an index, of which so many events were seen; and without resources.
    #[must_use]
    pub fn brief(mut self, sub: u32) -> Self {
        self.sub = sub;
        self.brief = true;
        self
    }

    /// Where another watch would go on.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Goes on from another index, after a list.
    pub fn resume(&mut self, since: u64) {
        self.since = since;
        self.sub = 0;
        self.stream = None;
    }

    /// Waits for the next change; errors are only those that another try cannot mend.
    pub async fn next(&mut self, client: &mut Client) -> Result<Change> {
        loop {
            let Some(stream) = &mut self.stream else {
                match self.open(client).await {
                    Ok(true) => continue,
                    Ok(false) => return Ok(Change::Gap),
                    Err(error) if error.kind == Kind::Unavailable => {
                        self.wait(client, &error).await;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            };
            match stream.message().await {
                Ok(Some(event)) => {
                    self.pause = PAUSE;
                    // Several events may have one index; a bookmark stands for all of them.
                    if event.index >= self.since {
                        (self.since, self.sub) = (event.index, event.sub);
                    }
                    if event.action != "bookmark" {
                        return Ok(Change::Event(Box::new(event)));
                    }
                }
                Err(status) if status.code() == Code::OutOfRange => return Ok(Change::Gap),
                Err(status)
                    if matches!(status.code(), Code::PermissionDenied | Code::InvalidArgument) =>
                {
                    return Err(status.into());
                }
                // The coordinator went away, or is going away.
                Ok(None) | Err(_) => {
                    self.stream = None;
                    client.leave();
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// False when what was seen last is too old to go on from.
    async fn open(&mut self, client: &mut Client) -> Result<bool> {
        let request = WatchRequest {
            kind: self.kind.clone(),
            name: self.name.clone(),
            since: self.since,
            since_sub: self.sub,
            brief: self.brief,
            ..WatchRequest::default()
        };
        let mut control = client.control().await?;
        match control.watch(request).await {
            Ok(answer) => {
                self.stream = Some(answer.into_inner());
                if let Some(since) = self.silent.take() {
                    let gone =
                        output::span(u64::try_from(since.elapsed().as_millis()).unwrap_or(0));
                    let node = client.answered_by();
                    output::note(&format!("going on at {node} after {gone} without a coordinator"));
                }
                Ok(true)
            }
            Err(status) if status.code() == Code::OutOfRange => Ok(false),
            Err(status) => {
                client.leave();
                Err(status.into())
            }
        }
    }

    async fn wait(&mut self, client: &mut Client, error: &Error) {
        client.leave();
        if self.silent.is_none() {
            let first = error.message.lines().next().unwrap_or_default();
            output::note(&format!("{first}; trying again"));
            self.silent = Some(Instant::now());
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}
