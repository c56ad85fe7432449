//! Passwords inside a string: in a URL or a list of properties. They are looked for in what the string
//! means and hidden in how it is spelled: a gateway writes `=` as `\u003d`.

/// What a password is assigned to, in small letters.
pub(super) const NAMES: [&str; 3] = ["password", "pwd", "passwd"];

/// A string's meaning, and where each byte of it is spelled.
struct Meaning {
    text: String,
    /// Where the character of each byte begins; at the end, where the spelling ends.
    at: Vec<usize>,
}

impl Meaning {
    /// Of a literal or a part of one. What stands for no character stands for an unknown one.
    fn of(raw: &str) -> Self {
        let (mut text, mut at) = (String::with_capacity(raw.len()), Vec::new());
        let mut from = 0;
        while let Some(first) = raw[from..].chars().next() {
            let (meant, len) = match first {
                '\\' => escaped(&raw[from..]),
                other => (other, other.len_utf8()),
            };
            text.push(meant);
            at.resize(text.len(), from);
            from += len;
        }
        at.push(raw.len());
        Self { text, at }
    }
}

/// What begins with a backslash: its character and its length.
fn escaped(raw: &str) -> (char, usize) {
    let hex = |from: usize| {
        let digits = raw.get(from..from + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let plain = raw.chars().nth(1);
    match plain {
        Some('u') => match (hex(0), hex(6)) {
            (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (Some(code), _) => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            (None, _) => ('u', 2),
        },
        Some('n' | 'r' | 'f') => ('\n', 2),
        Some('t' | 'b') => (' ', 2),
        Some(other) => (other, 1 + other.len_utf8()),
        None => ('\\', 1),
    }
}

/// Where passwords are spelled in a string literal, in order and apart from each other.
pub(super) fn passwords(raw: &str) -> Vec<(usize, usize)> {
    let inner = raw.strip_prefix('"').unwrap_or(raw);
    let skipped = raw.len() - inner.len();
    let inner = inner.strip_suffix('"').filter(|_| skipped > 0).unwrap_or(inner);
    let meaning = Meaning::of(inner);
    let mut spans = assigned(&meaning.text);
    spans.extend(in_authority(&meaning.text));
    spans.sort_unstable();
    let spelled = |at: usize| skipped + meaning.at[at];
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (from, to) in spans.into_iter().map(|(from, to)| (spelled(from), spelled(to))) {
        match found.last_mut() {
            Some((_, end)) if from < *end => *end = to.max(*end),
            Some(_) | None => found.push((from, to)),
        }
    }
    found
}

/// Values of `password=…` and the like.
fn assigned(text: &str) -> Vec<(usize, usize)> {
    let small = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for name in NAMES {
        for (at, _) in small.match_indices(name) {
            let rest = text[at + name.len()..].trim_start_matches(' ');
            let Some(value) = rest.strip_prefix('=') else { continue };
            let value = value.trim_start_matches(' ');
            let from = text.len() - value.len();
            let to = from + length(value);
            if to > from {
                found.push((from, to));
            }
        }
    }
    found
}

/// Bytes of the value that a text begins with. Rather too many: a password may have spaces and commas.
fn length(text: &str) -> usize {
    let closed = |close: char| {
        let mut inner = text.char_indices().skip(1).peekable();
        while let Some((at, c)) = inner.next() {
            // Doubled it stands for itself.
            if c == close && inner.next_if(|(_, next)| *next == close).is_none() {
                return at + c.len_utf8();
            }
        }
        text.len()
    };
    match text.chars().next() {
        Some('{') => closed('}'),
        Some(quote @ ('"' | '\'')) => closed(quote),
        Some(_) | None => text.find([';', '&', '\n', '\r']).unwrap_or(text.len()),
    }
}

/// The password of `scheme://user:password@host`.
fn in_authority(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    text.match_indices("://").filter_map(|(at, _)| {
        let from = at + 3;
        let authority = text[from..].split(['/', '?', '"', ' ', '\n']).next()?;
        let user = authority.rsplit_once('@')?.0;
        let colon = user.find(':')?;
        (colon + 1 < user.len()).then_some((from + colon + 1, from + user.len()))
    })
}
