//! Access to the inside of a value and its update. Behaves as jq does: `null` takes the shape that a
//! path needs, and an array grows up to the index that is set. Arithmetic is in [`super::ops`].

use std::{collections::BTreeSet, sync::Arc};

use jaq_core::{
    ValX,
    box_iter::{BoxIter, box_once},
    path::Opt,
    val::Range,
};

use super::{
    meter::{Meter, VALUE_BYTES_MAX},
    number::Number,
    value::{Error, Jv, Object, Result},
};

/// Positions in an array of `len` items that a slice means.
fn slice(range: &Range<&Jv>, len: usize) -> std::result::Result<(usize, usize), Error> {
    let end = |end: Option<&Jv>, default: usize| match end {
        None | Some(Jv::Null) => Ok(default),
        Some(Jv::Num(number)) => {
            let at = number.float();
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to the length first"
            )]
            let at = if at < 0.0 { at + len as f64 } else { at }.clamp(0.0, len as f64) as usize;
            Ok(at)
        }
        Some(other) => Err(Error::typ(other.clone(), "a position")),
    };
    let (from, to) = (end(range.start, 0)?, end(range.end, len)?);
    Ok((from, to.max(from)))
}

/// The place of an index in an array; `None` outside.
fn place(number: &Number, len: usize) -> Option<usize> {
    let at = number.float().floor();
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
    let at = if at < 0.0 { at + len as f64 } else { at };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "checked to be below a bound"
    )]
    (at >= 0.0 && at <= VALUE_BYTES_MAX as f64).then_some(at as usize)
}

impl Jv {
    /// The value at an index, if there is one.
    pub(super) fn get(&self, index: &Jv) -> std::result::Result<Option<Jv>, Error> {
        Ok(match (self, index) {
            (Jv::Null, Jv::Str(_) | Jv::Num(_) | Jv::Null | Jv::Obj(_)) => None,
            (Jv::Obj(object), Jv::Str(key)) => object.members.get(key).cloned(),
            (Jv::Arr(array), Jv::Num(number)) => {
                let at = place(number, array.items.len());
                at.and_then(|at| array.items.get(at)).cloned()
            }
            (Jv::Arr(_), Jv::Arr(_)) => Some(super::kit::indices(self, index)?),
            (Jv::Arr(_) | Jv::Str(_), Jv::Obj(range)) => {
                let end = |name: &str| range.members.get(name);
                Some(jaq_core::ValT::range(self.clone(), end("start")..end("end"))?)
            }
            (value, index) => return Err(Error::index(value.clone(), index.clone())),
        })
    }

    /// This value without what a path leads to; a path that leads nowhere changes nothing.
    pub(super) fn without(mut self, path: &[Jv]) -> Result {
        let Some((first, rest)) = path.split_first() else { return Ok(Jv::Null) };
        let Some(child) = self.get(first)? else { return Ok(self) };
        match (&mut self, first) {
            (Jv::Obj(object), Jv::Str(key)) => {
                let object = Arc::make_mut(object);
                if rest.is_empty() {
                    moved(object.members.len());
                    object.members.shift_remove(key);
                } else {
                    object.insert(Arc::clone(key), child.without(rest)?);
                }
                Ok(self)
            }
            (Jv::Arr(array), Jv::Num(number)) => {
                let Some(at) = place(number, array.items.len()) else { return Ok(self) };
                let array = Arc::make_mut(array);
                if rest.is_empty() {
                    moved(array.items.len() - at);
                    array.items.remove(at);
                } else {
                    array.replace(at, child.without(rest)?);
                }
                Ok(self)
            }
            (Jv::Arr(array), Jv::Obj(range)) if rest.is_empty() => {
                let end = |name: &str| range.members.get(name);
                let (from, to) = slice(&(end("start")..end("end")), array.items.len())?;
                moved(array.items.len() - from);
                Arc::make_mut(array).items.drain(from..to);
                Ok(self)
            }
            (_, index) => Err(Error::index(self.clone(), index.clone())),
        }
    }

