//! The definitions and native filters that an expression may use: those of jaq's libraries that see
//! nothing but their input, and ours for what depends on the value type.

use std::sync::Arc;

use jaq_core::{
    DataT, Error as JaqError,
    data::HasLut,
    load::{self, parse::Def},
    native::{Fun, bome, run, unary, v},
};
use jaq_std::ValT as _;

use super::{
    meter::{Meter, Stop},
    value::{Array, Error, Jv, Result},
};
use crate::json_edit::Document;

/// Ties jaq to our values and our meter.
pub(super) struct Kit;

impl DataT for Kit {
    type V<'a> = Jv;
    type Data<'a> = Lut<'a>;
}

/// The program, whose clone pays: jaq clones it at every call, so that a definition that only calls
/// itself ends too.
pub(super) struct Lut<'a>(&'a jaq_core::Lut<Kit>);

impl<'a> Lut<'a> {
    pub(super) fn new(lut: &'a jaq_core::Lut<Kit>) -> Self {
        Self(lut)
    }
}

impl Clone for Lut<'_> {
    fn clone(&self) -> Self {
        Meter::pay(1);
        Self(self.0)
    }
}

impl<'a> HasLut<'a, Kit> for Lut<'a> {
    fn lut(&self) -> &'a jaq_core::Lut<Kit> {
        self.0
    }
}

/// Not offered: the outside world, the clock and its zones, ends of the process, output. Also what
/// is defined below instead.
const LEFT_OUT: [&str; 38] = [
    "env",
    "now",
    "input",
    "inputs",
    "halt",
    "halt_error",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "input_line_number",
    "input_filename",
    "localtime",
    "gmtime",
    "mktime",
    "strftime",
    "strflocaltime",
    "strptime",
    "todate",
    "fromdate",
    "todateiso8601",
    "fromdateiso8601",
    "date",
    "dateadd",
    "datesub",
    "repl",
    "get_search_list",
    "unicode",
    // Ours.
    "walk",
    "combinations",
    "with_entries",
    "repeat",
    "del",
    "delpaths",
    "flatten",
    "from_entries",
    "ltrimstr",
    "rtrimstr",
];

/// Before jaq's own, which call `matches` and the like.
const BEFORE: &str = r"
def matches($re; $flags): guard_regex($re) | native_matches($re; $flags);
def split_matches($re; $flags): guard_regex($re) | native_split_matches($re; $flags);
def split_($re; $flags): guard_regex($re) | native_split_($re; $flags);
";

/// After jaq's own.
const AFTER: &str = r#"
def walk(f): def w: if isobject then map_values(w) elif isarray then map(w) else . end | f; w;
def repeat(f): def rec: ., (f | rec); rec;
def delpaths($paths): native_delpaths($paths | unique | reverse);
def del(f): delpaths([path(f)]);
def flatten($d): reduce .[] as $x ([]; if ($x | isarray) and $d > 0 then . + ($x | flatten($d - 1)) else . + [$x] end);
def flatten: flatten(1e9);
def from_entries: reduce .[] as $x ({}; . + {
  ($x | if has("key") then .key elif has("k") then .k elif has("name") then .name elif has("Name") then .Name elif has("Key") then .Key else .K end
      | if isstring then . else tojson end):
  ($x | if has("value") then .value elif has("v") then .v elif has("Value") then .Value else .V end) });
