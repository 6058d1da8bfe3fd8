//! Datagrams of any length are sent and received whole; one that is too long is an error.

use udping_test_guests_p3::{ErrorCode, FAMILIES, IpAddressFamily, address, bound, receive, send};

async fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        let longest = if family == IpAddressFamily::Ipv4 { 65_507 } else { 65_527 };
        for length in [0, 1, 1_232, 1_233, 9_000, longest] {
            let data: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            send(&here, &data, Some(address(&there))).await.unwrap();
            let (received, from) = receive(&there).await.unwrap();
            assert!(received == data, "{length}");
            assert_eq!(from, address(&here));
        }
        let result = send(&here, &vec![0; longest + 1], Some(address(&there))).await;
        assert!(matches!(result, Err(ErrorCode::DatagramTooLarge)), "{result:?}");
    }
}

udping_test_guests_p3::guest!(main);
