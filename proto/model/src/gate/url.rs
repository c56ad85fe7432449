//! The part of a gate's URL that may be shown. Only that is read here; the HTTP client reads the
//! rest.

/// Longest URL.
const URL_BYTES_MAX: usize = 2048;

/// Scheme, host and port: no user, password, path or query, any of which may be a secret. An error
/// repeats nothing of the URL for the same reason.
pub fn origin(url: &str) -> Result<String, &'static str> {
    if url.len() > URL_BYTES_MAX {
        return Err("it has more than 2048 bytes");
    }
    // HTTP clients drop or reinterpret these, so that the host they see is another one.
    if url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("it holds a blank, a control character or a backslash");
    }
    let (scheme, rest) =
        url.split_once("://").ok_or("it does not begin with http:// or https://")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => "http",
        "https" => "https",
        _ => return Err("it does not begin with http:// or https://"),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((address, port)) => {
            address.parse::<std::net::Ipv6Addr>().map_err(|_| "its address is not valid")?;
            place.split_at(place.len() - port.len())
        }
        None => {
            let (host, port) = place.split_at(place.find(':').unwrap_or(place.len()));
            let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
            if host.is_empty() || !host.chars().all(legal) {
                return Err("it has no valid host");
            }
            (host, port)
        }
    };
    if port.is_empty() {
        return Ok(format!("{scheme}://{host}"));
    }
    let number = port.strip_prefix(':').and_then(|digits| digits.parse::<u16>().ok());
    number.map(|number| format!("{scheme}://{host}:{number}")).ok_or("its port is not valid")
}