def with_entries(f): to_entries | map(f) | from_entries;
def ltrimstr($x): if isstring and ($x | isstring) and startswith($x) then .[($x | length):] else . end;
def rtrimstr($x): if isstring and ($x | isstring) and endswith($x) then .[:length - ($x | length)] else . end;
def totype(p; e): if p then . else fromjson | if p then . else e end end;
def tonumber: totype(isnumber; error("cannot be read as a number"));
def toboolean: totype(isboolean; error("cannot be read as a boolean"));
def transpose: (map(length) | max // 0) as $n | [range($n) as $i | [.[][$i]]];
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def index($i): indices($i)[0];
def rindex($i): indices($i)[-1];
def @json: tojson;
def leaf_paths: paths(scalars);
def ascii: [.] | implode;
def todate: error("dates do not exist here");
def splits($re; flags): split($re; flags) | .[];
def combinations: if length == 0 then [] else .[0][] as $x | (.[1:] | combinations) as $w | [$x] + $w end;
def combinations($n): [limit($n; repeat(.))] | combinations;
"#;

fn parsed(text: &'static str) -> Vec<Def<&'static str>> {
    load::parse(text, |parser| parser.defs()).expect("our own definitions are valid jq")
}

/// All definitions, in the order in which they may call each other.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let kept = |def: &Def<&'static str>| !LEFT_OUT.contains(&def.name);
    let before = jaq_core::defs().filter(kept).chain(parsed(BEFORE));
    before.chain(jaq_std::defs().filter(kept)).chain(parsed(AFTER))
}

/// All native filters.
pub(super) fn functions() -> impl Iterator<Item = Fun<Kit>> {
    let renamed = |(name, args, native): Fun<Kit>| {
        let name = match name {
            "matches" => "native_matches",
            "split_matches" => "native_split_matches",
            "split_" => "native_split_",
            other => other,
        };
        (name, args, native)
    };
    let library = jaq_core::funs::<Kit>().chain(jaq_std::funs::<Kit>());
    library.filter(|fun| !LEFT_OUT.contains(&fun.0)).map(renamed).chain(own())
}

fn own() -> impl Iterator<Item = Fun<Kit>> {
    let all: [(&'static str, Box<[jaq_core::Bind]>, jaq_core::RunPtr<Kit>); 9] = [
        ("tojson", v(0), |cv| bome(Ok(Jv::from(cv.1.written())))),
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("length", v(0), |cv| bome(length(&cv.1))),
        ("contains", v(1), |cv| unary(cv, |x, y| contains(&x, &y).map(Jv::from))),
        ("has", v(1), |cv| unary(cv, |x, key| has(&x, &key).map(Jv::from))),
        ("indices", v(1), |cv| unary(cv, |x, y| indices(&x, &y))),
        ("bsearch", v(1), |cv| unary(cv, |x, y| search(&x, &y))),
        ("native_delpaths", v(1), |cv| unary(cv, |x, paths| without(x, &paths))),
        ("guard_regex", v(1), |cv| unary(cv, |x, re| guard(x, &re))),
    ];
    all.into_iter().map(|filter| run::<Kit>(filter))
}

fn from_json(value: &Jv) -> Result {
    let Jv::Str(text) = value else { return Err(Error::typ(value.clone(), "a string")) };
    Meter::pay_bytes(text.len() * 8);
    let parsed = Document::parse(text).and_then(|document| document.value(document.root()));
    match parsed {
        Ok(json) => Ok(Jv::from(&json)),
        Err(fault) => Err(JaqError::str(fault)),
    }
}

fn length(value: &Jv) -> Result {
    Ok(match value {
        Jv::Null => Jv::from(0_usize),
        Jv::Bool(_) => return Err(JaqError::str("a boolean has no length")),
        Jv::Num(number) if number.float() < 0.0 => return -value.clone(),
        Jv::Num(_) => value.clone(),
        Jv::Str(text) => {
            Meter::pay_bytes(text.len());
            Jv::from(text.chars().count())
        }
        Jv::Arr(array) => Jv::from(array.items.len()),
        Jv::Obj(object) => Jv::from(object.members.len()),
    })
}

fn contains(x: &Jv, y: &Jv) -> std::result::Result<bool, Error> {
    Meter::pay(1);
    Ok(match (x, y) {
        (Jv::Str(x), Jv::Str(y)) => {
            Meter::pay_bytes(x.len() + y.len());
            x.contains(y.as_ref())
        }
        (Jv::Arr(x), Jv::Arr(y)) => {
            let within = |y: &Jv| x.items.iter().any(|x| contains(x, y).unwrap_or(false));
            y.items.iter().all(within)
        }
        (Jv::Obj(x), Jv::Obj(y)) => y
            .members
            .iter()
            .all(|(key, y)| x.members.get(key).is_some_and(|x| contains(x, y).unwrap_or(false))),
        (x, y) if x.kind() == y.kind() => x == y,
        (x, y) => {
            return Err(JaqError::str(format_args!("{x} cannot be asked whether it contains {y}")));
        }
    })
}

fn has(value: &Jv, key: &Jv) -> std::result::Result<bool, Error> {
    match (value, key) {
        (Jv::Obj(object), Jv::Str(key)) => Ok(object.members.contains_key(key)),
        (Jv::Arr(array), Jv::Num(_)) => {
            let at = key.as_isize().and_then(|at| usize::try_from(at).ok());
            Ok(at.is_some_and(|at| at < array.items.len()))
        }
        (value, key) => Err(JaqError::str(format_args!("{value} has no keys like {key}"))),
    }
}

/// Where `y` occurs in `x`.
pub(super) fn indices(x: &Jv, y: &Jv) -> Result {
    match (x, y) {
        (Jv::Null, _) => Ok(Jv::Null),
        (Jv::Str(x), Jv::Str(y)) => {
            Meter::pay_bytes(x.len() + y.len());
            Ok(Jv::array(occurrences(x, y)))
        }
        (Jv::Arr(_), Jv::Arr(y)) if y.items.is_empty() => Ok(Jv::Null),
        (Jv::Arr(x), Jv::Arr(y)) => {
            let windows = x.items.windows(y.items.len()).enumerate();
            Ok(Jv::array(windows.filter(|(_, w)| *w == y.items).map(|(at, _)| Jv::from(at))))
        }
        (Jv::Arr(x), y) => {
            let items = x.items.iter().enumerate();
            Ok(Jv::array(items.filter(|(_, x)| *x == y).map(|(at, _)| Jv::from(at))))
        }
        (x, y) => Err(Error::index(x.clone(), y.clone())),
    }
}

/// The characters of a text at which another one begins, in time linear in both (Knuth, Morris, Pratt):
/// comparing at each character would take their product.
fn occurrences(x: &str, y: &str) -> impl Iterator<Item = Jv> {
    let (text, wanted) = (x.as_bytes(), y.as_bytes());
    let none = wanted.is_empty() || wanted.len() > text.len();
    // How much of what fits still fits when the next byte does not.
    let mut falls: Vec<u32> = Vec::new();
    if !none {
        Meter::take(wanted.len() * size_of::<u32>());
        falls.reserve_exact(wanted.len());
    }
    let next = |falls: &[u32], mut fit: usize, byte: u8| {
        while fit > 0 && wanted.get(fit) != Some(&byte) {
            fit = falls[fit - 1] as usize;
        }
        fit + usize::from(wanted[fit] == byte)
    };
    for (at, byte) in wanted.iter().enumerate().filter(|_| !none) {
        let fit = if at == 0 { 0 } else { next(&falls, falls[at - 1] as usize, *byte) };
        falls.push(u32::try_from(fit).expect("a value has fewer bytes"));
    }
    let chars = y.chars().count();
    let (mut fit, mut begun) = (0, 0);
    text[..if none { 0 } else { text.len() }].iter().filter_map(move |byte| {
        // The bytes of a character after its first are 0b10xx_xxxx.
        begun += usize::from(byte & 0b1100_0000 != 0b1000_0000);
        fit = next(&falls, fit, *byte);
        (fit == wanted.len()).then(|| Jv::from(begun - chars))
    })
}

fn search(value: &Jv, wanted: &Jv) -> Result {
    let Jv::Arr(array) = value else { return Err(Error::typ(value.clone(), "an array")) };
    Ok(match array.items.binary_search(wanted) {
        Ok(at) => Jv::from(at),
        Err(at) => (Jv::from(-1_isize) - Jv::from(at))?,
    })
}

/// The value without what the paths lead to; they are sorted, the last one first.
fn without(value: Jv, paths: &Jv) -> Result {
    let Jv::Arr(paths) = paths else { return Err(Error::typ(paths.clone(), "an array")) };
    let of = |path: &'_ Jv| match path {
        Jv::Arr(path) => Ok(Arc::clone(path)),
        other => Err(Error::typ(other.clone(), "a path")),
    };
    let all: Vec<_> = paths.items.iter().map(of).collect::<std::result::Result<_, _>>()?;
    // What stands side by side goes at once: each removal moves all that is behind it.
    let beside = |a: &Arc<Array>, b: &Arc<Array>| match (&*a.items, &*b.items) {
        ([above @ .., _], [other @ .., _]) => above == other,
        _ => false,
    };
    all.chunk_by(beside).try_fold(value, |value, paths| {
        let [path, ..] = paths else { return Ok(value) };
        match path.items.split_last() {
            Some((_, above)) if paths.len() > 1 => {
                let lasts: Vec<&Jv> = paths.iter().filter_map(|path| path.items.last()).collect();
                value.without_all(above, &lasts)
            }
            Some(_) | None => value.without(&path.items),
        }
    })
}

/// Longest regular expression.
const REGEX_BYTES_MAX: usize = 512;
/// Largest count of a repetition: the matcher unrolls it, nested ones multiply.
const REGEX_REPEAT_MAX: u64 = 1000;

/// Passes the input on if matching it against the expression is affordable: the matcher takes time
/// in proportion to the text and the unrolled expression, and sets no bound itself.
fn guard(value: Jv, re: &Jv) -> Result {
    let Jv::Str(re) = re else { return Err(Error::typ(re.clone(), "a regular expression")) };
    let mut unrolled = re.len() as u64;
    for counts in re.split('{').skip(1) {
        let inner = counts.split('}').next().unwrap_or_default();
        let numbers = inner.split(',').filter_map(|number| number.trim().parse::<u64>().ok());
        unrolled = unrolled.saturating_mul(numbers.max().unwrap_or(1).max(1));
    }
    if re.len() > REGEX_BYTES_MAX || unrolled > REGEX_REPEAT_MAX * 16 {
        Meter::stop(Stop::Regex);
    }
    let text = value.as_bytes().map_or(0, <[u8]>::len) as u64;
    // A letter class of Unicode is some hundred states.
    Meter::pay((text + 1).saturating_mul(unrolled + 1) / 8 + 1000);
    Ok(value)
}
