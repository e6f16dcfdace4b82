//! Which way a tracker is asked: what the scheme of its URL says (BEP 3, BEP 15).

/// The ways of asking a tracker that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http` and `https`: BEP 3.
    Http,
    /// `udp`: BEP 15.
    Udp,
}

impl Scheme {
    /// How to ask at this URL; `None`: no way that is spoken here.
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, _) = url.split_once("://")?;
        let is = |known| scheme.eq_ignore_ascii_case(known);
        match () {
            () if is("http") || is("https") => Some(Self::Http),
            () if is("udp") => Some(Self::Udp),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        for (url, want) in [
            ("http://t", Some(Scheme::Http)),
            ("HTTPS://t", Some(Scheme::Http)),
            ("udp://t:1", Some(Scheme::Udp)),
            ("UDP://t:1", Some(Scheme::Udp)),
            ("wss://t", None),
            ("udp6://t:1", None),
            ("udp:t", None),
            ("", None),
        ] {
            assert_eq!(Scheme::of(url), want, "{url}");
        }
    }
}
