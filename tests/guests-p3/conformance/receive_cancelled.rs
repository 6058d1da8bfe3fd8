//! A `receive` that is cancelled takes nothing away from the next.

use udping_test_guests_p3::{FAMILIES, address, bound, number, send, within};

async fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        for value in 0..20 {
            assert!(within(1_000_000, there.receive()).await.is_none());
            send(&here, &[value], Some(address(&there))).await.unwrap();
            if value % 2 == 0 {
                assert_eq!(number(&there).await, value);
            } else {
                // Whether it was there or not, it is received once.
                let now = within(0, there.receive()).await;
                let value_received = match now {
                    Some(received) => received.unwrap().0[0],
                    None => number(&there).await,
                };
                assert_eq!(value_received, value);
            }
        }
    }
}

udping_test_guests_p3::guest!(main);
