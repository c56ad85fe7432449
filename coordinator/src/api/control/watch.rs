//! Events as they happen, or those that are kept. A stream that broke goes on at any node after the
//! place that was seen last: a log index, and how many of its events.

use std::sync::Arc;

use millwright_coordinator_domain::{
    State,
    access::Deed,
    state::Event,
    view::{self},
};
use millwright_model::{resource::Kind, selector::Selector};
use millwright_proto::control as wire;
use tonic::{Request, Response, Status};

use super::{Answers, ControlApi, Reply, invalid};

/// After so many events that somebody does not want, he is told how far he is: else what he saw last
/// would be too old to go on from when his stream breaks.
const PASSED_MAX: usize = 512;

/// What somebody wants to hear of, and what he knows.
struct Wanted {
    kind: Option<Kind>,
    name: String,
    brief: bool,
    /// Log index, and how many of its events.
    seen: (u64, u32),
}

impl Wanted {
    fn of(request: &wire::WatchRequest) -> Result<Self, Status> {
        let wire::WatchRequest { kind, name, since, since_sub, once: _, brief, stale: _ } = request;
        let kind = match kind.as_str() {
            "" => None,
            word => Some(word.parse::<Kind>().map_err(invalid)?),
        };
        let sub = if *since_sub == 0 { u32::MAX } else { *since_sub };
        Ok(Self { kind, name: name.clone(), brief: *brief, seen: (*since, sub) })
    }

    fn wants(&self, event: &Event) -> bool {
        self.kind.is_none_or(|kind| kind.as_str() == event.kind)
            && (self.name.is_empty() || self.name == event.name)
    }

    /// What is new in a state.
    fn news<'a>(&self, state: &'a State) -> Vec<&'a Arc<Event>> {
        let seen = self.seen;
        let new = |event: &&Arc<Event>| (event.index, event.sub) > seen;
        let mut news: Vec<_> = state.events().newest().take_while(new).collect();
        news.reverse();
        news
    }

    /// Whether events are gone that were not seen.
    fn check(&self, state: &State) -> Result<(), Status> {
        let (index, sub) = self.seen;
        match state.has_gap_after(index, sub) {
            false => Ok(()),
            true => Err(Status::out_of_range(format!(
                "events after index {index} are no longer kept: list again"
            ))),
        }
    }

    fn out(&self, state: &State, event: &Event) -> wire::WatchEvent {
        let kind = event.kind.parse::<Kind>().ok().filter(|_| !self.brief);
        let json = kind.and_then(|kind| {
            view::list(state, kind, Some(&event.name), &Selector::default()).pop()
        });
        wire::WatchEvent {
            kind: event.kind.clone(),
            name: event.name.clone(),
            action: event.action.clone(),
            json: json.map(|view| view.json.to_string().into_bytes()).unwrap_or_default(),
            index: event.index,
            at_ms: event.at.0,
            message: event.message.clone(),
            sub: event.sub,
        }
    }
}

/// Says that everything up to an index was seen.
fn bookmark(index: u64, state: &State) -> wire::WatchEvent {
    let (action, at_ms) = ("bookmark".to_owned(), state.now().0);
    wire::WatchEvent { action, index, at_ms, ..wire::WatchEvent::default() }
}

/// Answers `watch`.
pub(super) async fn answer(
    api: &ControlApi,
    request: Request<wire::WatchRequest>,
) -> Reply<Answers<wire::WatchEvent>> {
    api.allowed(&request, Deed::Read)?;
    let request = request.into_inner();
    let wanted = Wanted::of(&request)?;
    if request.once {
        return once(api, &wanted, request.stale).await;
    }
    Ok(Response::new(follow(api, wanted)))
}

async fn once(api: &ControlApi, wanted: &Wanted, stale: bool) -> Reply<Answers<wire::WatchEvent>> {
    let (index, state) = api.read(stale).await?;
    wanted.check(&state)?;
    let news = wanted.news(&state).into_iter().filter(|event| wanted.wants(event));
    let mut all: Vec<_> = news.map(|event| Ok(wanted.out(&state, event))).collect();
    all.push(Ok(bookmark(index, &state)));
    Ok(Response::new(Box::pin(futures::stream::iter(all))))
}

fn follow(api: &ControlApi, mut wanted: Wanted) -> Answers<wire::WatchEvent> {
    let mut watch = api.shared.consensus.watch();
    let stop = api.shared.stop.clone();
    Box::pin(async_stream::try_stream! {
        let mut passed = 0;
        loop {
            let (index, state) = {
                let published = watch.borrow_and_update();
                (published.index, Arc::clone(&published.state))
            };
            wanted.check(&state)?;
            for event in wanted.news(&state) {
                if wanted.wants(event) {
                    passed = 0;
                    yield wanted.out(&state, event);
                } else {
                    passed += 1;
                }
            }
            // A node that lags behind what was seen elsewhere waits until it is there.
            wanted.seen = wanted.seen.max((index, u32::MAX));
            if passed >= PASSED_MAX {
                passed = 0;
                yield bookmark(index, &state);
            }
            tokio::select! {
                changed = watch.changed() => if changed.is_err() { break },
                () = stop.cancelled() => break,
            }
        }
    })
}
