//! Events of the script: those that are there, or as they come.

use millwright_proto::control as wire;
use tonic::Response;

use super::{super::Script, Answers, Reply, Shared};

fn wanted(event: &wire::WatchEvent, kind: &str, name: &str, seen: (u64, u32)) -> bool {
    // One without a place of its own is all of its index.
    let place = (event.index, if event.sub == 0 { u32::MAX } else { event.sub });
    place > seen
        && (kind.is_empty() || event.kind == kind)
        && (name.is_empty() || event.name == name)
}

/// Those that are there, and a bookmark.
pub(super) fn kept(
    script: &Script,
    kind: &str,
    name: &str,
    seen: (u64, u32),
) -> Reply<Answers<wire::WatchEvent>> {
    let events = script.events.iter().filter(|event| wanted(event, kind, name, seen));
    let mut all: Vec<_> = events.cloned().map(Ok).collect();
    let (action, index) = ("bookmark".to_owned(), script.index);
    all.push(Ok(wire::WatchEvent { action, index, ..wire::WatchEvent::default() }));
    Ok(Response::new(Box::pin(futures_util::stream::iter(all))))
}

/// As they come, until so many were told.
pub(super) fn follow(
    shared: &Shared,
    kind: String,
    name: String,
    seen: (u64, u32),
    breaks: usize,
) -> Answers<wire::WatchEvent> {
    let state = (shared.clone(), shared.changed.subscribe(), seen, breaks);
    Box::pin(futures_util::stream::unfold(state, move |state| {
        let (kind, name) = (kind.clone(), name.clone());
        async move {
            let (shared, mut changed, seen, left) = state;
            if left == 0 {
                return None;
            }
            loop {
                changed.borrow_and_update();
                let next = {
                    let script = shared.script();
                    let mut events = script.events.iter();
                    events.find(|event| wanted(event, &kind, &name, seen)).cloned()
                };
                if let Some(event) = next {
                    let seen = (event.index, if event.sub == 0 { u32::MAX } else { event.sub });
                    return Some((Ok(event), (shared, changed, seen, left - 1)));
                }
                changed.changed().await.ok()?;
            }
        }
    }))
}
