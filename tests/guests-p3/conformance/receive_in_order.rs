//! Datagrams of one source are received in the order in which they were sent, each once: one call
//! after another, and by several calls that wait at a time.

use udping_test_guests_p3::futures_util::future::{join, join_all};
use udping_test_guests_p3::{FAMILIES, address, bound, number, send};

async fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        for value in 0..100 {
            send(&here, &[value], Some(address(&there))).await.unwrap();
        }
        for value in 0..100 {
            assert_eq!(number(&there).await, value);
        }
        let sends = async {
            for value in 0..8 {
                send(&here, &[value], Some(address(&there))).await.unwrap();
            }
        };
        let (mut received, ()) = join(join_all((0..8).map(|_| number(&there))), sends).await;
        received.sort_unstable();
        assert_eq!(received, (0..8).collect::<Vec<_>>());
    }
}

udping_test_guests_p3::guest!(main);