    /// The same for several keys or indices of what is at `above`, all as they are now.
    pub(super) fn without_all(mut self, above: &[Jv], lasts: &[&Jv]) -> Result {
        if let Some((first, rest)) = above.split_first() {
            let Some(child) = self.get(first)? else { return Ok(self) };
            let child = child.without_all(rest, lasts)?;
            return match (&mut self, first) {
                (Jv::Obj(object), Jv::Str(key)) => {
                    Arc::make_mut(object).insert(Arc::clone(key), child);
                    Ok(self)
                }
                (Jv::Arr(array), Jv::Num(number)) => {
                    if let Some(at) = place(number, array.items.len()) {
                        Arc::make_mut(array).replace(at, child);
                    }
                    Ok(self)
                }
                (_, index) => Err(Error::index(self.clone(), index.clone())),
            };
        }
        let wrong = |value: &Jv, last: &Jv| Err(Error::index(value.clone(), last.clone()));
        match &mut self {
            Jv::Obj(object) => {
                moved(object.members.len());
                let mut gone = BTreeSet::new();
                for last in lasts {
                    match last {
                        Jv::Str(key) => gone.insert(key.as_ref()),
                        other => return wrong(&self, other),
                    };
                }
                Arc::make_mut(object).members.retain(|key, _| !gone.contains(key.as_ref()));
            }
            Jv::Arr(array) => {
                moved(array.items.len());
                let mut gone = vec![false; array.items.len()];
                for last in lasts {
                    let (from, to) = match last {
                        Jv::Num(number) => match place(number, gone.len()) {
                            Some(at) if at < gone.len() => (at, at + 1),
                            Some(_) | None => continue,
                        },
                        Jv::Obj(range) => {
                            let end = |name: &str| range.members.get(name);
                            slice(&(end("start")..end("end")), gone.len())?
                        }
                        other => return wrong(&self, other),
                    };
                    moved(to - from);
                    gone[from..to].fill(true);
                }
                let mut gone = gone.into_iter();
                Arc::make_mut(array).items.retain(|_| !gone.next().unwrap_or(false));
            }
            Jv::Null | Jv::Bool(_) | Jv::Num(_) | Jv::Str(_) => {
                for last in lasts {
                    if self.get(last)?.is_some() {
                        return wrong(&self, last);
                    }
                }
            }
        }
        Ok(self)
    }
}

/// Pays for items or members that move up: copying one is a small part of a step.
fn moved(count: usize) {
    Meter::pay(1 + count as u64 / 16);
}

