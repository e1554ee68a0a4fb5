//! Values with a unit: durations, sizes, networks.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// A duration such as `500ms`, `5s`, `5m`, `2h`, `7d`, `4w`. A bare number has no unit and is refused.
pub fn duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(at)?;
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A size such as `65536`, `64KiB`, `32MiB`, `10GiB`, `5MB`: a whole number of bytes.
pub fn size(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(at)?;
    let number: u64 = number.parse().ok()?;
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A range of addresses, such as `10.0.0.0/8`, `::1/128` or a single `127.0.0.1`. Bits set beyond the
/// prefix are a mistake, since the author meant something else than what would be matched.
pub fn network(text: &str) -> Option<IpNet> {
    let network = match text.split_once('/') {
        Some(_) => text.parse().ok()?,
        None => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    (network.trunc() == network).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(604_800)));
        for bad in ["", "5", "m", "-5s", "5 s", "5mo", "1.5s", "99999999999999999999s", "9999999999999999999d"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("65536"), Some(65_536));
        assert_eq!(size("32MiB"), Some(32 << 20));
        assert_eq!(size("32 MiB"), Some(32 << 20));
        assert_eq!(size("5MB"), Some(5_000_000));
        for bad in ["", "MiB", "32Mi", "32mib", "-1", "1.5MiB", "99999999999999GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn networks() {
        let ten = network("10.0.0.0/8").unwrap();
        assert!(ten.contains(&"10.255.0.1".parse::<IpAddr>().unwrap()));
        assert_eq!(network("127.0.0.1").unwrap().to_string(), "127.0.0.1/32");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "ten", "10.0.0.0/", ""] {
            assert_eq!(network(bad), None, "{bad}");
        }
    }
}
