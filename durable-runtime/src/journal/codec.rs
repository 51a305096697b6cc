//! Records as bytes: one byte for the version of the encoding, then bincode.
//!
//! The only file that names bincode's functions, so that replacing it is a change of this file and of the derives in
//! `record.rs`.

use bincode::config::{self, Configuration};
use bincode::de::Decoder;
use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use super::identity::Identity;

/// The version of the encoding that this release writes, and the newest that it reads.
const VERSION: u8 = 1;

const CONFIGURATION: Configuration = config::standard();

/// Bytes of a record that is called short.
const SHORT: usize = 16 << 10;

/// Room for most records, so that the bytes need not move while they are written.
const USUAL: usize = 192;

/// Bytes that are not what they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("the record has encoding {0}, and this release knows encodings up to {VERSION}; start a newer release")]
    Newer(u8),
    #[error("the record is damaged: {0}")]
    Damaged(String),
}

pub(crate) fn encode(value: &impl Encode) -> Vec<u8> {
    let mut bytes = Bytes(Vec::with_capacity(USUAL));
    bytes.0.push(VERSION);
    bincode::encode_into_writer(value, &mut bytes, CONFIGURATION)
        .expect("records are plain data, and a Vec takes any number of bytes");
    bytes.0
}

struct Bytes(Vec<u8>);

impl Writer for Bytes {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    let Some((&version, body)) = bytes.split_first() else {
        return Err(CodecError::Damaged("it is empty".into()));
    };
    if version > VERSION {
        return Err(CodecError::Newer(version));
    }
    // A length in damaged bytes must not make us allocate more than there can be. In memory a record is larger than its bytes,
    // and not by as much as this.
    let decoded = if body.len() <= SHORT {
        bincode::decode_from_slice(body, CONFIGURATION.with_limit::<{ 1024 * SHORT }>())
    } else {
        bincode::decode_from_slice(body, CONFIGURATION.with_limit::<{ 1 << 30 }>())
    };
    let (value, read) = decoded.map_err(|error| CodecError::Damaged(error.to_string()))?;
    if read == body.len() {
        Ok(value)
    } else {
        Err(CodecError::Damaged(format!("{} bytes follow its end", body.len() - read)))
    }
}

/// The derived one would borrow the name, which is the program's or the identity's own.
impl<Context> Decode<Context> for Identity {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (scope, name, key): (_, String, _) = Decode::decode(decoder)?;
        Ok(Self { scope, name: name.into(), key })
    }
}