impl jaq_core::ValT for Jv {
    fn from_num(spelled: &str) -> Result {
        Ok(Jv::Num(Number::of(spelled)))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> Result {
        let keyed = |(key, value)| match key {
            Jv::Str(key) => Ok((key, value)),
            other => Err(Error::str(format_args!("{other} cannot be a key of an object"))),
        };
        let members: std::result::Result<Vec<_>, Error> = members.into_iter().map(keyed).collect();
        Ok(Jv::object(members?))
    }

    fn key_values(self) -> BoxIter<'static, std::result::Result<(Self, Self), Error>> {
        match self {
            Jv::Arr(array) => Box::new(
                (0..array.items.len()).map(move |at| Ok((Jv::from(at), array.items[at].clone()))),
            ),
            Jv::Obj(object) => Box::new((0..object.members.len()).map(move |at| {
                let (key, value) = object.members.get_index(at).expect("it is below the length");
                Ok((Jv::Str(Arc::clone(key)), value.clone()))
            })),
            other => box_once(Err(Error::typ(other, "something to iterate over"))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = Result>> {
        Box::new(self.key_values().map(|pair| pair.map(|(_, value)| value)))
    }

    fn index(self, index: &Self) -> Result {
        Ok(self.get(index)?.unwrap_or(Jv::Null))
    }

    fn range(self, range: Range<&Self>) -> Result {
        match self {
            Jv::Null => Ok(Jv::Null),
            Jv::Arr(array) => {
                let (from, to) = slice(&range, array.items.len())?;
                Ok(Jv::array(array.items[from..to].iter().cloned()))
            }
            Jv::Str(text) => {
                Meter::pay_bytes(text.len());
                let (from, to) = slice(&range, text.chars().count())?;
                let part: String = text.chars().skip(from).take(to - from).collect();
                Ok(Jv::text(&part))
            }
            other => Err(Error::typ(other, "something to take a slice of")),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match self {
            Jv::Arr(array) => {
                let mut items = Vec::new();
                for item in &array.items {
                    items.extend(f(item.clone()).next().transpose()?);
                }
                Ok(Jv::array(items))
            }
            Jv::Obj(object) => {
                let mut members = Vec::new();
                for (key, value) in &object.members {
                    let new = f(value.clone()).next().transpose()?;
                    members.extend(new.map(|new| (Arc::clone(key), new)));
                }
                Ok(Jv::object(members))
            }
            other => opt.fail(other, |v| Error::typ(v, "something to iterate over").into()),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match (self, index) {
            (value @ (Jv::Arr(_) | Jv::Str(_)), Jv::Obj(range)) => {
                let end = |name: &str| range.members.get(name);
                value.map_range(end("start")..end("end"), opt, f)
            }
            (value @ (Jv::Null | Jv::Obj(_)), Jv::Str(key)) => {
                let old = value.get(index)?;
                let new = f(old.unwrap_or(Jv::Null)).next().transpose()?;
                let Some(new) = new else {
                    return Ok(value.without(std::slice::from_ref(index))?);
                };
                let mut object = object_of(value);
                Arc::make_mut(&mut object).insert(Arc::clone(key), new);
                Ok(Jv::Obj(object))
            }
            (value @ (Jv::Null | Jv::Arr(_)), Jv::Num(number)) => {
                let mut array = match value {
                    Jv::Arr(array) => array,
                    _ => Arc::default(),
                };
                let Some(at) = place(number, array.items.len()) else {
                    let oob = |v| Error::typ(v, "an array with such an index").into();
                    return opt.fail(Jv::Arr(array), oob);
                };
                let old = array.items.get(at).cloned().unwrap_or(Jv::Null);
                let new = f(old).next().transpose()?;
                let items = Arc::make_mut(&mut array);
                match new {
                    Some(new) => {
                        while items.items.len() <= at {
                            items.push(Jv::Null);
                        }
                        items.replace(at, new);
                    }
                    None if at < items.items.len() => {
                        moved(items.items.len() - at);
                        drop(items.items.remove(at));
                    }
                    None => {}
                }
                Ok(Jv::Arr(array))
            }
            (value, index) => opt.fail(value, |value| Error::index(value, index.clone()).into()),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let array = match self {
            Jv::Arr(array) => array,
            Jv::Null => Arc::default(),
            other => return opt.fail(other, |v| Error::typ(v, "an array").into()),
        };
        let (from, to) = slice(&range, array.items.len())?;
        let part = Jv::array(array.items[from..to].iter().cloned());
        let new = match f(part).next().transpose()? {
            None => Vec::new(),
            Some(Jv::Arr(new)) => new.items.clone(),
            Some(other) => return Err(Error::typ(other, "an array").into()),
        };
        let (before, after) = (&array.items[..from], &array.items[to..]);
        Ok(Jv::array(before.iter().cloned().chain(new).chain(after.iter().cloned())))
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Jv::Null | Jv::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Jv::Str(text) => Jv::Str(text),
            other => Jv::from(other.written()),
        }
    }
}

fn object_of(value: Jv) -> Arc<Object> {
    match value {
        Jv::Obj(object) => object,
        _ => Arc::default(),
    }
}

impl jaq_std::ValT for Jv {
    fn into_seq<S: FromIterator<Self>>(self) -> std::result::Result<S, Self> {
        match self {
            Jv::Arr(array) => Ok(array.items.iter().cloned().collect()),
            other => Err(other),
        }
    }

    fn is_int(&self) -> bool {
        self.as_isize().is_some()
    }

    fn as_isize(&self) -> Option<isize> {
        match self {
            Jv::Num(number) => number.int().and_then(|int| isize::try_from(int).ok()),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Jv::Num(number) => Some(number.float()),
            _ => None,
        }
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Jv::Str(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Jv::Str(text) => {
                Meter::pay_bytes(text.len());
                Some(text.as_bytes())
            }
            _ => None,
        }
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Jv::text(&String::from_utf8_lossy(part))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Jv::text(&String::from_utf8_lossy(bytes.as_ref()))
    }
}
