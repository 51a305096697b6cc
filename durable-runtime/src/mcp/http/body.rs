//! The body of a response that somebody follows to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, Bytes};
use futures_core::Stream;

use super::super::delivery::ResponseBody;

impl ResponseBody {
    /// Whether the answer is there, and somebody is to know when it has been written.
    pub(super) fn is_followed(&self) -> bool {
        self.0.lock().is_some()
    }
}

/// The same body, which tells when it has been written.
pub(super) fn followed(body: Body, delivery: ResponseBody) -> Body {
    Body::from_stream(Followed { body: body.into_data_stream(), delivery })
}

struct Followed {
    body: BodyDataStream,
    delivery: ResponseBody,
}

impl Stream for Followed {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.body).poll_next(task);
        // Who asks for more has taken what there was.
        if let Poll::Ready(None) = polled
            && let Some(delivery) = self.delivery.0.lock().take()
        {
            delivery.written();
        }
        polled
    }
}
