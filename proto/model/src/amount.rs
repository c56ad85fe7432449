//! A number of things, or a share of them.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many, of a total that is known later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u8),
}

impl Default for Amount {
    fn default() -> Self {
        Amount::Count(1)
    }
}

/// A text that is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a number from 1 nor a share from 1% to 100%")]
pub struct InvalidAmount(String);

impl Amount {
    /// Of this total: rounded down, at least one.
    pub fn of(self, total: u32) -> u32 {
        match self {
            Amount::Count(count) => count.max(1),
            Amount::Percent(percent) => {
                let share = u64::from(total) * u64::from(percent) / 100;
                u32::try_from(share).unwrap_or(u32::MAX).max(1)
            }
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Amount {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAmount(text.chars().take(40).collect());
        let amount = match text.strip_suffix('%') {
            Some(percent) => {
                percent.parse().ok().filter(|p| (1..=100).contains(p)).map(Amount::Percent)
            }
            None => text.parse().ok().filter(|count| *count > 0).map(Amount::Count),
        };
        amount.ok_or_else(invalid)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Amount::Count(count) => serializer.serialize_u32(*count),
            Amount::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Count(u32),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Count(count) => count.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": u32::MAX},
                {"type": "string", "pattern": "^(100|[1-9][0-9]?)%$"},
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_down_and_are_never_none() {
        for (text, total, count) in
            [("1", 9, 1), ("25%", 9, 2), ("25%", 3, 1), ("100%", 7, 7), ("5", 2, 5)]
        {
            assert_eq!(text.parse::<Amount>().unwrap().of(total), count, "{text} of {total}");
        }
        for bad in ["0", "0%", "101%", "-1", "x", "", "%", "1.5"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
        let read: Vec<Amount> = serde_json::from_str("[3, \"40%\"]").unwrap();
        assert_eq!(read, [Amount::Count(3), Amount::Percent(40)]);
        assert_eq!(serde_json::to_string(&read).unwrap(), "[3,\"40%\"]");
    }
}
