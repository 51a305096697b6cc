//! Durable functions of every form, in a strict crate.

#![deny(missing_docs, unreachable_pub, unused_qualifications)]
#![deny(rust_2018_idioms)]
#![deny(warnings)]
#![forbid(unsafe_code)]
#![allow(clippy::cloned_ref_to_slice_refs, clippy::too_many_arguments)]

use durable_runtime::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

async fn send(_: &StepContext, text: &str) -> Result<usize, ToolError> {
    Ok(text.len())
}

/// Sends a text.
#[durable]
pub async fn send_all(cx: &DurableContext, texts: &[String], mut total: usize) -> Result<usize, ToolError> {
    for text in texts {
        #[once(at_least, key = text)]
        let length = send(cx, text).await?;
        total += length;
    }
    Ok(total)
}

#[durable]
async fn nothing(_cx: &DurableContext) {}

#[durable]
async fn boxed(_cx: &DurableContext, early: bool) -> Box<dyn Display + Send> {
    if early {
        return Box::new(1);
    }
    Box::new("late")
}

#[durable(name = "generic", key = name)]
async fn generic<'a, T, F, const N: usize>(
    cx: &'a DurableContext,
    name: &'a str,
    (values, _): ([T; N], u8),
    each: F,
    also: impl Into<String> + Clone,
    parts: &mut Vec<Cow<'_, str>>,
    call: fn(&str) -> usize,
    _guard: Arc<BTreeMap<String, T>>,
) -> Option<(&'a str, usize)>
where
    T: Display + Sync,
    F: Fn(&T) -> usize,
{
    cx.sleep(std::time::Duration::ZERO).await;
    parts.push(Cow::Owned(also.into()));
    Some((name, values.iter().map(each).sum::<usize>() + call(name)))
}

#[durable]
async fn lines(_cx: &DurableContext, text: String) -> impl Iterator<Item = String> {
    text.lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
}

#[durable]
async fn factorial(cx: &DurableContext, n: u64) -> u64 {
    if n < 2 { 1 } else { n * factorial(cx, n - 1).await }
}

/// A shop.
#[derive(Debug)]
pub struct Shop<T> {
    stock: Vec<T>,
}

impl<T: Display + Send + Sync> Shop<T> {
    /// Tells the first of the stock.
    #[durable(key = index)]
    pub async fn item(&self, cx: &DurableContext, index: usize) -> Option<&T> {
        cx.sleep(std::time::Duration::ZERO).await;
        self.stock.get(index)
    }

    #[durable]
    async fn close(self, _cx: &DurableContext) -> Vec<T> {
        self.stock
    }

    #[durable]
    async fn shared(self: Arc<Self>, _cx: &DurableContext) -> usize {
        self.stock.len()
    }
}

/// Calls.
#[durable_tool]
pub async fn tool(context: &DurableContext, name: String) -> Result<String, ToolError> {
    #[durable]
    async fn inner(cx: &DurableContext, text: &str) -> Result<usize, ToolError> {
        #[once(at_most)]
        send(cx, text).await
    }
    let total = send_all(context, &[name.clone()], inner(context, &name).await?).await?;
    nothing(context).await;
    let text = boxed(context, false).await;
    let mut parts = Vec::new();
    let generic = generic(context, &name, ([1, 2], 3), |n| *n, "also", &mut parts, str::len, Arc::default()).await;
    let stock = factorial(context, 3).await;
    let shop = Shop { stock: vec![stock] };
    let first = shop.item(context, 0).await.copied();
    let count = Arc::new(Shop { stock: vec![1] }).shared(context).await;
    let stock = shop.close(context).await;
    let lines = lines(context, name.clone()).await.count();
    Ok(format!("{total} {text} {generic:?} {first:?} {count} {stock:?} {lines}"))
}

#[test]
fn is_accepted() {
    let _ = tool;
}
