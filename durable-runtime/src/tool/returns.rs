//! What a tool's function returns, and what that asks of its types, each with a compiler message of its own.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::content;
use crate::error;
use crate::journal::record::Conclusion;

/// A value that a tool can give.
#[diagnostic::on_unimplemented(
    message = "the value of a tool is sent as JSON, with a schema, and `{Self}` cannot be",
    label = "gives a `{Self}`",
    note = "derive `serde::Serialize` and `schemars::JsonSchema` for it"
)]
pub trait ToolValue: Serialize + JsonSchema + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema + Send + 'static> ToolValue for T {}

/// An error that a tool can fail with.
#[diagnostic::on_unimplemented(
    message = "the error of a tool is sent as text and as JSON, and `{Self}` cannot be",
    label = "fails with a `{Self}`",
    note = "implement `std::fmt::Display`, by hand or with `thiserror`, and derive `serde::Serialize`; or return `ToolError`"
)]
pub trait ToolFault: Serialize + fmt::Display + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<E: Serialize + fmt::Display + Send + 'static> ToolFault for E {}

/// What a tool's function returns: `Result<T, E>` with a value and an error that can be sent.
#[diagnostic::on_unimplemented(
    message = "a tool returns `Result<T, E>`, and `{Self}` is not one that can be sent",
    label = "this return type",
    note = "`T` needs `serde::Serialize` and `schemars::JsonSchema`; `E` needs `serde::Serialize` and `std::fmt::Display` (`ToolError` has both)"
)]
pub trait ToolReturn: Send + 'static {
    /// The value that a successful call gives.
    type Value: JsonSchema;

    /// Whether the value is shown as blocks of content.
    #[doc(hidden)]
    fn presents() -> bool;

    #[doc(hidden)]
    fn conclude(self) -> Result<Conclude, serde_json::Error>;
}

/// What a tool ended with, as JSON.
#[doc(hidden)]
pub struct Conclude {
    pub(crate) conclusion: Conclusion,
    /// The last word of the name of the error's type, for those who read the audit log.
    pub(crate) error_type: Option<Cow<'static, str>>,
}

impl<T: ToolValue, E: ToolFault> ToolReturn for Result<T, E> {
    type Value = T;

    fn presents() -> bool {
        content::are_blocks::<T>()
    }

    fn conclude(self) -> Result<Conclude, serde_json::Error> {
        Ok(match self {
            Ok(value) => Conclude {
                conclusion: match content::blocks(&value) {
                    Some(content) => Conclusion::Presented { content: content? },
                    None => Conclusion::Succeeded { value: serde_json::to_string(&value)? },
                },
                error_type: None,
            },
            Err(error) => Conclude {
                conclusion: {
                    let (message, json) = (error.to_string(), serde_json::to_string(&error)?);
                    if error::refuses(&error) {
                        Conclusion::Refused { message, error: json }
                    } else {
                        Conclusion::Failed { message, error: json }
                    }
                },
                error_type: Some(error::type_of(&error)),
            },
        })
    }
}

/// What is done with an `R`. Only a [`ToolReturn`] has it, so whoever is given it need not ask again: what is wrong with a
/// tool's return type is said once.
#[doc(hidden)]
pub struct Sent<R> {
    pub(super) schema: fn() -> Value,
    pub(super) presents: fn() -> bool,
    pub(super) conclude: fn(R) -> Result<Conclude, serde_json::Error>,
}

/// What is done with what a tool returns.
#[doc(hidden)]
pub const fn sent<R: ToolReturn>() -> Sent<R> {
    Sent { schema: super::definition::schema::<R::Value>, presents: R::presents, conclude: R::conclude }
}
