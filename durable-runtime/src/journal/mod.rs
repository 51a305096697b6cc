//! The journal: the ordered records of one invocation, as types, as bytes, and as what a replay makes of them.

pub(crate) mod codec;
pub(crate) mod identity;
pub(crate) mod record;
pub(crate) mod replay;
