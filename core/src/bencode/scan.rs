//! The guard: one walk over bencode (BEP 3) from outside, before anything else looks at it.
//!
//! Iterative, so depth costs no stack. Memory is four bytes twice per key of the dictionaries that
//! are open, nothing for values. Time is linear; a dictionary with unsorted keys costs one sort.

use super::{BencodeError, INT_DIGITS, LENGTH_DIGITS, Limits, Value};

/// One well-formed value at the start of some bytes.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// The value.
    pub value: Value<'a>,
    /// Where it ends; bytes after that are not looked at.
    pub end: usize,
    /// Whether these are the only bytes that say this: keys sorted, no leading zeros, no `-0`.
    pub canonical: bool,
}

/// Checks the value at the start of `bytes`.
pub fn scan<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Scan<'a>, BencodeError> {
    if bytes.len() > limits.bytes as usize {
        return Err(BencodeError::TooLong { len: bytes.len(), max: limits.bytes });
    }
    let mut scanner = Scanner {
        bytes,
        limits: *limits,
        at: 0,
        tokens: 0,
        canonical: true,
        open: Vec::new(),
        keys: Vec::new(),
    };
    scanner.run()?;
    let Scanner { at: end, canonical, .. } = scanner;
    Ok(Scan { value: Value::guarded(&bytes[..end]), end, canonical })
}

/// A list or dictionary that has not ended.
enum Open {
    List,
    Dict {
        /// Where its keys start on the stack of keys.
        keys: usize,
        /// A key has been read and its value not.
        owes_value: bool,
        /// Its keys came in ascending order so far.
        sorted: bool,
    },
}

/// Where a string's content lies. The limit on bytes keeps offsets within 32 bits.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    limits: Limits,
    at: usize,
    tokens: usize,
    canonical: bool,
    open: Vec<Open>,
    /// The keys of all open dictionaries, the innermost last.
    keys: Vec<Span>,
}

impl<'a> Scanner<'a> {
    fn run(&mut self) -> Result<(), BencodeError> {
        loop {
            let byte = self.peek()?;
            if let Some(&Open::Dict { owes_value: false, .. }) = self.open.last() {
                match byte {
                    b'e' => self.close()?,
                    b'0'..=b'9' => {
                        self.key()?;
                        continue;
                    }
                    _ => return Err(BencodeError::KeyNotString { at: self.at }),
                }
            } else {
                match byte {
                    b'0'..=b'9' => drop(self.string()?),
                    b'i' => self.integer()?,
                    b'l' => {
                        self.open(Open::List)?;
                        continue;
                    }
                    b'd' => {
                        self.open(Open::Dict { keys: self.keys.len(), owes_value: false, sorted: true })?;
                        continue;
                    }
                    b'e' => self.close()?,
                    _ => return Err(BencodeError::Unexpected { byte, at: self.at }),
                }
            }
            // One value is complete here.
            match self.open.last_mut() {
                None => return Ok(()),
                Some(Open::Dict { owes_value, .. }) => *owes_value = false,
                Some(Open::List) => {}
            }
        }
    }

    fn peek(&self) -> Result<u8, BencodeError> {
        self.bytes.get(self.at).copied().ok_or(BencodeError::Truncated { at: self.bytes.len() })
    }

    fn token(&mut self) -> Result<(), BencodeError> {
        self.tokens += 1;
        if self.tokens > self.limits.tokens {
            return Err(BencodeError::TooMany { max: self.limits.tokens });
        }
        Ok(())
    }

    fn open(&mut self, what: Open) -> Result<(), BencodeError> {
        self.token()?;
        if self.open.len() == self.limits.depth {
            return Err(BencodeError::TooDeep { max: self.limits.depth, at: self.at });
        }
        self.open.push(what);
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), BencodeError> {
        match self.open.pop() {
            None => return Err(BencodeError::Unexpected { byte: b'e', at: self.at }),
            Some(Open::List) => {}
            Some(Open::Dict { owes_value: true, .. }) => {
                return Err(BencodeError::KeyWithoutValue { at: self.at });
            }
            Some(Open::Dict { keys, sorted, .. }) => {
                if !sorted {
                    self.canonical = false;
                    self.no_equal_keys(keys)?;
                }
                self.keys.truncate(keys);
            }
        }
        self.at += 1;
        Ok(())
    }

    fn key(&mut self) -> Result<(), BencodeError> {
        let at = self.at;
        let span = self.string()?;
        let key = self.content(span);
        if key.len() > self.limits.key {
            return Err(BencodeError::KeyTooLong { at, len: key.len(), max: self.limits.key });
        }
        let Some(Open::Dict { keys, owes_value, sorted }) = self.open.last_mut() else {
            unreachable!("keys are read in dictionaries only")
        };
        *owes_value = true;
        if let Some(&last) = self.keys.get(*keys..).and_then(<[Span]>::last) {
            match key.cmp(&self.bytes[last.start as usize..last.end as usize]) {
                std::cmp::Ordering::Greater => {}
                std::cmp::Ordering::Equal => {
                    return Err(BencodeError::DuplicateKey { at: span.start as usize });
                }
                std::cmp::Ordering::Less => *sorted = false,
            }
        }
        self.keys.push(span);
        Ok(())
    }

    /// The keys of a dictionary that are not in order: sorted now, so that equal ones are neighbours.
    fn no_equal_keys(&mut self, from: usize) -> Result<(), BencodeError> {
        let bytes = self.bytes;
        let content = |span: &Span| &bytes[span.start as usize..span.end as usize];
        let keys = &mut self.keys[from..];
        keys.sort_unstable_by(|a, b| content(a).cmp(content(b)));
        match keys.windows(2).find(|pair| content(&pair[0]) == content(&pair[1])) {
            Some(pair) => Err(BencodeError::DuplicateKey { at: pair[0].start.max(pair[1].start) as usize }),
            None => Ok(()),
        }
    }

    fn content(&self, span: Span) -> &'a [u8] {
        &self.bytes[span.start as usize..span.end as usize]
    }

    fn string(&mut self) -> Result<Span, BencodeError> {
        self.token()?;
        let at = self.at;
        let (len, digits) = self.digits(LENGTH_DIGITS).ok_or(BencodeError::Length { at })?;
        if digits > 1 && self.bytes[at] == b'0' {
            self.canonical = false;
        }
        if self.peek()? != b':' {
            return Err(BencodeError::Length { at });
        }
        let start = self.at + 1;
        let left = self.bytes.len() - start;
        match usize::try_from(len) {
            Ok(wanted) if wanted <= left => {
                self.at = start + wanted;
                Ok(Span { start: start as u32, end: self.at as u32 })
            }
            _ => Err(BencodeError::StringTooLong { at, len, left }),
        }
    }

    fn integer(&mut self) -> Result<(), BencodeError> {
        self.token()?;
        let at = self.at;
        self.at += 1;
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let first = self.peek()?;
        let (_, digits) = self.digits(INT_DIGITS).ok_or(BencodeError::Integer { at })?;
        if digits == 0 {
            return Err(BencodeError::Integer { at });
        }
        if first == b'0' && (digits > 1 || negative) {
            self.canonical = false;
        }
        if self.peek()? != b'e' {
            return Err(BencodeError::Integer { at });
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over digits: their value (meaningless past 64 bits) and how many they are; `None` for
    /// more than `max`.
    fn digits(&mut self, max: usize) -> Option<(u64, usize)> {
        let from = self.at;
        let mut value = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            if self.at - from == max {
                return None;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        Some((value, self.at - from))
    }
}
