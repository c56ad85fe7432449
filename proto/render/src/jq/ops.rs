//! Arithmetic on values, as jq does it. Access and update are in [`super::access`].

use std::{
    ops::{Add, Div, Mul, Neg, Rem, Sub},
    sync::Arc,
};

use jaq_core::{ops::Math, val::Range};

use super::{
    meter::{Meter, Stop, VALUE_BYTES_MAX},
    number::Number,
    value::{Array, Error, Jv, Object, Result},
};

impl From<bool> for Jv {
    fn from(value: bool) -> Self {
        Jv::Bool(value)
    }
}

impl From<isize> for Jv {
    fn from(value: isize) -> Self {
        Jv::Num(Number::Int(value as i64))
    }
}

impl From<usize> for Jv {
    fn from(value: usize) -> Self {
        Jv::Num(Number::Int(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl From<f64> for Jv {
    fn from(value: f64) -> Self {
        Jv::Num(Number::Float(value))
    }
}

impl From<String> for Jv {
    fn from(text: String) -> Self {
        Jv::text(&text)
    }
}

impl From<Range<Jv>> for Jv {
    fn from(range: Range<Jv>) -> Self {
        let ends = [("start", range.start), ("end", range.end)];
        Jv::object(ends.into_iter().filter_map(|(key, end)| Some((key.into(), end?))))
    }
}

impl FromIterator<Jv> for Jv {
    fn from_iter<T: IntoIterator<Item = Jv>>(items: T) -> Self {
        Jv::array(items)
    }
}

impl Add for Jv {
    type Output = Result;
    fn add(self, other: Self) -> Result {
        match (self, other) {
            (Jv::Null, value) | (value, Jv::Null) => Ok(value),
            (Jv::Num(a), Jv::Num(b)) => {
                Ok(Jv::Num(a.calculate(&b, i64::checked_add, |a, b| a + b)))
            }
            (Jv::Str(a), Jv::Str(b)) => {
                Meter::pay_bytes(a.len() + b.len());
                Ok(Jv::text(&[a.as_ref(), b.as_ref()].concat()))
            }
            (Jv::Arr(mut a), Jv::Arr(b)) => {
                let array: &mut Array = Arc::make_mut(&mut a);
                b.items.iter().for_each(|item| array.push(item.clone()));
                Ok(Jv::Arr(a))
            }
            (Jv::Obj(mut a), Jv::Obj(b)) => {
                let object: &mut Object = Arc::make_mut(&mut a);
                b.members.iter().for_each(|(k, v)| object.insert(Arc::clone(k), v.clone()));
                Ok(Jv::Obj(a))
            }
            (a, b) => Err(Error::math(a, Math::Add, b)),
        }
    }
}

impl Sub for Jv {
    type Output = Result;
    fn sub(self, other: Self) -> Result {
        match (self, other) {
            (Jv::Num(a), Jv::Num(b)) => {
                Ok(Jv::Num(a.calculate(&b, i64::checked_sub, |a, b| a - b)))
            }
            (Jv::Arr(a), Jv::Arr(b)) => {
                Ok(Jv::array(a.items.iter().filter(|item| !b.items.contains(item)).cloned()))
            }
            (a, b) => Err(Error::math(a, Math::Sub, b)),
        }
    }
}

fn merge(mut a: Arc<Object>, b: &Arc<Object>) -> Jv {
    let object = Arc::make_mut(&mut a);
    for (key, value) in &b.members {
        let merged = match (object.members.get(key), value) {
            (Some(Jv::Obj(old)), Jv::Obj(new)) => merge(Arc::clone(old), new),
            (_, new) => new.clone(),
        };
        object.insert(Arc::clone(key), merged);
    }
    Jv::Obj(a)
}

impl Mul for Jv {
    type Output = Result;
    fn mul(self, other: Self) -> Result {
        match (self, other) {
            (Jv::Num(a), Jv::Num(b)) => {
                Ok(Jv::Num(a.calculate(&b, i64::checked_mul, |a, b| a * b)))
            }
            (Jv::Str(text), Jv::Num(times)) | (Jv::Num(times), Jv::Str(text)) => {
                let times = times.float().ceil();
                if times.is_nan() || times <= 0.0 {
                    return Ok(Jv::Null);
                }
                #[expect(clippy::cast_precision_loss, reason = "compared with a bound")]
                if times * text.len() as f64 > VALUE_BYTES_MAX as f64 {
                    Meter::stop(Stop::Size);
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive; an empty text may be repeated without end"
                )]
                let times = if text.is_empty() { 1 } else { times as usize };
                Meter::pay_bytes(text.len() * times);
                Ok(Jv::text(&text.repeat(times)))
            }
            (Jv::Obj(a), Jv::Obj(b)) => Ok(merge(a, &b)),
            (a, b) => Err(Error::math(a, Math::Mul, b)),
        }
    }
}

impl Div for Jv {
    type Output = Result;
    fn div(self, other: Self) -> Result {
        match (self, other) {
            (Jv::Num(a), Jv::Num(b)) if b.float() != 0.0 => {
                let exact =
                    |a: i64, b: i64| if a.checked_rem(b)? == 0 { Some(a / b) } else { None };
                Ok(Jv::Num(a.calculate(&b, exact, |a, b| a / b)))
            }
            // The library defines `infinite` and `nan` this way.
            (Jv::Num(a), Jv::Num(b)) => Ok(Jv::from(a.float() / b.float())),
            (Jv::Str(text), Jv::Str(separator)) => {
                Meter::pay_bytes(text.len());
                if text.is_empty() {
                    return Ok(Jv::array([]));
                }
                if separator.is_empty() {
                    let mut one = [0; 4];
                    return Ok(Jv::array(text.chars().map(|c| Jv::text(c.encode_utf8(&mut one)))));
                }
                Ok(Jv::array(text.split(separator.as_ref()).map(Jv::text)))
            }
            (a, b) => Err(Error::math(a, Math::Div, b)),
        }
    }
}

impl Rem for Jv {
    type Output = Result;
    fn rem(self, other: Self) -> Result {
        match (self, other) {
            (Jv::Num(a), Jv::Num(b)) if b.float().trunc() != 0.0 => {
                let floats = |a: f64, b: f64| a.trunc() % b.trunc().abs();
                Ok(Jv::Num(a.calculate(&b, i64::checked_rem, floats)))
            }
            (a, b) => Err(Error::math(a, Math::Rem, b)),
        }
    }
}

impl Neg for Jv {
    type Output = Result;
    fn neg(self) -> Result {
        Jv::Num(Number::Int(0)) - self
    }
}
