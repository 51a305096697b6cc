//! A marker stands wherever an await can stand.

#![deny(warnings)]
// The forms are what counts.
#![allow(clippy::assign_op_pattern, clippy::bool_to_int_with_if, clippy::unused_self)]

use durable_runtime::prelude::*;

const NOTES: SortedMap<String> = SortedMap::new("notes");

#[derive(Clone)]
struct Item {
    id: u64,
}

struct Client;

impl Client {
    fn get(&self, url: &str) -> Request {
        Request(url.len())
    }
}

struct Request(usize);

impl Request {
    async fn send(self) -> Result<usize, std::num::TryFromIntError> {
        let length = u8::try_from(self.0)?;
        Ok(usize::from(length))
    }
}

async fn count(cx: &StepContext, what: &str) -> Result<u64, ToolError> {
    NOTES.insert(cx, [(what, String::new())]).await?;
    Ok(cx.attempt().into())
}

async fn find(_: &StepContext, what: &str) -> Result<Option<u64>, ToolError> {
    Ok(what.parse().ok())
}

async fn is_open(_: &StepContext) -> Result<bool, ToolError> {
    Ok(true)
}

async fn close(_: &StepContext) -> Result<(), ToolError> {
    Ok(())
}

async fn dice(_: &StepContext) -> u64 {
    4
}

/// Marks in each position.
#[durable_tool]
async fn positions(cx: &DurableContext, name: String, numbers: Vec<u64>) -> Result<u64, ToolError> {
    let client = Client;
    let items: Vec<Item> = numbers.iter().map(|id| Item { id: *id }).collect();

    #[once(at_least)]
    let first = count(cx, &name).await?;

    #[once(at_least, name = "with its result")]
    let second: Result<u64, ToolError> = count(cx, &name).await;

    #[once(at_least)]
    let Some(third) = find(cx, &name).await? else {
        NOTES.remove(cx, [&name]).await?;
        return Ok(0);
    };

    #[once(at_most)]
    close(cx).await?;

    #[once(at_least, infallible)]
    let mut total = dice(cx).await;

    let open = if #[once(at_least)]
    is_open(cx).await?
    {
        1
    } else {
        0
    };

    match #[once(at_least, name = "matched")]
    count(cx, "matched").await
    {
        Ok(number) => total += number,
        Err(error) => return Err(error),
    }

    total += {
        let nested = #[once(at_least, name = "nested")]
        count(cx, "nested").await?;
        nested + 1
    };

    for item in &items {
        #[once(at_least, name = "count_item", key = item.id)]
        let number = count(cx, &item.id.to_string()).await?;
        total += number;
        if number > 100 {
            continue;
        }
        for round in 0..2 {
            #[once(at_most, name = "round", key = format!("{} {round}", item.id))]
            count(cx, "round").await?;
        }
    }

    let mut page = 0;
    while (#[once(at_least, name = "page", key = page)]
    find(cx, &name).await?)
        .is_some()
    {
        page += 1;
    }

    #[once(at_least)]
    let length = client.get(&name).send().await.map_err(ToolError::from)?;

    #[once(at_least, name = "whole_block")]
    let sum = async {
        let one = count(cx, "one").await?;
        let two = count(cx, "two").await?;
        Ok::<u64, ToolError>(one + two)
    }
    .await?;

    total = #[once(at_least, name = "assigned")]
    count(cx, "assigned").await?
        + total;

    let noted = NOTES.get(cx, &name).await?;
    let later = async { NOTES.range(cx, "a".."b", 10).await };
    total += noted.map_or(0, |note| note.len() as u64);
    drop(later);

    total += first + second? + third + open + length as u64 + sum;
    #[once(at_least, name = "last")]
    count(cx, &total.to_string()).await
}

/// Ends with a step and its question mark.
#[durable_tool]
async fn tail(cx: &DurableContext) -> Result<u64, ToolError> {
    Ok(
        #[once(at_least)]
        count(cx, "tail").await?,
    )
}

#[test]
fn is_accepted() {
    let _ = (positions, tail);
}
