//! Reading bencode (BEP 3) in place, once the guard has let it through.
//!
//! A [`Value`] is made by [`scan`](super::scan()) only, so it is well-formed and nothing here can
//! fail but by type. Nothing is copied, and a value's raw bytes are what hashes are taken over.

/// One value, with its raw bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// For exactly one value that [`scan`](super::scan()) has passed.
    pub(super) const fn guarded(raw: &'a [u8]) -> Self {
        Self(raw)
    }

    /// The bytes of the value itself, as they came.
    pub const fn raw(self) -> &'a [u8] {
        self.0
    }

    /// The content of a string.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match Tokens::of(self).next() {
            Some(Token::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// An integer that fits 64 bits with a sign.
    pub fn int(self) -> Option<i64> {
        match Tokens::of(self).next() {
            Some(Token::Int(int)) => int,
            _ => None,
        }
    }

    /// Whether it is an integer of any size.
    pub fn is_int(self) -> bool {
        self.0.first() == Some(&b'i')
    }

    /// The elements of a list.
    pub fn list(self) -> Option<List<'a>> {
        (self.0.first() == Some(&b'l')).then(|| List(self.inside()))
    }

    /// The entries of a dictionary, in the order in which they stand.
    pub fn dict(self) -> Option<Dict<'a>> {
        (self.0.first() == Some(&b'd')).then(|| Dict(self.inside()))
    }

    /// The value of one key of a dictionary.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.dict()?.find(|(k, _)| *k == key.as_bytes()).map(|(_, value)| value)
    }

    /// The values of several keys of a dictionary, in one pass.
    pub fn pick<const N: usize>(self, keys: [&str; N]) -> Option<[Option<Value<'a>>; N]> {
        let mut found = [None; N];
        for (key, value) in self.dict()? {
            if let Some(slot) = keys.iter().position(|wanted| wanted.as_bytes() == key) {
                found[slot] = Some(value);
            }
        }
        Some(found)
    }

    fn inside(self) -> Tokens<'a> {
        Tokens { rest: &self.0[1..] }
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "\"{}\"",
            crate::untrusted::clean(&self.0[..self.0.len().min(200)].escape_ascii().to_string())
        )
    }
}

/// The elements of a list.
#[derive(Clone, Debug)]
pub struct List<'a>(Tokens<'a>);

impl<'a> Iterator for List<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.0.value()
    }
}

/// The entries of a dictionary.
#[derive(Clone, Debug)]
pub struct Dict<'a>(Tokens<'a>);

impl<'a> Iterator for Dict<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.next()? {
            Token::Bytes(key) => Some((key, self.0.value()?)),
            _ => None,
        }
    }
}

/// One step of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// An integer; `None` when it does not fit 64 bits with a sign.
    Int(Option<i64>),
    /// A string, or a key.
    Bytes(&'a [u8]),
    /// A list begins.
    List,
    /// A dictionary begins.
    Dict,
    /// The innermost list or dictionary ends.
    End,
}

/// A walk over a value in one pass, however deep it is.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// Starts in front of `value`.
    pub const fn of(value: Value<'a>) -> Self {
        Self { rest: value.0 }
    }

    /// Passes over one whole value; `None` where there is none.
    pub fn value(&mut self) -> Option<Value<'a>> {
        let from = self.rest;
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                Token::List | Token::Dict => depth += 1,
                // The list or dictionary around us ends: it has no further value.
                Token::End if depth == 0 => {
                    self.rest = from;
                    return None;
                }
                Token::End => depth -= 1,
                Token::Int(_) | Token::Bytes(_) => {}
            }
            if depth == 0 {
                return Some(Value(&from[..from.len() - self.rest.len()]));
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let (&first, rest) = self.rest.split_first()?;
        let token = match first {
            b'i' => return self.integer(rest),
            b'0'..=b'9' => return self.string(),
            b'l' => Token::List,
            b'd' => Token::Dict,
            _ => Token::End,
        };
        self.rest = rest;
        Some(token)
    }
}

impl<'a> Tokens<'a> {
    fn integer(&mut self, digits: &'a [u8]) -> Option<Token<'a>> {
        let end = digits.iter().position(|&byte| byte == b'e')?;
        self.rest = &digits[end + 1..];
        Some(Token::Int(std::str::from_utf8(&digits[..end]).ok()?.parse().ok()))
    }

    fn string(&mut self) -> Option<Token<'a>> {
        let colon = self.rest.iter().position(|&byte| byte == b':')?;
        let len = self.rest[..colon].iter().fold(0_usize, |len, digit| len * 10 + usize::from(digit - b'0'));
        let (content, rest) = self.rest[colon + 1..].split_at_checked(len)?;
        self.rest = rest;
        Some(Token::Bytes(content))
    }
}
