//! How often a client may ask: a bucket of tokens for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Requests a second in the long run: many open pages behind one address.
pub const RATE: f64 = 100.0;
/// Requests at once.
pub const BURST: f64 = 400.0;
/// Addresses remembered at most; then those that have not asked for longest are forgotten, and begin anew.
const ADDRESSES: usize = 1024;

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The buckets.
#[derive(Default)]
pub struct Limiter(Mutex<HashMap<IpAddr, Bucket, ahash::RandomState>>);

impl Limiter {
    /// Whether a client may ask now.
    pub fn allows(&self, client: IpAddr) -> bool {
        self.takes(client, Instant::now(), 1.0)
    }

    fn takes(&self, client: IpAddr, now: Instant, price: f64) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES
            && !all.contains_key(&client)
            && let Some(oldest) = all.iter().min_by_key(|(_, b)| b.at).map(|(ip, _)| *ip)
        {
            all.remove(&oldest);
        }
        let bucket = all.entry(client).or_insert(Bucket { tokens: BURST, at: now });
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * RATE;
        bucket.tokens = (bucket.tokens + earned).min(BURST);
        bucket.at = now;
        let enough = bucket.tokens >= price;
        if enough {
            bucket.tokens -= price;
        }
        enough
    }

    /// A wrong password costs as much as many requests.
    pub fn punish(&self, client: IpAddr) {
        let now = Instant::now();
        if !self.takes(client, now, BURST / 8.0) {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(bucket) = all.get_mut(&client) {
                bucket.tokens = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_then_a_rate() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let burst = BURST as u32;
        assert!((0..burst).all(|_| limiter.takes(a, now, 1.0)));
        assert!(!limiter.takes(a, now, 1.0) && limiter.takes(b, now, 1.0));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..2 * burst).filter(|_| limiter.takes(a, later, 1.0)).count(), RATE as usize);
    }

    #[test]
    fn addresses_are_forgotten() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..2 * ADDRESSES as u32 {
            limiter.takes(IpAddr::from(n.to_be_bytes()), now, 1.0);
        }
        assert_eq!(limiter.0.lock().unwrap().len(), ADDRESSES);
    }
}
