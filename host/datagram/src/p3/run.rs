//! Runs a component, and learns when it waits.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use wasmtime::Store;
use wasmtime::component::Accessor;

use crate::udp::Outgoing;
use crate::view::View;
use crate::world::Waiting;

/// Runs `body`, which calls a component in `store`, as [`Store::run_concurrent`] does.
///
/// What the component has sent leaves at the latest when it waits, and the time of what it has
/// received is not told it any more after it has waited again.
///
/// # Errors
///
/// Those of [`Store::run_concurrent`].
pub async fn run_concurrent<T: Send + 'static, R>(
    store: &mut Store<T>,
    view: fn(&mut T) -> View<'_>,
    body: impl AsyncFnOnce(&Accessor<T>) -> R,
) -> wasmtime::Result<R> {
    let clock = view(store.data_mut()).clock.clone();
    let of_component = clock.clone();
    let runs = store.run_concurrent(async move |accessor| {
        let mut body = pin!(body(accessor));
        // The room that gathered datagrams wait for.
        let mut room = None::<Waiting>;
        poll_fn(|context| {
            if let Poll::Ready(result) = body.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            while of_component.gathering().stream().is_some() {
                let waiting = match &mut room {
                    Some(waiting) => waiting,
                    none => match accessor.with(|mut access| no_room(&mut view(access.data_mut())))
                    {
                        Some(waiting) => none.insert(waiting),
                        None => break,
                    },
                };
                if waiting.as_mut().poll(context).is_pending() {
                    break;
                }
                room = None;
            }
            Poll::Pending
        })
        .await
    });
    let mut runs = pin!(runs);
    poll_fn(|context| {
        let polled = runs.as_mut().poll(context);
        if polled.is_pending() {
            clock.waits();
        }
        polled
    })
    .await
}

/// Sends what was gathered. Returns what to wait for before the rest can be sent.
fn no_room(view: &mut View<'_>) -> Option<Waiting> {
    let stream = view.flush()?;
    view.outgoing(stream).ok().map(Outgoing::writable)
}
