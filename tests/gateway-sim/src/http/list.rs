//! The list envelope with its paging, sorting, searching and filters.

use std::cmp::Ordering;

use axum::response::Response;
use serde_json::{Value, json};

use super::{answer::ok, call::Call};

/// 200 with the items that the query wants. Items come in the order given.
pub(crate) fn envelope(call: &Call, items: Vec<Value>) -> Response {
    ok(&select(call.params(), items))
}

/// The same with floats in its metadata, as the audit log has them.
pub(crate) fn envelope_with_floats(call: &Call, items: Vec<Value>) -> Response {
    let mut whole = select(call.params(), items);
    for number in whole["metadata"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        *number = number.as_f64().into();
    }
    ok(&whole)
}

fn select(query: &[(String, String)], items: Vec<Value>) -> Value {
    let param = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, v)| v.as_str());
    let total = items.len();
    let search = param("search").map(str::to_lowercase);
    let mut items: Vec<Value> = items
        .into_iter()
        .filter(|item| query.iter().all(|(key, value)| passes(item, key, value)))
        .filter(|item| {
            search.as_ref().is_none_or(|text| item.to_string().to_lowercase().contains(text))
        })
        .collect();
    let matching = items.len();
    if let Some(order) = param("sortBy") {
        sort(&mut items, order);
    }
    let number = |key: &str| param(key).and_then(|text| text.parse::<i64>().ok());
    let limit = number("limit").unwrap_or(-1);
    let offset = number("offset").unwrap_or(0).max(0);
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    let count = usize::try_from(limit).unwrap_or(usize::MAX);
    let page: Vec<Value> = items.into_iter().skip(from).take(count).collect();
    json!({
        "items": page,
        "metadata": {"total": total, "matching": matching, "limit": limit, "offset": offset},
    })
}

/// `field[op]=value`; anything else is no filter, but `filter=...` matches nothing.
fn passes(item: &Value, key: &str, wanted: &str) -> bool {
    if key == "filter" {
        return false;
    }
    let Some((field, op)) = key.strip_suffix(']').and_then(|key| key.split_once('[')) else {
        return true;
    };
    let value = &item[field];
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let order = || match (text.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        _ => text.as_str().cmp(wanted),
    };
    match op {
        "eq" => text == wanted,
        "ne" => text != wanted,
        "cn" => text.contains(wanted),
        "sw" => text.starts_with(wanted),
        "ew" => text.ends_with(wanted),
        "gt" => order() == Ordering::Greater,
        "gte" => order() != Ordering::Less,
        "lt" => order() == Ordering::Less,
        "lte" => order() != Ordering::Greater,
        // No regular expressions here: a plain part of the text is the common case.
        "rgx" => text.contains(wanted.trim_matches(|c| ".*^$".contains(c))),
        _ => true,
    }
}

/// `asc(field)` or `desc(field)`; ties keep the gateway's order.
fn sort(items: &mut [Value], order: &str) {
    let inner = |word: &str| order.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
    let (field, down) = match (inner("asc"), inner("desc")) {
        (Some(field), _) => (field, false),
        (None, Some(field)) => (field, true),
        (None, None) => return,
    };
    items.sort_by(|a, b| {
        let (a, b) = (&a[field], &b[field]);
        let order = match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            _ => a.to_string().cmp(&b.to_string()),
        };
        if down { order.reverse() } else { order }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_paged_sorted_searched_and_filtered() {
        let items: Vec<Value> =
            ["b", "c", "a"].iter().enumerate().map(|(n, x)| json!({"name": x, "n": n})).collect();
        let ask = |query: &[(&str, &str)]| {
            let query: Vec<(String, String)> =
                query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let answer = select(&query, items.clone());
            let names: String = answer["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|i| i["name"].as_str())
                .collect();
            (names, answer["metadata"].clone())
        };
        assert_eq!(ask(&[]).0, "bca", "the gateway's order, everything");
        assert_eq!(ask(&[]).1, json!({"total": 3, "matching": 3, "limit": -1, "offset": 0}));
        assert_eq!(ask(&[("limit", "-1")]).0, "bca");
        assert_eq!(ask(&[("limit", "1"), ("offset", "1")]).0, "c");
        assert_eq!(ask(&[("sortBy", "asc(name)")]).0, "abc");
        assert_eq!(ask(&[("sortBy", "desc(n)")]).0, "acb");
        assert_eq!(ask(&[("search", "C")]).0, "c");
        assert_eq!(ask(&[("name[eq]", "a")]).0, "a");
        assert_eq!(ask(&[("n[gte]", "1")]).0, "ca");
        assert_eq!(ask(&[("filter", "name[eq]=a")]).0, "", "silently matches nothing");
        assert_eq!(ask(&[("name[ne]", "a")]).1["matching"], 2);
    }
}