bincode::impl_borrow_decode!(Identity);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::record::{Admission, Conclusion, Ended, KeyUse, Outcome, Record, Reply, StepKind, Unfinished};

    fn charge() -> Identity {
        Identity { scope: String::new(), name: "charge".into(), key: Some("7".into()) }
    }

    fn every_record() -> Vec<Record> {
        vec![
            Record::Admitted(Arc::new(Admission {
                tool: "pay".into(),
                arguments: "{}".into(),
                principal: String::new(),
                origin: "http".into(),
                idempotency_key: Some("k".into()),
                build: "b".into(),
                seed: 1,
                at: 2,
            })),
            Record::Started { step: charge(), attempt: 1, at: 3 },
            Record::Failed {
                step: charge(),
                kind: StepKind::AtMostOnce,
                attempt: 1,
                error: "1".into(),
                at: 4,
                retry_at: 5,
            },
            Record::Ended {
                step: charge(),
                kind: StepKind::AtLeastOnce,
                attempt: 2,
                outcome: Outcome::Value("2".into()),
                at: 6,
            },
            Record::Unrecordable { step: charge(), kind: StepKind::AtLeastOnce, attempt: 2, reason: "r".into(), at: 7 },
            Record::Operated { operation: charge(), result: vec![8] },
            Record::Asked { question: charge(), request: "q".into(), at: 9, expires_at: 10 },
            Record::Cancelled { reason: "r".into(), at: 11 },
            Record::Forked { from: [9; 16], step: "s".into(), at: 12 },
            Record::Retried { code: "c".into(), reason: "r".into(), at: 13 },
            Record::Resolved {
                step: charge(),
                kind: StepKind::AtMostOnce,
                outcome: Outcome::Error("3".into()),
                at: 14,
            },
            Record::Ended {
                step: charge(),
                kind: StepKind::AtMostOnce,
                attempt: 1,
                outcome: Outcome::InDoubt("4".into()),
                at: 15,
            },
            Record::Completed { at: 16 },
        ]
    }

    /// These bytes are in stores of released versions: if this fails, raise the version and read the old one too.
    #[test]
    fn the_bytes_of_records_do_not_change() {
        let hex = |bytes: Vec<u8>| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        assert_eq!(
            hex(encode(&every_record())),
            concat!(
                "010d",
                "0003706179027b7d0004687474700101",
                "6b0162",
                "0102",
                "01000663686172676501013701",
                "03",
                "020006636861726765010137",
                "0101",
                "0131",
                "0405",
                "030006636861726765010137",
                "0002",
                "000132",
                "06",
                "040006636861726765010137",
                "0002",
                "0172",
                "07",
                "050006636861726765010137",
                "0108",
                "060006636861726765010137",
                "0171",
                "090a",
                "0701720b",
                "080909090909090909090909090909090901730c",
                "09016301720d",
                "0a0006636861726765010137",
                "01",
                "010133",
                "0e",
                "030006636861726765010137",
                "0101",
                "020134",
                "0f",
                "0b10",
            )
        );
        let ended = Ended {
            tool: "t".into(),
            principal: "p".into(),
            conclusion: Conclusion::Failed { message: "m".into(), error: "e".into() },
            admitted_at: 1,
            at: 2,
        };
        assert_eq!(hex(encode(&ended)), "0101740170".to_owned() + "01016d0165" + "0102");
        let interrupted = |conclusion| hex(encode(&Ended { conclusion, ..ended.clone() }));
        assert_eq!(interrupted(Conclusion::TimedOut { limit_ms: 7 }), "0101740170".to_owned() + "0207" + "0102");
        let cancelled = Conclusion::Cancelled { reason: "r".into() };
        assert_eq!(interrupted(cancelled), "0101740170".to_owned() + "030172" + "0102");
        let presented = Conclusion::Presented { content: "c".into() };
        assert_eq!(interrupted(presented), "0101740170".to_owned() + "040163" + "0102");
        let refused = Conclusion::Refused { message: "m".into(), error: "e".into() };
        assert_eq!(interrupted(refused), "0101740170".to_owned() + "05016d0165" + "0102");
        let running = Unfinished::Running { unclean_ends: 3, rows_then: 4, wake_at: Some(5) };
        assert_eq!(hex(encode(&running)), "010003040105");
        let parked = Unfinished::Parked { code: "c".into(), reason: "r".into(), at: 5 };
        assert_eq!(hex(encode(&parked)), "0101016301".to_owned() + "7205");
        assert_eq!(hex(encode(&Unfinished::Suspended { until: 6 })), "010206");
        assert_eq!(hex(encode(&Unfinished::Suspect { unclean_ends: 3, rows_then: 4 })), "01030304");
        assert_eq!(hex(encode(&Unfinished::Unclean { unclean_ends: 3, rows_then: 4, opening: 5 })), "0104030405");
        let replies = [Reply::Given("g".into()), Reply::Unavailable("u".into()), Reply::Expired, Reply::Withdrawn];
        assert_eq!(replies.map(|reply| hex(encode(&reply))), ["01000167", "01010175", "0102", "0103"]);
        let key = KeyUse { invocation: [1; 16], arguments: [2; 32] };
        assert_eq!(hex(encode(&key)), format!("01{}{}", "01".repeat(16), "02".repeat(32)));
    }

    #[test]
    fn every_record_is_read_as_it_was_written() {
        let records = every_record();
        assert_eq!(decode::<Vec<Record>>(&encode(&records)).expect("sound bytes"), records);
    }

    #[test]
    fn damaged_bytes_are_an_error_and_a_newer_encoding_says_so() {
        let sound = encode(&every_record());
        for length in 0..sound.len() {
            decode::<Vec<Record>>(&sound[..length]).expect_err("bytes are missing");
        }
        let mut longer = sound.clone();
        longer.push(0);
        decode::<Vec<Record>>(&longer).expect_err("a byte too many");
        let mut newer = sound;
        newer[0] = VERSION + 1;
        assert!(matches!(decode::<Vec<Record>>(&newer), Err(CodecError::Newer(2))));
    }
}
