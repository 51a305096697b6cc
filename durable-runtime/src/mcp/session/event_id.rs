//! The ids of events on a call's stream.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Where an event stands: on which stream of its session, and where there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventId {
    pub(super) stream: Uuid,
    pub(super) position: Position,
}

/// The place of an event on its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// Before the response; 0 is the event that only gives the stream its first id.
    At(u64),
    /// The response, after which nothing comes.
    End,
}

impl Position {
    /// The number of the first event after this one.
    pub(super) fn next(self) -> u64 {
        match self {
            Self::At(number) => number.saturating_add(1),
            Self::End => u64::MAX,
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Position::At(number) => write!(f, "{}.{number}", self.stream.simple()),
            Position::End => write!(f, "{}.end", self.stream.simple()),
        }
    }
}

/// The text is no id of an event on a call's stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoEventId;

impl FromStr for EventId {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let (stream, position) = text.split_once('.').ok_or(NoEventId)?;
        let stream = Uuid::try_parse(stream).map_err(|_| NoEventId)?;
        let position = match position {
            "end" => Position::End,
            number => Position::At(number.parse().map_err(|_| NoEventId)?),
        };
        Ok(Self { stream, position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_read_as_it_was_written_and_nothing_else_is() {
        let stream = Uuid::from_u128(7);
        for position in [Position::At(0), Position::At(u64::MAX), Position::End] {
            let id = EventId { stream, position };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "0", ".", "x.1", "00000000000000000000000000000007", "00000000000000000000000000000007.-1"] {
            assert_eq!(text.parse::<EventId>(), Err(NoEventId), "{text}");
        }
    }
}
