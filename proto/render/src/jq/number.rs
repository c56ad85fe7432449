//! Numbers that keep their spelling until they are calculated with: `1.0E10` and integers beyond
//! 2^53 pass through an expression unharmed.

use std::{cmp::Ordering, sync::Arc};

use super::meter::Meter;

/// A number.
#[derive(Debug, Clone)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
    /// As in the text; no shorter form of it is kept.
    Spelled(Arc<str>),
}

impl Number {
    /// From a spelling that is a JSON number or a literal of jq.
    pub(super) fn of(text: &str) -> Self {
        match text.parse::<i64>() {
            Ok(int) if text != "-0" && !text.starts_with('+') => Number::Int(int),
            Ok(_) | Err(_) if is_json(text) => Number::Spelled(text.into()),
            Ok(int) => Number::Int(int),
            Err(_) => Number::Float(text.parse().unwrap_or(f64::NAN)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "jq's numbers are doubles")]
    pub(super) fn float(&self) -> f64 {
        match self {
            Number::Int(int) => *int as f64,
            Number::Float(float) => *float,
            Number::Spelled(text) => {
                read(text);
                text.parse().unwrap_or(f64::NAN)
            }
        }
    }

    /// Bytes as written, at least.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Number::Int(_) | Number::Float(_) => 1,
            Number::Spelled(text) => text.len(),
        }
    }

    /// As an integer, when it is one that fits.
    #[expect(clippy::cast_possible_truncation, reason = "checked to be integral and in range")]
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Number::Int(int) => Some(*int),
            Number::Float(_) | Number::Spelled(_) => {
                let float = self.float();
                (float.fract() == 0.0 && float.abs() < 9.0e15).then_some(float as i64)
            }
        }
    }

    /// With integers as long as they fit, with floats otherwise.
    pub(super) fn calculate(
        &self,
        other: &Number,
        ints: fn(i64, i64) -> Option<i64>,
        floats: fn(f64, f64) -> f64,
    ) -> Number {
        if let (Number::Int(a), Number::Int(b)) = (self, other)
            && let Some(int) = ints(*a, *b)
        {
            return Number::Int(int);
        }
        Number::Float(floats(self.float(), other.float()))
    }

    /// The spelling in JSON.
    pub(super) fn spelled(&self) -> String {
        match self {
            Number::Int(int) => int.to_string(),
            Number::Spelled(text) => text.to_string(),
            Number::Float(float) => spell(*float),
        }
    }

    /// A total order; what is no number comes first.
    pub(super) fn order(&self, other: &Number) -> Ordering {
        if let (Number::Int(a), Number::Int(b)) = (self, other) {
            return a.cmp(b);
        }
        let (a, b) = (self.float(), other.float());
        match a.partial_cmp(&b) {
            Some(Ordering::Equal) => self.digits().cmp(&other.digits()),
            Some(order) => order,
            None => b.is_nan().cmp(&a.is_nan()),
        }
    }

    /// Sign, length and digits of a plain integer, which tell apart what doubles cannot.
    fn digits(&self) -> Option<(bool, i64, i64, String)> {
        let text = match self {
            Number::Int(int) => int.to_string(),
            Number::Spelled(text) => {
                read(text);
                text.to_string()
            }
            Number::Float(_) => return None,
        };
        let plain = text.strip_prefix('-').unwrap_or(&text);
        if plain.len() < 16 || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // Digits of a negative number order the other way round.
        let negative = text.starts_with('-');
        let flipped = |digit: u8| if negative { b'9' - (digit - b'0') } else { digit };
        let digits = plain.bytes().map(|digit| char::from(flipped(digit))).collect();
        let len = i64::try_from(plain.len()).unwrap_or(i64::MAX);
        Some((!negative, if negative { -len } else { len }, 0, digits))
    }
}

/// Pays for reading a spelling; a short one is part of the step that reads it.
fn read(text: &str) {
    Meter::pay(text.len() as u64 / 16);
}

fn is_json(text: &str) -> bool {
    let document = crate::json_edit::Document::parse(text);
    document.is_ok_and(|document| document.raw(document.root()) == text)
}

/// A double as jq spells it: shortest digits, an exponent when more than 15 zeros would
/// follow or more than three come first; no number is `null`,
/// the infinities are the largest doubles.
fn spell(float: f64) -> String {
    if float.is_nan() {
        return "null".to_owned();
    }
    let float = float.clamp(f64::MIN, f64::MAX);
    if float == 0.0 {
        return if float.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() };
    }
    let science = format!("{float:e}");
    let (mantissa, exponent) = science.split_once('e').unwrap_or((&science, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits = mantissa.replace('.', "");
    let longest = i32::try_from(digits.len()).unwrap_or(0) + 15;
    if !(-4..longest).contains(&exponent) {
        let point = if digits.len() > 1 { format!(".{}", &digits[1..]) } else { String::new() };
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{}{point}e{mark}{:02}", &digits[..1], exponent.unsigned_abs());
    }
    format!("{sign}{}", positional(&digits, exponent))
}

fn positional(digits: &str, exponent: i32) -> String {
    let Ok(whole) = usize::try_from(exponent) else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        return format!("0.{}{digits}", "0".repeat(zeros));
    };
    let whole = whole + 1;
    if digits.len() <= whole {
        return format!("{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{}.{}", &digits[..whole], &digits[whole..])
}
