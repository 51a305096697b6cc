//! Sets of tools, as a server takes them.

use std::sync::Arc;

use crate::tool::Tool;

/// Tools that [`ServerBuilder::tools`](crate::ServerBuilder::tools) takes: a value whose type has an impl block under
/// `#[durable_tools]`, an [`Arc`] of one, or a list from [`tools!`](crate::tools).
///
/// ```
/// use std::sync::Arc;
/// use durable_runtime::prelude::*;
///
/// struct Shop {
///     currency: String,
/// }
///
/// #[durable_tools]
/// impl Shop {
///     /// Tells what something costs.
///     #[durable_tool(read_only)]
///     async fn price(&self, _cx: &ReadContext, item: String) -> Result<String, ToolError> {
///         Ok(format!("{} {}", item.len(), self.currency))
///     }
/// }
///
/// let shop = Arc::new(Shop { currency: "EUR".into() });
/// let builder = Server::builder("shop", "1.0.0").tools(Arc::clone(&shop));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no tools",
    label = "not a set of tools",
    note = "write `#[durable_tools]` on an `impl` block of the type, or list functions with `tools![..]`"
)]
pub trait Toolset {
    /// The tools.
    fn tools(self) -> Vec<Box<dyn Tool>>;
}

impl Toolset for Vec<Box<dyn Tool>> {
    fn tools(self) -> Vec<Box<dyn Tool>> {
        self
    }
}

impl<T: ToolMethods> Toolset for Arc<T> {
    fn tools(self) -> Vec<Box<dyn Tool>> {
        T::tools(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: ToolMethods> Toolset for T {
    fn tools(self) -> Vec<Box<dyn Tool>> {
        T::tools(Arc::new(self))
    }
}

/// What `#[durable_tools]` implements.
#[doc(hidden)]
pub trait ToolMethods: Send + Sync + Sized + 'static {
    fn tools(this: Arc<Self>) -> Vec<Box<dyn Tool>>;
}
