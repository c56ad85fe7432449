//! Three values become one: what a person did to the rendered value is done to git's value.

use crate::json_edit::{Json, JsonPath, Segment};

/// Whose order the members of a merged object have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Git's; what is new stands behind what it follows on the gateway.
    Git,
    /// The gateway's; what only git has stands behind what it follows there.
    Gateway,
}

/// The value that git should have, and the paths where a person changed what rendering had changed.
pub(super) fn merge(
    base: &Json,
    rendered: &Json,
    gateway: &Json,
    order: Order,
) -> (Json, Vec<String>) {
    let mut merging = Merging { order, at: Vec::new(), overridden: Vec::new() };
    let merged = merging.one(base, rendered, gateway);
    (merged, merging.overridden)
}

type Members = [(String, Json)];

fn find<'m>(members: &'m Members, key: &str) -> Option<&'m Json> {
    members.iter().find(|(known, _)| known == key).map(|(_, value)| value)
}

struct Merging {
    order: Order,
    at: Vec<Segment>,
    overridden: Vec<String>,
}

impl Merging {
    fn note(&mut self) {
        self.overridden.push(match self.at.as_slice() {
            [] => ".".to_owned(),
            at => JsonPath::of(at.to_vec()).to_string(),
        });
    }

    fn one(&mut self, base: &Json, rendered: &Json, gateway: &Json) -> Json {
        if gateway == rendered {
            return base.clone();
        }
        if base == rendered {
            return gateway.clone();
        }
        match (base, rendered, gateway) {
            (Json::Object(b), Json::Object(r), Json::Object(g)) => self.objects(b, r, g),
            (Json::Array(b), Json::Array(r), Json::Array(g))
                if b.len() == r.len() && r.len() == g.len() =>
            {
                let mut items = Vec::with_capacity(b.len());
                for (index, ((b, r), g)) in b.iter().zip(r).zip(g).enumerate() {
                    self.at.push(Segment::Index(i64::try_from(index).unwrap_or(i64::MAX)));
                    items.push(self.one(b, r, g));
                    self.at.pop();
                }
                Json::Array(items)
            }
            _ => {
                self.note();
                gateway.clone()
            }
        }
    }

    /// What git should have under one key, of its three states.
    fn member(&mut self, b: Option<&Json>, r: Option<&Json>, g: Option<&Json>) -> Option<Json> {
        match (b, r, g) {
            (Some(b), Some(r), Some(g)) => Some(self.one(b, r, g)),
            // A rule took it out, and the gateway has it not: git keeps it.
            (Some(b), None, None) => Some(b.clone()),
            // A person took it out.
            (Some(b), Some(r), None) if r == b => None,
            // A person added it.
            (None, None, g) => g.cloned(),
            // A rule made it.
            (None, Some(r), Some(g)) if r == g => None,
            // A person changed what a rule sets, makes or takes out.
            (_, _, g) => {
                self.note();
                g.cloned()
            }
        }
    }

    fn objects(&mut self, base: &Members, rendered: &Members, gateway: &Members) -> Json {
        let (first, second) = match self.order {
            Order::Git => (base, gateway),
            Order::Gateway => (gateway, base),
        };
        let mut keys: Vec<&str> = first.iter().map(|(key, _)| key.as_str()).collect();
        let mut before = None;
        for (key, _) in second.iter().chain(rendered) {
            if !keys.contains(&key.as_str()) {
                let place =
                    before.and_then(|before| keys.iter().position(|known| *known == before));
                keys.insert(place.map_or(0, |place| place + 1), key);
            }
            before = Some(key.as_str());
        }
        let mut out = Vec::with_capacity(keys.len());
        for key in keys {
            self.at.push(Segment::Key(key.to_owned()));
            let (b, r, g) = (find(base, key), find(rendered, key), find(gateway, key));
            out.extend(self.member(b, r, g).map(|value| (key.to_owned(), value)));
            self.at.pop();
        }
        Json::Object(out)
    }
}
